"""Small pictures of videos at any time, for a player whose browser cannot decode the file, and for its filmstrip.

One decoding child at low priority serves all pages. It is kept for one video while that is asked for, so that dragging
the playhead does not start a process for each picture. Pictures are kept in memory, up to a bound.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from app.core.domain import KeyframeFound
from app.core.errors import AppError, InputError
from app.video import worker_pool
from app.video.files import check_file, printable
from app.video.worker_pool import DecoderWorker

SIDES = (96, 1280)
"""Pixels of the longer side that may be asked for."""
_IDLE_SECONDS = 20.0
_PATIENCE_SECONDS = 20.0
"""For one picture. A file that can only be read in order from its start may need longer; then there is none."""
_KEPT_BYTES = 24 << 20
"""About 600 pictures of 960 pixels, or 4,000 of a filmstrip."""


@dataclass(frozen=True)
class Still:
    """A JPEG of the frame on show at the time that was asked for; `time_seconds` is when that frame begins."""

    time_seconds: float
    jpeg: bytes


_Key = tuple[str, int, int, int]


class Stills:
    """Pictures of one video after another. Safe to use from several threads; `close` ends the child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: DecoderWorker | None = None
        self._file: tuple[str, int] | None = None
        self._kept: OrderedDict[_Key, Still] = OrderedDict()
        self._num_bytes = 0
        self._timer: threading.Timer | None = None

    def at(self, path: Path, seconds: float, side: int) -> Still:
        """Return the picture of `path` on show at `seconds`, at most `side` pixels long.

        Raises what `probe` raises, and InputError("still_missing") where there is no picture in time.
        """
        check_file(path)
        file = (str(path), path.stat().st_mtime_ns)
        key = (*file, round(seconds * 1000), side)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            still = self._decoded(path, file, seconds, side)
            self._keep(key, still)
            return still

    def close(self) -> None:
        """End the child; the next request starts another."""
        with self._lock:
            self._end()

    def _decoded(self, path: Path, file: tuple[str, int], seconds: float, side: int) -> Still:
        missing = InputError("still_missing", name=printable(path.name), time=f"{seconds:.3f}")
        watch = threading.Event()
        try:
            if self._file != file or self._child is None:
                self._end()
                self._child = DecoderWorker("stills", path)
                self._file = file
                worker_pool.refill()  # for an analysis
            late = threading.Timer(_PATIENCE_SECONDS, watch.set)
            late.start()
            try:
                self._child.ask([seconds, side])
                found = next((one for one in self._child.events(watch) if isinstance(one, KeyframeFound)), None)
            finally:
                late.cancel()
        except AppError:
            self._end()
            if watch.is_set():
                raise missing from None
            raise
        if found is None:
            self._end()
        self._end_later()
        if found is None or not found.keyframe.jpeg:
            raise missing
        return Still(found.keyframe.time_seconds, found.keyframe.jpeg)

    def _keep(self, key: _Key, still: Still) -> None:
        self._kept[key] = still
        self._num_bytes += len(still.jpeg)
        while self._num_bytes > _KEPT_BYTES:
            self._num_bytes -= len(self._kept.popitem(last=False)[1].jpeg)

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_IDLE_SECONDS, self.close)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._child is not None:
            self._child.__exit__(None, None, None)
            self._child, self._file = None, None
