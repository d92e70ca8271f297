"""Cached small pictures of videos at any time, for the player's filmstrip and for files that the browser can't decode.

One decoder worker at low priority serves all pages. It is kept while its video is requested, so that dragging the
playhead doesn't start a process for each picture. Pictures are kept in memory, up to a limit.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from framelens.core.errors import AppError, VideoError
from framelens.core.events import KeyframeFound
from framelens.video import worker_pool
from framelens.video.files import check_file, printable_path
from framelens.video.keyframes.strategies import WorkerRequest

SIDES = (96, 1280)
"""Least and greatest longer side that may be requested, in pixels."""
_IDLE_SECONDS = 20.0
"""Without a request for this long, the worker ends."""
_TIMEOUT_SECONDS = 20.0
"""Time limit for a picture. A file that can only be read in order from its start may need longer and gets no
picture."""
_KEPT_BYTES = 24 << 20
"""About 600 pictures of 960 pixels, or 4,000 of a filmstrip."""


@dataclass(frozen=True)
class Still:
    """A JPEG of the frame shown at the requested time; `time_seconds` and `frame_index` are the frame's."""

    time_seconds: float
    jpeg: bytes
    frame_index: int


_Key = tuple[str, int, int, int]


class _Timeout(threading.Event):
    """An event that is also set once another event is."""

    def __init__(self, cancel: threading.Event | None) -> None:
        super().__init__()
        self._cancel = cancel or threading.Event()

    def is_set(self) -> bool:
        return self.has_passed() or self._cancel.is_set()

    def has_passed(self) -> bool:
        """Return whether it was set itself."""
        return super().is_set()


class Stills:
    """Picture source for the player, thread-safe. It serves one video at a time; `close` ends the worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: worker_pool.DecoderWorker | None = None
        self._file: tuple[str, int] | None = None
        self._stills: OrderedDict[_Key, Still] = OrderedDict()
        self._num_bytes = 0
        self._timer: threading.Timer | None = None

    def at(self, path: Path, seconds: float, side: int, *, cancel: threading.Event | None = None) -> Still:
        """Return the picture of `path` shown at `seconds`, its longer side at most `side` pixels.

        Raises:
            VideoError: The file is not a readable video, or there is no picture in time ("still_missing").
            DecodeError: Nothing of it can be decoded, or the decoder failed.
            Cancelled: `cancel` was set.
        """
        check_file(path)
        file = (str(path), path.stat().st_mtime_ns)
        key = (*file, round(seconds * 1000), side)
        with self._lock:
            if key in self._stills:
                self._stills.move_to_end(key)
                return self._stills[key]
            still = self._decode(path, file, seconds, side, cancel)
            self._keep(key, still)
            return still

    def close(self) -> None:
        """End the worker; the next request starts another."""
        with self._lock:
            self._end()

    def _decode(
        self, path: Path, file: tuple[str, int], seconds: float, side: int, cancel: threading.Event | None
    ) -> Still:
        missing = VideoError("still_missing", name=printable_path(path.name), time=f"{seconds:.3f}")
        timeout = _Timeout(cancel)
        try:
            if self._file != file or self._child is None:
                self._end()
                self._child = worker_pool.DecoderWorker(WorkerRequest("stills", path))
                self._file = file
                worker_pool.refill()  # keep a worker ready for an analysis
            timer = threading.Timer(_TIMEOUT_SECONDS, timeout.set)
            timer.start()
            try:
                self._child.ask([seconds, side])
                decoded = next(
                    (event for event in self._child.events(timeout) if isinstance(event, KeyframeFound)), None
                )
            finally:
                timer.cancel()
        except AppError:
            self._end()
            if timeout.has_passed():
                raise missing from None
            raise
        if decoded is None:
            self._end()
        self._end_later()
        if decoded is None or not decoded.keyframe.jpeg:
            raise missing
        return Still(decoded.keyframe.time_seconds, decoded.keyframe.jpeg, decoded.keyframe.frame_index)

    def _keep(self, key: _Key, still: Still) -> None:
        self._stills[key] = still
        self._num_bytes += len(still.jpeg)
        while self._num_bytes > _KEPT_BYTES:
            self._num_bytes -= len(self._stills.popitem(last=False)[1].jpeg)

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
