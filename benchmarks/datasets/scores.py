"""Scores of answered items, in all and by the sets' own groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.datasets.formats import Item

_OVERLAPS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Outcome:
    """The answer to an item: a letter, or a span; an empty answer is wrong.

    Attributes:
        item: The item.
        letter: The chosen letter.
        span: The moment found, in seconds.
        problem: Why there is no answer.
    """

    item: Item
    letter: str = ""
    span: tuple[float, float] | None = None
    problem: str = ""

    @property
    def overlap(self) -> float:
        """Return the temporal intersection over union of the span and the right span."""
        return overlap(self.span, self.item.span)


def overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> float:
    """Return the intersection over union of two spans, 0 if either is missing."""
    if one is None or other is None:
        return 0.0
    shared = min(one[1], other[1]) - max(one[0], other[0])
    union = max(one[1], other[1]) - min(one[0], other[0])
    return max(0.0, shared) / union if union > 0 else float(one == other)


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of a table: all items, then the items of each duration and of each task."""
    known = [one for one in outcomes if one.item.answer or one.item.span]
    if not known:
        yield f"{len(outcomes)} answered; this file has no right answers to compare them with"
        return
    yield _line("all", known)
    for name, key in (("duration", lambda one: one.item.duration), ("task", lambda one: one.item.task)):
        for value in sorted({key(one) for one in known}):
            yield _line(f"{name} {value}", [one for one in known if key(one) == value])
    if failed := [one for one in outcomes if one.problem]:
        yield f"{len(failed)} without an answer, counted as wrong; the first: {failed[0].item.id}: {failed[0].problem}"


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    head = f"{name:<40} {len(outcomes):6} "
    if outcomes[0].item.span is None:
        return f"{head} accuracy {100 * mean(one.letter == one.item.answer for one in outcomes):5.1f} %"
    overlaps = [one.overlap for one in outcomes]
    shares = "  ".join(f"R1@{least:g} {100 * mean(one >= least for one in overlaps):5.1f} %" for least in _OVERLAPS)
    return f"{head} {shares}  mIoU {100 * mean(overlaps):5.1f} %"
