"""Model that was trained to say when something happens, asked for moments alone: TimeLens2 and others like it.

It gets two frames a second, each after its time, in parts of two minutes, and answers with spans in seconds. The prompt
is the one for several spans in the evaluation of TimeLens2 (github.com/MCG-NJU/TimeLens2, Apache-2.0), which names the
settings of the answer as well. What the model proposes is no answer yet: the search looks at each span.

What this does not do: start the model, or take pictures of more than two frames a second.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from framelens.plugin.analyses import Looking, MomentFinder

_PART_SECONDS, _FRAME_SECONDS = 120.0, 0.5
"""Length of the parts that the model sees, and from frame to frame: 240 frames, of the 512 that it was tested on."""
_ANSWER_TOKENS = 512
_PRESENCE_PENALTY = 1.5
_PROMPT = """You are given a video as a sequence of frames.
The timestamp (in seconds) is shown before each frame.
Task: temporal grounding.
Given the query: "{thing}", return ALL time spans (in seconds) where the query is grounded in the video.
Output format MUST be a JSON array of [start, end] pairs, e.g. [[0, 3.5], [10, 12]].
"""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(?:s|sec|seconds)?\s*(?:,|-|–|to)\s*(\d+(?:\.\d+)?)")
"""Two times in any form: "[1.5, 3]", "1.5 - 3 seconds", "1.5s to 3s"."""


@dataclass(frozen=True)
class Finder(MomentFinder):
    """Finder at an OpenAI-compatible address; `model` "" means the served model."""

    base_url: str
    model: str
    api_key: str = field(repr=False)
    timeout_seconds: float

    def spans(
        self, thing: str, picture: Callable[[float], bytes], start: float, end: float, *, cancel: threading.Event
    ) -> Generator[Looking, None, list[tuple[float, float]]]:
        """Ask about each part of the video in turn; see `MomentFinder`."""
        spans: list[tuple[float, float]] = []
        parts = max(1, ceil((end - start) / _PART_SECONDS))
        for number in range(parts):
            yield Looking("finder", number, parts)
            first = start + number * _PART_SECONDS
            length = min(_PART_SECONDS, end - first)
            times = [step * _FRAME_SECONDS for step in range(max(1, ceil(length / _FRAME_SECONDS)))]
            pictures = [(seconds, picture(first + seconds)) for seconds in times]
            spans += [
                (first + begin, first + min(stop, length))
                for begin, stop in self._ask(thing, pictures, cancel)
                if begin <= min(stop, length)
            ]
        return spans

    def _ask(
        self, thing: str, pictures: Sequence[tuple[float, bytes]], cancel: threading.Event
    ) -> list[tuple[float, float]]:
        """Return the spans in one part, which is halved as long as the model has no room for it."""
        from langchain_core.messages import HumanMessage

        from framelens.plugin.chat import TooManyPictures, ask, connect, picture_part, text_part
        from framelens.plugin.engines import RequestTooLarge, get_json, served_models

        parts: list[Any] = [text_part(_PROMPT.format(thing=thing))]
        for seconds, jpeg in pictures:
            parts += [text_part(f"{seconds:.2f}s"), picture_part(jpeg)]
        model = self.model or next(iter(served_models(get_json(f"{self.base_url}/models", api_key=self.api_key))), "")
        settings = {"max_tokens": _ANSWER_TOKENS, "timeout_seconds": self.timeout_seconds}
        chat = connect(self.base_url, api_key=self.api_key, model=model, **settings)  # type: ignore[arg-type]
        chat.presence_penalty = _PRESENCE_PENALTY
        try:
            return parse_spans(ask(chat, [HumanMessage(content=parts)], cancel=cancel).text)
        except (RequestTooLarge, TooManyPictures):
            if len(pictures) == 1:
                raise
            half = len(pictures) // 2
            return [span for part in (pictures[:half], pictures[half:]) for span in self._ask(thing, part, cancel)]


def parse_spans(text: str) -> list[tuple[float, float]]:
    """Return the spans in seconds that an answer names, each with its start first."""
    return [(float(begin), float(stop)) for begin, stop in _SPAN.findall(text) if float(begin) <= float(stop)]
