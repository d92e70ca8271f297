"""A budget of frames spread over scenes or over time. Seconds in, seconds out; nothing is decoded here."""

from __future__ import annotations

from collections.abc import Sequence

Scene = tuple[float, float]


def even(duration_seconds: float, frames: int) -> list[float]:
    """Return the middles of `frames` equal parts of the video."""
    return within((0.0, duration_seconds), frames)


def within(scene: Scene, frames: int) -> list[float]:
    """Return the middles of `frames` equal parts of [start, end)."""
    start, end = scene
    return [start + (end - start) * (place + 0.5) / frames for place in range(frames)]


def middles(scenes: Sequence[Scene], frames: int) -> list[float]:
    """`frames` times: the middle of every scene, and more in the longest scenes while the budget lasts.

    With more scenes than frames, the middles of scenes taken evenly from their row.
    """
    if len(scenes) > frames:
        return [within(scene, 1)[0] for scene in _thinned(scenes, frames)]
    shares = [1] * len(scenes)
    while scenes and sum(shares) < frames:
        lengths = [(end - start) / share for (start, end), share in zip(scenes, shares, strict=True)]
        shares[lengths.index(max(lengths))] += 1
    return [time for scene, share in zip(scenes, shares, strict=True) for time in within(scene, share)]


def starts(scenes: Sequence[Scene], frames: int) -> list[float]:
    """`frames` times: the start of every scene, and even times over the whole while the budget lasts.

    With more scenes than frames, the starts of scenes taken evenly from their row.
    """
    if len(scenes) > frames:
        return [start for start, _ in _thinned(scenes, frames)]
    end = max((end for _, end in scenes), default=0.0)
    return sorted([start for start, _ in scenes] + even(end, frames - len(scenes)))


def _thinned(scenes: Sequence[Scene], frames: int) -> list[Scene]:
    return [scenes[int(place)] for place in even(len(scenes), frames)]
