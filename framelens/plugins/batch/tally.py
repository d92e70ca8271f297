"""Tally of a running batch: the states of its results, and an estimate of the remaining time."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from framelens.core.errors import AppError
from framelens.core.units import extrapolated_seconds
from framelens.plugins.batch.batch import BatchVideo
from framelens.plugins.batch.results import VideoResult
from framelens.plugins.batch.runner import BatchEvent, BatchHalted, VideoBegun, VideoEnded


class BatchTally:
    """Fold of the events of a run. Only a single thread may use it.

    The remaining time follows from the videos that have ended in this run. A video's share of the work is its size plus
    the mean size: sizes are known without opening a file, but even a small video has frames to read and to answer.

    Args:
        videos: All videos; a watched folder may add more.
        clock: Returns seconds that never go back.

    Attributes:
        states: Number of videos by the state of their result.
        error: Why the run was halted.
    """

    def __init__(self, videos: Sequence[BatchVideo] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sizes = {one.key: one.size_bytes for one in videos}
        self._left = set(self._sizes)
        self._done: set[str] = set()
        self._since: float | None = None
        self.states: Counter[str] = Counter()
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
        if self._since is None:
            return None
        elapsed = self._clock() - self._since
        return extrapolated_seconds(elapsed, self._work_of(self._done), self._work_of(self._left))

    def _work_of(self, keys: Collection[str]) -> float:
        mean = max(1.0, sum(self._sizes.values()) / len(self._sizes))
        return sum(self._sizes[key] for key in keys) + len(keys) * mean

    def apply(self, event: BatchEvent[BatchVideo, Any]) -> None:
        """Count an event."""
        match event:
            case VideoBegun(video):
                self._add(video)
                self._since = self._clock() if self._since is None else self._since
            case VideoEnded(video, VideoResult() as result, was_done):
                self._add(video)
                self.states[result.state] += 1
                self._left.discard(video.key)
                if not was_done:
                    self._done.add(video.key)
            case BatchHalted(error):
                self.error = self.error or error
            case _:
                pass

    def _add(self, video: BatchVideo) -> None:
        if video.key not in self._sizes:
            self._sizes[video.key] = video.size_bytes
            self._left.add(video.key)
