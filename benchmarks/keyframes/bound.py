"""The most events that any choice of so many frames can show: the ceiling under which all shares are read."""

from __future__ import annotations

from collections.abc import Sequence


def most_shown(events: Sequence[tuple[int, int]], frames: int) -> int:
    """How many of the half-open frame ranges [first, end) can be met by `frames` frames at best.

    The last frame of an event is as good as any other that shows it and no later event less, so only those are tried,
    in order: best[i] is the most shown when the frame chosen last is the i-th of them.
    """
    places = sorted({end - 1 for _, end in events})
    best = [0] * len(places)
    top = 0
    for _ in range(frames):
        best = [
            max(
                [_fresh(events, places[i], -1)] + [best[j] + _fresh(events, places[i], places[j]) for j in range(i)],
            )
            for i in range(len(places))
        ]
        top = max([top, *best])
    return top


def _fresh(events: Sequence[tuple[int, int]], frame: int, before: int) -> int:
    """Return the number of events that this frame shows and the previously chosen frame does not."""
    return sum(first <= frame < end and not first <= before < end for first, end in events)
