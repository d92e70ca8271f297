"""Which frames of a video, as people say it: times and ranges from text to seconds and back, and how many at most.

Command line and page share this. Whether the video has a frame at a time is found out by those who decode it.
"""

from __future__ import annotations

import math

from app.core.domain import MOST_FRAMES, Notice, Selection, Strategy, clock
from app.core.errors import InputError

_BUDGETED: tuple[Strategy, ...] = ("auto", "uniform")


def is_budgeted(strategy: Strategy) -> bool:
    """Whether it takes as many frames as it is given; the others take what there is, at most so many."""
    return strategy in _BUDGETED


def usual_frames(strategy: Strategy, budget: int) -> int:
    """How many frames at most where nobody says: the budget, or all that there are."""
    return budget if is_budgeted(strategy) else MOST_FRAMES


def seconds(text: str) -> float:
    """Seconds, or a clock as reports write it: "75.5", "1:15.5", "0:01:15.5". Raises ValueError for anything else."""
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(f"{text!r} is not a time such as 75.5 or 1:15.5")
    return sum(number * factor for number, factor in zip(reversed(numbers), (1, 60, 3600), strict=False))


def times(text: str) -> tuple[float, ...]:
    """Times with commas between them, Chinese ones too; one at least. Raises ValueError."""
    return tuple(seconds(part) for part in text.replace("，", ",").strip().removesuffix(",").split(","))


def has_range(selection: Selection) -> bool:
    """Whether it is about a part of the video alone."""
    return bool(selection.start_seconds) or selection.end_seconds is not None


def range_notice(selection: Selection) -> Notice | None:
    """What a report on a part of a video says about that in its first lines; None for a whole video."""
    if not has_range(selection):
        return None
    start = clock(selection.start_seconds)
    if selection.end_seconds is None:
        return Notice("range_from", {"start": start}, "info")
    return Notice("range_only", {"start": start, "end": clock(selection.end_seconds)}, "info")


def between(start: str, end: str) -> tuple[float, float | None] | None:
    """The range that two written times name; None for none. An empty start is the beginning, an empty end the end.

    Raises InputError for what is no time, and where the end does not come after the start.
    """
    first, last = (_written(text) for text in (start, end))
    if not first and last is None:
        return None
    if last is not None and last <= (first or 0.0):
        raise InputError("range_backwards", start=start.strip() or "0", end=end.strip())
    return first or 0.0, last


def _written(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise InputError("time_unreadable", given=text.strip()[:40]) from error
