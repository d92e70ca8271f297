"""From a request to the messages of a decoding child, with its end assured whichever way the reading stops.

Nothing here knows what is asked or answered; `video/worker_pool.py` starts the children.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from app.core.errors import AppError, Cancelled, DecodeError
from app.video import limits, worker_pool
from app.video.files import printable
from app.video.protocol import receive

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_QUEUED_MESSAGES = 16
_ENDS = {limits.STUCK_EXIT: "video_decoder_stuck", -9: "video_out_of_memory"}
"""What an exit code tells. Nobody but an operating system that runs out of memory kills a child outright."""


class DecodingChild:
    """A running child and its messages; leaving the `with` block ends it.

    Among the `options` of any task may be `memory_bytes` and `stuck_seconds`, in place of those of app.video.limits.
    """

    def __init__(self, task: str, path: Path, **options: object) -> None:
        self._path = path
        self._messages: queue.Queue[object] = queue.Queue(_QUEUED_MESSAGES)
        self._closing = threading.Event()
        self._is_unreadable = False
        self._process = worker_pool.asked(json.dumps({"task": task, "path": str(path), **options}))
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._pump, self._log_stderr)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        worker_pool.close_pipes(self._process)
        worker_pool.refill()

    def ask(self, wish: object) -> None:
        """Send a child whose task takes more than one request the next one. One that has ended does not mind."""
        pipe = cast(BinaryIO, self._process.stdin)
        with suppress(OSError):
            pipe.write(json.dumps(wish).encode() + b"\n")
            pipe.flush()

    def events(self, cancel: threading.Event | None = None) -> Iterator[object]:
        """What the child sends, to its end. Raises what it reports, Cancelled, or DecodeError where it ended badly."""
        while True:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            try:
                message = self._messages.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(message, AppError):
                raise message
            if message is None:
                break
            yield message
        if code := self._process.wait():
            _log.warning("the decoding child ended with code %s on %r", code, str(self._path))
            key = "video_decoder_crashed" if self._is_unreadable else _ENDS.get(code, "video_decoder_crashed")
            raise DecodeError(key, name=printable(self._path.name))

    def _pump(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        message: object | None = self
        while message is not None and not self._closing.is_set():
            try:
                message = receive(stream)
            except (EOFError, ValueError, KeyError, TypeError):
                # Half a message is how a crash looks from here; the exit code tells the rest.
                _log.warning("the decoding child sent what cannot be read", exc_info=True)
                self._is_unreadable = True
                self._process.kill()
                message = None
            self._put(message)

    def _put(self, message: object) -> None:
        while not self._closing.is_set():
            try:
                self._messages.put(message, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def _log_stderr(self) -> None:
        for line in cast(BinaryIO, self._process.stderr):
            _log.info("child: %s", line.decode(errors="replace").rstrip())
