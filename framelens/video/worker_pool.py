"""Decoder worker processes: starting them, keeping a worker ready, and running a request.

A worker is `python -m framelens.video.worker`, a separate program: forking would copy the server's threads, and a
spawned multiprocessing child would run the page's script again. Its request is the first line on its standard input,
and it exits when that closes. Loading its libraries takes a quarter of a second, so a server keeps one idle worker
(some 100 MB), and a command starts its worker while it reads its settings.
"""

import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Self, cast, get_args

from framelens.core.child_environment import reader_environment
from framelens.core.codec import Failure, receive, to_json
from framelens.core.domain import SoundPiece, Transcript
from framelens.core.errors import AppError, Cancelled, DecodeError, InputError
from framelens.core.events import VideoEvent
from framelens.video import limits
from framelens.video.files import printable_path
from framelens.video.keyframes.strategies import Fetched, FileTask, FrameTimes, SurveyResult, Thumbnails

WorkerProcess = subprocess.Popen[bytes]
DECODER = "framelens.video.worker"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's matrix products are small here; waiting threads would take time from the decoder."""
_log = logging.getLogger(__name__)
MESSAGES: tuple[type[Any], ...] = (
    *get_args(VideoEvent),
    SurveyResult,
    Thumbnails,
    Fetched,
    FrameTimes,
    Transcript,
    SoundPiece,
    Failure,
)
_POLL_SECONDS = 0.05
_QUEUED_MESSAGES = 16
_ENDS = {limits.STUCK_EXIT: "video_decoder_stuck", -9: "video_out_of_memory"}
"""Error keys by exit code. Only an operating system that runs out of memory kills a worker with signal 9."""


class _IdleWorker:
    """The idle worker, if any, and the number of callers that want a worker to be ready."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: WorkerProcess | None = None
        self._keepers = 0
        self.in_background = False

    @contextmanager
    def ready(self, *, in_background: bool = False) -> Iterator[None]:
        """Keep an idle worker ready within the context; each worker that ends is replaced.

        With `in_background` all of them run at a lower priority, for a page and an engine that must stay responsive.
        """
        self.in_background = in_background
        with self._lock:
            self._keepers += 1
        self.refill()
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
            self._end_unneeded()
            self.in_background = False

    @contextmanager
    def started(self) -> Iterator[None]:
        """Start a worker now, for the only file that a command reads; it isn't replaced."""
        with self._lock:
            self._start()
        try:
            yield
        finally:
            self._end_unneeded()

    def refill(self) -> None:
        """Start a worker if a caller wants it ready and no worker is idle."""
        with self._lock:
            if self._keepers:
                self._start()

    def take(self) -> WorkerProcess | None:
        """Return the idle worker, if any; the caller owns it then."""
        with self._lock:
            taken, self._waiting = self._waiting, None
            return taken

    def _start(self) -> None:
        self._waiting = self._waiting or _start_worker("--ready")

    def _end_unneeded(self) -> None:
        with self._lock:
            if not self._keepers and self._waiting:
                _end(self._waiting)
                self._waiting = None


_idle = _IdleWorker()
worker_ready, worker_started, refill = _idle.ready, _idle.started, _idle.refill


def start_request(request: str, module: str = DECODER) -> WorkerProcess:
    """Send a request, a line of JSON, to a new worker or to the idle decoder, and return it."""
    child = _idle.take() if module == DECODER else None
    if child and _send(child, request):
        return child
    if child:  # it was killed from outside
        _end(child)
    child = _start_worker(module=module)
    _send(child, request)  # a worker that has already ended is detected by its exit code
    return child


def _start_worker(*options: str, module: str = DECODER) -> WorkerProcess:
    background = ["--background"] if _idle.in_background else []
    # -P keeps a file in the working directory from being imported in place of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *options, *background],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_ONE_THREAD, **reader_environment()},
        process_group=0,  # Ctrl-C in the terminal is handled by this process alone
    )


def _send(child: WorkerProcess, request: str) -> bool:
    pipe = cast(BinaryIO, child.stdin)
    try:
        pipe.write(request.encode() + b"\n")
        pipe.flush()
    except OSError:
        return False
    return child.poll() is None


def _end(child: WorkerProcess) -> None:
    child.kill()
    child.wait()
    close_pipes(child)


def close_pipes(child: WorkerProcess) -> None:
    """Close the pipes of a worker that has ended."""
    for pipe in (child.stdin, child.stdout, child.stderr):
        try:
            cast(BinaryIO, pipe).close()
        except OSError:  # part of the request was not read
            continue


class DecoderWorker:
    """A running worker and its messages; leaving the `with` block ends it."""

    def __init__(self, request: FileTask, *, module: str = DECODER, messages: tuple[type[Any], ...] = MESSAGES) -> None:
        """Start a task.

        Args:
            request: The task.
            module: Program of the worker, which calls `framelens.video.worker.serve`.
            messages: Classes of its messages.
        """
        self._path = request.path
        self._kinds = messages
        self._messages: queue.Queue[object] = queue.Queue(_QUEUED_MESSAGES)
        self._closing = threading.Event()
        self._is_unreadable = False
        self._process = start_request(to_json(request), module)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._pump, self._log_stderr)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        close_pipes(self._process)
        refill()

    def ask(self, request: object) -> None:
        """Send the next request of a task that accepts several. A worker that has ended is ignored."""
        pipe = cast(BinaryIO, self._process.stdin)
        with suppress(OSError):
            pipe.write(to_json(request).encode() + b"\n")
            pipe.flush()

    def events(self, cancel: threading.Event | None = None) -> Iterator[object]:
        """Yield the messages of the worker until it ends.

        Raises:
            AppError: The error that the worker reported.
            Cancelled: `cancel` was set.
            DecodeError: The worker crashed, was killed or got stuck.
        """
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
            raise DecodeError(key, name=printable_path(self._path.name))

    def _pump(self) -> None:
        stream = cast(BinaryIO, self._process.stdout)
        message: object | None = self
        while message is not None and not self._closing.is_set():
            try:
                message = _message(stream, self._kinds)
            except (EOFError, ValueError):
                # A crash looks like half a message from here; the exit code gives the cause.
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


def _message(stream: BinaryIO, kinds: tuple[type[Any], ...]) -> object | None:
    """Return the next message, an error as an exception. Raises what `receive` raises."""
    message = receive(stream, *kinds)
    if not isinstance(message, Failure):
        return message
    if not isinstance(error := message.as_error(), InputError):
        raise ValueError(f"a worker reports {message.kind[:60]!r}")
    return error
