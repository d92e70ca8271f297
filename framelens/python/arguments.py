"""Arguments of calls: their types, and what they mean."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from framelens.analysis.planning.frame_budget import parse_frames
from framelens.core.domain import Analysis, Language, Pace, Selection, Strategy
from framelens.core.files import given_path
from framelens.jobs.keyframes import build_selection, parse_interval, parse_seconds

Frames = int | Literal["auto", "fit"] | None
"""Most frames, 1 to 256; "auto" for as many as suit the video, "fit" for as many as one request to the model holds.
None is the default."""
Time = float | str
"""Seconds from the start of the video, or a clock time such as "1:15.5"."""
PathLike = str | os.PathLike[str]
Subject = PathLike | Analysis
"""A video, the id of an analysis, or an Analysis."""


class SessionOptions(TypedDict, total=False):
    """Arguments of `Session`, which `keyframes`, `analyse` and `analyse_events` take too."""

    model: str
    base_url: str
    api_key: str
    language: Language | None
    data_dir: PathLike | None
    template_dir: PathLike | None
    settings: Mapping[str, str] | None
    download: bool


class AskOptions(SessionOptions, total=False):
    """Fields of AskSettings, and arguments of `Session`, as arguments of `ask_events`."""

    temperature: float
    top_p: float
    max_tokens: int
    context_tokens: int
    repetition_penalty: float
    seed: int | None
    search_frames: int
    search_seconds: int
    system_prompt: str
    letters: str


def check_texts(**texts: object) -> None:
    """Raise TypeError for an argument that must be a text and isn't."""
    if wrong := next((name for name, text in texts.items() if not isinstance(text, str)), None):
        raise TypeError(f"{wrong} must be a str, not {type(texts[wrong]).__name__}")


def as_sequence(values: Any) -> Sequence[Any]:
    """Return several values unchanged, and a single value in a sequence; a text is a single value."""
    return (values,) if isinstance(values, str | os.PathLike | Analysis | int | float) else cast(Sequence[Any], values)


def file_path(path: PathLike) -> Path:
    """Return the absolute path of a file."""
    return given_path(path).absolute()


def frame_number(frames: Frames) -> int | None:
    """Return the number of frames, as the frame budget has it."""
    return None if frames is None else parse_frames(str(frames))


def selection_of(
    strategy: Strategy | None,
    every: Time | None,
    at: Sequence[Time],
    start: Time,
    end: Time | None,
    pace: Pace = "auto",
    time_limit: Time | None = None,
) -> Selection:
    """Return how frames are chosen.

    Raises:
        ConfigError: The arguments contradict each other.
    """
    return build_selection(
        strategy=strategy,
        every=None if every is None else parse_interval(str(every)),
        at=tuple(parse_seconds(str(time)) for time in as_sequence(at)),
        start=parse_seconds(str(start)),
        end=None if end is None else parse_seconds(str(end)),
        pace=pace,
        time_limit=None if time_limit is None else parse_interval(str(time_limit)),
        spelling=lambda name, value: name if value is None else f"{name}={value!r}",
    )
