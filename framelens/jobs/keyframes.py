"""Keyframes for commands and programs: the choice of frames as given, and a video's keyframes without a model."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import get_args

from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.planning import time_parsing
from framelens.config import Settings
from framelens.core.analysis_state import AnalysisUpdate, updates
from framelens.core.domain import AnalysisRequest, Pace, Selection, Strategy, VideoInfo
from framelens.core.errors import ConfigError
from framelens.core.events import KeyframesChosen, Probed, StageStarted
from framelens.video.extractor import probe
from framelens.video.keyframes.options import ExtractOptions

Spelling = Callable[[str, object], str]
"""Formats an option with its value, or without a value for None: "--every 5", "every=5"."""


def parse_interval(text: str) -> float:
    """Parse a positive number of seconds.

    Raises:
        ConfigError: The text is no time, a wrong clock, or zero.
    """
    try:
        length = parse_seconds(text)
    except ConfigError as error:
        if error.key == "clock_unreadable":
            raise
        length = 0.0
    if not length:
        raise ConfigError("interval_empty", given=text)
    return length


def parse_seconds(text: str) -> float:
    """Parse seconds or a clock time; raise ConfigError with the given text."""
    try:
        return time_parsing.parse_seconds(text)
    except time_parsing.UnreadableTimeError as error:
        raise ConfigError(error.key, **error.values) from error


def parse_times(text: str) -> tuple[float, ...]:
    """Parse times separated by commas; raise ConfigError with the first that is not a time."""
    return tuple(map(parse_seconds, time_parsing.split_times(text)))


def build_selection(
    *,
    strategy: Strategy | None,
    every: float | None,
    at: Sequence[float],
    start: float,
    end: float | None,
    pace: Pace = "auto",
    time_limit: float | None = None,
    spelling: Spelling,
) -> Selection:
    """Build the selection; `every` or `at` imply their strategy.

    Args:
        strategy: The strategy, None for the implied strategy.
        every: Seconds between frames, for the strategy "every".
        at: Times in seconds, for the strategy "times".
        start: Start of the range in seconds.
        end: End of the range in seconds, None for the video's.
        pace: How much of the video is decoded.
        time_limit: Most seconds that looking through the video takes, None for no limit.
        spelling: How messages write an option.

    Raises:
        ConfigError: Options contradict each other, or an option is missing.
    """
    implied: Strategy = "times" if at else "every" if every else "auto"
    strategy = strategy or implied
    if strategy not in get_args(Strategy):
        allowed = ", ".join(get_args(Strategy))
        raise ConfigError("setting_choice", key=spelling("strategy", None), value=strategy, allowed=allowed)
    if pace not in get_args(Pace):
        allowed = ", ".join(get_args(Pace))
        raise ConfigError("setting_choice", key=spelling("pace", None), value=pace, allowed=allowed)
    if strategy == "every" and not every:
        raise _missing(spelling, strategy, "every", 5)
    if strategy == "times" and not at:
        raise _missing(spelling, strategy, "at", (1.5, 3, 7.25))
    for name, value, owner in (("every", every, "every"), ("at", at, "times")):
        if value and strategy != owner:
            option, setting = spelling(name, None), spelling("strategy", owner)
            raise ConfigError("option_unused", option=option, strategy=strategy, setting=setting)
    if end is not None and end <= start:
        names = {"start_option": spelling("start", None), "end_option": spelling("end", None)}
        raise ConfigError("range_reversed", start=f"{start:g}", end=f"{end:g}", **names)
    return Selection(strategy, every, tuple(at), start, end, pace, time_limit)


def _missing(spelling: Spelling, strategy: str, option: str, example: object) -> ConfigError:
    chosen, missing = spelling("strategy", strategy), spelling(option, None)
    return ConfigError("option_missing", chosen=chosen, missing=missing, option=spelling(option, example))


def frames_that_fit(settings: Settings, path: Path) -> int:
    """Return the number of frames that a request for a description holds.

    Raises:
        AppError: The video can't be read.
    """
    from framelens.analysis.prompts.templates import built_in
    from framelens.jobs.engine_session import open_planner

    request = AnalysisRequest(path)
    template = built_in()[request.template]
    return open_planner(settings).held_frames(probe(path), request, template)


def open_updates(
    settings: Settings,
    path: Path,
    frames: tuple[int, bool],
    selection: Selection,
    cancel: threading.Event | None,
) -> tuple[Iterator[AnalysisUpdate], bool]:
    """Return the updates of choosing keyframes, and whether they are cached; a video is decoded as they are consumed.

    `frames` is a result of `frame_limit`.

    Raises:
        InputError: The file can't be read.
    """
    most, adapts = frames
    options = ExtractOptions(most, selection, adapts=adapts, read_text=False)
    cache = open_extraction_cache(settings.data_dir)
    cached = cache.find(path, options, cancel)
    if cached is not None:
        return updates(cached), True
    return updates(chain((StageStarted("survey"),), cache.make(path, options, cancel))), False


def consume(
    updates: Iterable[AnalysisUpdate], show: Callable[[AnalysisUpdate], None]
) -> tuple[VideoInfo, KeyframesChosen]:
    """Return the video and its keyframes; all other updates are passed to `show`.

    Raises:
        AppError: The video can't be decoded.
        Cancelled: The choice was cancelled.
    """
    video, chosen = None, None
    for update in updates:
        match update.event:
            case Probed():
                video = update.event.video
            case KeyframesChosen():
                chosen = update.event
            case _:
                show(update)
    assert video and chosen
    return video, chosen
