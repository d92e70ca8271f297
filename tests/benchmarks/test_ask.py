"""The benchmark of questions: cards are where the record says, and what is found is counted by it."""

from benchmarks.ask.planted import RATE, Occurrence
from benchmarks.ask.when import Tally
from framelens.core.evidence import Interval, Moments, Point

CARD = Occurrence("red", 50, 75, 1.0)


def found(*spans: tuple[int, int]) -> Moments:
    intervals = tuple(
        Interval(
            Point(first, first / RATE), Point(last, last / RATE), None, None, Point(first, first / RATE), 2, 0, 1.0
        )
        for first, last in spans
    )
    return Moments("id", "a red card", 0.0, 60.0, intervals=intervals)


def test_tally_counts_what_was_found() -> None:
    tally = Tally()
    tally.add([CARD, Occurrence("red", 200, 220, 1.0)], found((50, 73), (400, 401)), hours=0.5)
    assert (tally.cards, tally.found, tally.false, tally.hours) == (2, 1, 1, 0.5)
    assert tally.border_errors == [0, 1]
    tally.add([CARD], found((75, 90)), hours=0.5)
    assert (tally.cards, tally.found, tally.false) == (3, 1, 2)
