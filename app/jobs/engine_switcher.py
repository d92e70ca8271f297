"""Switch from one engine to another while the program keeps running.

Jobs enter through `admitted`, inside which the engine stays the same. A switch admits no new jobs, waits until all have
left, stops the old engine so that its memory is free, and starts the new one. If that fails, the old engine is used
again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from app.analysis import Control, Task
from app.core import AnalysisEvent, AnalysisRequest, AppError, Cancelled, Paused

if TYPE_CHECKING:
    from app.engine import Engine

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
"""How often a waiting job or switch checks for cancellation. Chosen by hand; not tuned."""
SwitchState = Literal["waiting", "ending", "starting", "done", "failed", "cancelled"]


class AnalysisSession(Protocol):
    """An engine with everything that was built for it; `app.services.engine_session.EngineSession` is one."""

    @property
    def engine(self) -> Engine:
        """Return the engine."""
        ...

    def run(self, task: Task) -> Iterator[AnalysisEvent]:
        """Run one analysis and yield its events."""

    def conditions(self, request: AnalysisRequest) -> Mapping[str, str]:
        """Return the settings that the answers to a request depend on."""

    def close(self) -> None:
        """Stop the engine and everything that belongs to it; it may be started again."""


SessionT = TypeVar("SessionT", bound=AnalysisSession)


@dataclass(frozen=True)
class EngineSwitch:
    """State of a switch between the models `before` and `after`. `error` says why the new engine couldn't start."""

    before: str
    after: str
    state: SwitchState
    error: AppError | None = None

    @property
    def is_over(self) -> bool:
        """Return whether the switch is done, failed or cancelled."""
        return self.state in ("done", "failed", "cancelled")


class EngineSwitcher(Generic[SessionT]):
    """Holder of the engine in use, which starts with `session`. All methods may be called from any thread."""

    def __init__(self, session: SessionT) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._inside = 0
        self._switch: EngineSwitch | None = None
        self._cancel = threading.Event()
        self._is_closing = threading.Event()
        self._is_held = False
        self._thread: threading.Thread | None = None

    @property
    def session(self) -> SessionT:
        """Return the engine session in use; while a switch starts an engine, the new one."""
        return self._session

    @property
    def switch(self) -> EngineSwitch | None:
        """Return the running switch, or the last one."""
        return self._switch

    @contextmanager
    def admitted(self, control: Control) -> Iterator[None]:
        """Keep the engine unchanged inside this context. Wait for a running switch to end first.

        Raises:
            Cancelled: The job was cancelled while it waited.
            Paused: The job was paused while it waited.
        """
        with self._changed:
            while self._is_switching():
                if control.cancel.is_set():
                    raise Cancelled
                if control.pause.is_set():
                    raise Paused
                self._changed.wait(_POLL_SECONDS)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, cancel: threading.Event, *, ends_engine: Callable[[], bool]) -> Iterator[None]:
        """Run no job and admit none inside this context.

        Wait until all jobs have left, then stop the engine if `ends_engine()` returns true; an engine that ran is
        started again afterwards.

        Raises:
            Cancelled: `cancel` was set while this waited.
            AppError: "switch_under_way".
        """
        with self._changed:
            if self._is_switching():
                raise AppError("switch_under_way")
            self._is_held = True
        restarts = False
        try:
            self._wait_until_empty(cancel)
            if ends_engine():
                restarts = self._session.engine.status().state in ("ready", "starting")
                self._session.close()
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()
            if restarts and not self._is_closing.is_set():
                args = (self._session,)
                self._thread = threading.Thread(target=self._restart, args=args, name="engine-back", daemon=True)
                self._thread.start()

    def begin(
        self, session: SessionT, *, on_end: Callable[[EngineSwitch], None] = lambda _: None, starts: bool = True
    ) -> None:
        """Start switching to `session` in a background thread; `switch` reports the progress.

        Args:
            session: The new engine session.
            on_end: Called when the switch is over, before a job is admitted.
            starts: Start the new engine now rather than with the first job.

        Raises:
            AppError: The engine cannot be used at all, "switch_under_way" or "benchmark_under_way"; nothing changes.
        """
        if error := session.engine.status().error:
            raise error
        with self._changed:
            if self._is_held:
                raise AppError("benchmark_under_way")
            if self._is_switching():
                raise AppError("switch_under_way")
            names = (self._session.engine.status().model, session.engine.status().model)
            self._switch = EngineSwitch(*names, "waiting")
            self._cancel.clear()
            self._thread = threading.Thread(
                target=self._run_switch, args=(session, on_end, starts), name="switch", daemon=True
            )
        self._thread.start()

    def cancel(self) -> None:
        """Cancel the running switch; the old engine stays or is started again."""
        self._cancel.set()

    def close(self) -> None:
        """Cancel a running switch and stop the engine."""
        self._is_closing.set()
        self._cancel.set()
        if self._thread:
            self._thread.join()
        self._session.close()

    def _is_switching(self) -> bool:
        return self._is_held or (self._switch is not None and not self._switch.is_over)

    def _finish(
        self, state: SwitchState, on_end: Callable[[EngineSwitch], None], error: AppError | None = None
    ) -> None:
        assert self._switch
        try:
            on_end(replace(self._switch, state=state, error=error))
        except Exception:
            log.exception("the callback after an engine switch failed")
        self._set_state(state, error)

    def _set_state(self, state: SwitchState, error: AppError | None = None) -> None:
        with self._changed:
            if self._switch:
                self._switch = replace(self._switch, state=state, error=error)
            self._changed.notify_all()

    def _run_switch(self, session: SessionT, on_end: Callable[[EngineSwitch], None], starts: bool) -> None:
        old = self._session
        was_ready = old.engine.status().state in ("ready", "starting")
        try:
            self._wait_until_empty(self._cancel)
            self._set_state("ending")
            old.close()
            self._session = session
            self._set_state("starting")
            if starts:
                session.engine.ensure_ready(lambda _: None, self._cancel)
        except Exception as error:
            app_error = (
                error if isinstance(error, AppError) else AppError("internal", kind=type(error).__name__, log="")
            )
            log.warning("engine switch failed", exc_info=True)
            if self._session is session:
                session.close()
            self._session = old
            self._finish("cancelled" if isinstance(error, Cancelled) else "failed", on_end, app_error)
            if was_ready and not self._is_closing.is_set():
                self._restart(old)
            return
        self._finish("done", on_end)

    def _wait_until_empty(self, cancel: threading.Event) -> None:
        with self._changed:
            while self._inside:
                if cancel.is_set():
                    raise Cancelled
                self._changed.wait(_POLL_SECONDS)

    def _restart(self, session: SessionT) -> None:
        """Restart the engine that worked, so that the next question doesn't have to wait for it."""
        try:
            session.engine.ensure_ready(lambda _: None, self._is_closing)
        except AppError:
            log.warning("the previous engine could not be restarted", exc_info=True)
