"""Decoder worker processes: starting them, keeping one ready, and running one request.

A worker is `python -m app.video.worker`, a separate program: forking would copy the server's threads, and a spawned
multiprocessing child would run the page's script again. Its request is the first line on its standard input, and it
exits when that closes. Loading its libraries takes a quarter of a second, so a server keeps one idle worker (some
100 MB), and a command starts one while it reads its settings.
"""

from __future__ import annotations

import json
import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from app.core.child_environment import reader_environment
from app.core.errors import AppError, Cancelled, DecodeError
from app.video import limits
from app.video.files import printable
from app.video.protocol import receive

Child = subprocess.Popen[bytes]
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's products are of a few numbers here; threads for larger ones wait for work at the expense of the decoder."""
_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_QUEUED_MESSAGES = 16
_ENDS = {limits.STUCK_EXIT: "video_decoder_stuck", -9: "video_out_of_memory"}
"""What an exit code tells. Nobody but an operating system that runs out of memory kills a child outright."""


class _Spare:
    """The child that waits, if any, and how many want one to wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Child | None = None
        self._keepers = 0
        self.in_background = False

    def keep(self) -> None:
        with self._lock:
            self._keepers += 1
            self._fill()

    def prepare(self) -> None:
        with self._lock:
            self._waiting = self._waiting or _started("--ready")

    def let_go(self) -> None:
        with self._lock:
            self._keepers -= 1
        self.end_unneeded()

    def end_unneeded(self) -> None:
        with self._lock:
            if not self._keepers and self._waiting:
                _end(self._waiting)
                self._waiting = None

    def refill(self) -> None:
        with self._lock:
            self._fill()

    def take(self) -> Child | None:
        with self._lock:
            taken, self._waiting = self._waiting, None
            return taken

    def _fill(self) -> None:
        if self._keepers and self._waiting is None:
            self._waiting = _started("--ready")


_spare = _Spare()


@contextmanager
def child_ready(*, in_background: bool = False) -> Iterator[None]:
    """While this lasts, a child waits to be asked; after each one that ends, the next is made ready.

    With `in_background` all of them give way to other processes: beside a page and an engine that must stay responsive.
    """
    _spare.in_background = in_background
    _spare.keep()
    try:
        yield
    finally:
        _spare.let_go()
        _spare.in_background = False


@contextmanager
def child_begun() -> Iterator[None]:
    """Start one child now, for the one file that a command reads; no other takes its place."""
    _spare.prepare()
    try:
        yield
    finally:
        _spare.end_unneeded()


def refill() -> None:
    """Where a child is to be kept ready and none waits, start one."""
    _spare.refill()


def asked(request: str) -> Child:
    """A child that was given this request, a line of JSON: the one that waits, or a new one."""
    if (child := _spare.take()) and _told(child, request):
        return child
    if child:  # it was ended from outside
        _end(child)
    child = _started()
    _told(child, request)  # a child that is gone already is seen by its exit code
    return child


def _started(*options: str) -> Child:
    # -P keeps a file in the working directory from being imported in place of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app.video.worker", *options, *(["--background"] if _spare.in_background else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_ONE_THREAD, **reader_environment()},
    )


def _told(child: Child, request: str) -> bool:
    pipe = cast(BinaryIO, child.stdin)
    try:
        pipe.write(request.encode() + b"\n")
        pipe.flush()
    except OSError:
        return False
    return child.poll() is None


def _end(child: Child) -> None:
    child.kill()
    child.wait()
    close_pipes(child)


def close_pipes(child: Child) -> None:
    """Of a child that has ended."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        try:
            cast(BinaryIO, pipe).close()
        except OSError:  # what was not read of the request
            continue


class DecoderWorker:
    """A running child and its messages; leaving the `with` block ends it.

    Among the `options` of any task may be `memory_bytes` and `stuck_seconds`, in place of those of app.video.limits.
    """

    def __init__(self, task: str, path: Path, **options: object) -> None:
        self._path = path
        self._messages: queue.Queue[object] = queue.Queue(_QUEUED_MESSAGES)
        self._closing = threading.Event()
        self._is_unreadable = False
        self._process = asked(json.dumps({"task": task, "path": str(path), **options}))
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
        close_pipes(self._process)
        refill()

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
