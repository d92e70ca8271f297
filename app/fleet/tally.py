"""Tally of a running batch: what has ended in which way, what runs, and an estimate of the remaining time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from app.core import AppError
from app.fleet.batch import BatchVideo
from app.fleet.results import VideoResult
from app.fleet.runner import BatchEvent, BatchHalted, VideoBegun, VideoEnded


class BatchTally:
    """Fold of the events of a run. It is used by one thread.

    The remaining time assumes that the videos left take as long for each byte as those that have ended in this run: the
    sizes are known without opening a file, and most of the work grows with them.

    Args:
        videos: All videos; a watched folder may add more.
        clock: Returns seconds that never go back.

    Attributes:
        states: Number of videos by the state of their result.
        num_done_before: How many of them had their result before.
        running: The videos that run.
        error: Why the run was halted.
    """

    def __init__(self, videos: Sequence[BatchVideo] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sizes = {one.key: max(1, one.size_bytes) for one in videos}
        self._bytes_left = sum(self._sizes.values())
        self._bytes_done = 0
        self._since: float | None = None
        self.states: Counter[str] = Counter()
        self.num_done_before = 0
        self.running: dict[str, BatchVideo] = {}
        self.error: AppError | None = None

    @property
    def total(self) -> int:
        """Return the number of videos."""
        return len(self._sizes)

    @property
    def num_ended(self) -> int:
        """Return the number of videos that have a result."""
        return sum(self.states.values())

    @property
    def num_left(self) -> int:
        """Return the number of videos without a result."""
        return self.total - self.num_ended

    @property
    def seconds_left(self) -> float | None:
        """Estimate the remaining seconds; None until the first video of this run has ended."""
        if self._since is None or not self._bytes_done:
            return None
        return (self._clock() - self._since) * self._bytes_left / self._bytes_done

    def apply(self, event: BatchEvent[BatchVideo, Any]) -> None:
        """Count an event."""
        match event:
            case VideoBegun(video):
                self._add(video)
                self._since = self._clock() if self._since is None else self._since
                self.running[video.key] = video
            case VideoEnded(video, VideoResult() as result, was_done):
                self._add(video)
                self.running.pop(video.key, None)
                self.states[result.state] += 1
                self._bytes_left -= self._sizes[video.key]
                self.num_done_before += was_done
                self._bytes_done += 0 if was_done else self._sizes[video.key]
            case BatchHalted(error):
                self.error = self.error or error
            case _:
                pass

    def _add(self, video: BatchVideo) -> None:
        if video.key not in self._sizes:
            self._sizes[video.key] = max(1, video.size_bytes)
            self._bytes_left += self._sizes[video.key]
