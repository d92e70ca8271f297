"""Switch to another engine while the program keeps running.

Jobs enter through `admitted`, inside which the engine stays the same. A switch admits no new jobs, waits until all have
left, stops the old engine so that its memory is free, and starts the new engine. If that fails, the old engine is used
again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

from framelens.analysis.task import Control, Task
from framelens.core.analysis_state import AnalysisUpdate
from framelens.core.background_task import BackgroundTask
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, Cancelled, Paused
from framelens.core.events import EngineProgress
from framelens.core.roles import requires

if TYPE_CHECKING:
    from framelens.engine.base import Endpoint, Engine

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
"""How often a waiting job or switch checks for cancellation."""


class AnalysisSession(Protocol):
    """An engine with everything that was built for it; such as `services.engines.engine_session.EngineSession`."""

    @property
    def engine(self) -> Engine:
        """Return the engine."""

    def run(self, task: Task) -> Iterator[AnalysisUpdate]:
        """Run an analysis and yield its events with the states after them."""

    def conditions(self, request: AnalysisRequest) -> Mapping[str, str]:
        """Return the settings that the answers to a request depend on."""

    def close(self) -> None:
        """Stop the engine and everything that belongs to it; it may be started again."""


SessionT = TypeVar("SessionT", bound=AnalysisSession)


@dataclass(frozen=True)
class EngineSwitch:
    """Progress of a switch between the models `before` and `after`."""

    before: str
    after: str
    phase: Literal["waiting", "ending", "starting"]


class EngineSwitcher(Generic[SessionT]):
    """Holder of the engine in use, which starts with `session`. All methods may be called from any thread.

    Attributes:
        switch: The running or last switch; its result is an error of the callback at its end.
        engine_start: The start of the engine in use that `start_engine` began; the engine's status has its progress.
        engine_stop: The stop that `stop_engine` began.
    """

    def __init__(self, session: SessionT) -> None:
        self._session = session
        self._changed = threading.Condition()
        self._inside = 0
        self.switch: BackgroundTask[EngineSwitch, AppError | None] = BackgroundTask("switch")
        self.engine_start: BackgroundTask[EngineProgress, Endpoint] = BackgroundTask("engine-start")
        self.engine_stop: BackgroundTask[None, None] = BackgroundTask("engine-stop")

    @property
    def session(self) -> SessionT:
        """Return the engine session in use; while a switch starts an engine, the new session."""
        return self._session

    @contextmanager
    def admitted(self, control: Control) -> Iterator[None]:
        """Keep the engine unchanged inside this context. Wait for a running switch to end first.

        Raises:
            Cancelled: The job was cancelled while it waited.
            Paused: The job was paused while it waited.
        """
        with self._changed:
            while self.switch.is_running:
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

    def begin(self, session: SessionT, *, on_end: Callable[[bool], None] = lambda _: None, starts: bool = True) -> None:
        """Start switching to `session` in a background thread; `switch` reports the progress.

        Args:
            session: The new engine session.
            on_end: Called when the switch is over, before a job is admitted, with whether the switch succeeded.
            starts: Start the new engine now rather than with the first job.

        Raises:
            AppError: The engine cannot be used at all, or "switch_under_way"; nothing changes.
        """
        if error := session.engine.status().error:
            raise error
        with self._changed:
            if self.switch.is_running:
                raise AppError("switch_under_way")
            change = EngineSwitch(self._session.engine.status().model, session.engine.status().model, "waiting")
            self.switch.start(partial(self._run_switch, session, change, on_end, starts), progress=change)

    @requires("administrator")
    def start_engine(self) -> None:
        """Start the engine in use in the background, once for any number of calls."""
        engine = self._session.engine
        self.engine_start.start(engine.ensure_ready, subject=engine.status().model)

    @requires("administrator")
    def stop_engine(self) -> None:
        """Stop the engine in use in the background."""
        engine = self._session.engine
        self.engine_stop.start(lambda *_: engine.stop(), subject=engine.status().model)

    def close(self) -> None:
        """Cancel a start and a switch, and stop the engine."""
        for task in (self.engine_start, self.switch, self.engine_stop):
            task.close()
        self._session.close()

    def _run_switch(
        self,
        session: SessionT,
        change: EngineSwitch,
        on_end: Callable[[bool], None],
        starts: bool,
        on_progress: Callable[[EngineSwitch], None],
        cancel: threading.Event,
    ) -> AppError | None:
        old = self._session
        was_ready = old.engine.status().state in ("ready", "starting")
        try:
            self._wait_until_empty(cancel)
            on_progress(replace(change, phase="ending"))
            if old.engine is not session.engine:
                old.close()
            self._session = session
            on_progress(replace(change, phase="starting"))
            if starts:
                session.engine.ensure_ready(lambda _: None, cancel)
        except Exception:
            if self._session is session:
                session.close()
            self._session = old
            _call(on_end, False)
            if was_ready:
                self._restart_engine()
            raise
        return _call(on_end, True)

    def _wait_until_empty(self, cancel: threading.Event) -> None:
        with self._changed:
            while self._inside:
                if cancel.is_set():
                    raise Cancelled
                self._changed.wait(_POLL_SECONDS)

    def _restart_engine(self) -> None:
        """Restart the engine that worked, so that the next question doesn't have to wait for it."""
        self.engine_start.cancel()  # a start of the engine that was stopped meanwhile
        self.start_engine()


def _call(on_end: Callable[[bool], None], is_done: bool) -> AppError | None:
    """Call the callback after a switch and return its error."""
    try:
        on_end(is_done)
    except Exception as error:
        log.exception("the callback after an engine switch failed")
        return AppError.of(error)
    return None
