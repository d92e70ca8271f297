"""Background task: work in a thread of its own, with progress, cancel, and a result or an error for polling.

Whatever a page or the services start and look at later is a `BackgroundTask`, or in `BackgroundTasks` if each of
several things may have a task; a `Future` of `in_thread` is for work that its caller waits for. Other threads belong to
an object that ends them; `framelens.store.log_to` sends their uncaught errors to the log.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Generic, Literal, TypeVar

from framelens.core.errors import AppError, Cancelled
from framelens.core.roles import as_user, current_user

log = logging.getLogger(__name__)
P = TypeVar("P")
T = TypeVar("T")
Work = Callable[[Callable[[P], None], threading.Event], T]
TaskState = Literal["idle", "running", "cancelling", "done", "failed", "cancelled"]


def in_thread(name: str, work: Callable[[], T]) -> Future[T]:
    """Run `work` in a daemon thread, in the context and for the user of the caller.

    Return a Future with its result or exception.

    The interpreter waits at its end for an executor's threads; it doesn't wait for these.
    """
    future: Future[T] = Future()

    user = current_user()  # a page's user is not in its context

    def run() -> None:
        try:
            with as_user(user):
                future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised again by future.result()
            future.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
    return future


_cancel: ContextVar[threading.Event | None] = ContextVar("cancel", default=None)


def cancelled_by(event: threading.Event, work: Callable[[], T]) -> Callable[[], T]:
    """Return `work` so that `check_cancelled` in it raises once the event is set."""

    def cancellable() -> T:
        token = _cancel.set(event)
        try:
            return work()
        finally:
            _cancel.reset(token)

    return cancellable


def cancel_event() -> threading.Event | None:
    """Return the event of `cancelled_by`, for work that another thread or process does; None outside of it."""
    return _cancel.get()


def check_cancelled() -> None:
    """End work whose result is no longer wanted.

    Raises:
        Cancelled: The event of `cancelled_by` is set.
    """
    event = cancel_event()
    if event is not None and event.is_set():
        raise Cancelled


class BackgroundTask(Generic[P, T]):
    """Work that runs once at a time, however many ask for it. All methods are thread-safe.

    A cancelled run may be followed by the next run at once, which waits in its thread for the end of the cancelled run.

    Args:
        name: Name of the thread, also in the log.

    Attributes:
        subject: What the run is about, such as a model.
        user_id: Id of the user who started it, "" without a user.
        progress: The latest progress of the run.
        error: Why the last run failed; kept until another run is done.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()
        self._cancel = threading.Event()
        self._work: Work[P, T] | None = None
        self._future: Future[T] | None = None
        self._is_closed = False
        self.subject = ""
        self.user_id = ""
        self.progress: P | None = None
        self.error: AppError | None = None

    @property
    def state(self) -> TaskState:
        """Return the state of the current or last run; "idle" before the first and after `forget`."""
        with self._lock:
            if self._work is None or self._future is None:
                return "idle"
            if not self._future.done():
                return "cancelling" if self._cancel.is_set() else "running"
            error = self._future.exception()
            return "done" if error is None else "cancelled" if isinstance(error, Cancelled) else "failed"

    @property
    def is_running(self) -> bool:
        """Return whether a run hasn't ended yet."""
        return self.state in ("running", "cancelling")

    @property
    def result(self) -> T | None:
        """Return the result of a run that is done, else None."""
        with self._lock:
            return self._future.result() if self._future and self.state == "done" else None

    def start(self, work: Work[P, T], *, subject: str = "", progress: P | None = None) -> bool:
        """Run `work(on_progress, cancel)` in a thread.

        Args:
            work: Returns the result; should raise Cancelled soon after `cancel` is set.
            subject: What it is about.
            progress: The progress at first.

        Returns:
            False, without any effect, while another run isn't over or cancelled, and after `close`.
        """
        with self._lock:
            if self._is_closed or self.state == "running":
                return False
            previous = [self._future] if self._future else []
            self._work, self.subject, self.progress, self._cancel = work, subject, progress, threading.Event()
            self.user_id = current_user().id
            self._future = in_thread(self._name, partial(self._run, work, self._cancel, previous))
            return True

    def restart(self) -> None:
        """Run the work of the last run again, unless it runs or was forgotten."""
        with self._lock:
            if self._work:
                self.start(self._work, subject=self.subject)

    def cancel(self) -> None:
        """Request cancellation; the state becomes "cancelled" when the work has ended."""
        self._cancel.set()

    def forget(self) -> None:
        """Cancel, and be "idle" from now on."""
        self._cancel.set()
        self._work = None

    def wait(self, timeout_seconds: float | None = None) -> None:
        """Wait until the run has ended, or for so long."""
        if self._future:
            wait([self._future], timeout_seconds)

    def close(self, timeout_seconds: float | None = None) -> None:
        """Cancel for good: wait until the run has ended, or for so long, and start no other run."""
        with self._lock:
            self._is_closed = True
        self.cancel()
        self.wait(timeout_seconds)

    def _run(self, work: Work[P, T], cancel: threading.Event, previous: list[Future[T]]) -> T:
        def report(progress: P) -> None:
            with self._lock:
                if not cancel.is_set():
                    self.progress = progress

        wait(previous)
        previous.clear()  # else the traceback of a failure would keep all failures before it
        try:
            if cancel.is_set():
                raise Cancelled
            result = work(report, cancel)
        except Cancelled:
            raise
        except Exception as error:
            level = logging.WARNING if isinstance(error, AppError) else logging.ERROR
            log.log(level, "the task %r failed", self._name, exc_info=True)
            if cancel.is_set():
                raise Cancelled from error
            self.error = AppError.of(error)
            raise
        self.error = None
        return result


class BackgroundTasks(Generic[P, T]):
    """Background tasks by key, each of which runs once at a time. All methods are thread-safe.

    A task that is over is forgotten when another task starts, unless it has failed.

    Args:
        name: Name of the threads, also in the log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._tasks: dict[str, BackgroundTask[P, T]] = {}

    def get(self, key: str) -> BackgroundTask[P, T] | None:
        """Return a task, or None."""
        with self._lock:
            return self._tasks.get(key)

    def running(self) -> list[BackgroundTask[P, T]]:
        """List the tasks that run."""
        with self._lock:
            return [task for task in self._tasks.values() if task.is_running]

    def start(self, key: str, work: Work[P, T], *, progress: P | None = None) -> bool:
        """Run work as the task of a key; the other arguments and the result are as for `BackgroundTask.start`."""
        with self._lock:
            for ended in [subject for subject, task in self._tasks.items() if task.state in ("done", "cancelled")]:
                del self._tasks[ended]
            task = self._tasks.setdefault(key, BackgroundTask(self._name))
            return task.start(work, subject=key, progress=progress)

    def pop(self, key: str) -> BackgroundTask[P, T] | None:
        """Forget a task and return it."""
        with self._lock:
            return self._tasks.pop(key, None)

    def close(self, timeout_seconds: float | None = None) -> None:
        """Forget and cancel all tasks for good, and wait until each has ended, or for so long."""
        with self._lock:
            tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        for task in tasks:
            task.close(timeout_seconds)
