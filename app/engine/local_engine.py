"""The engine that is a child process of ours: started on demand, shared by every thread, ended with us.

`ensure_ready` joins a start that is already under way; each caller gets its progress from the beginning. The start
itself (fetch the model, launch, watch log and health) runs in `app.engine.launch`. What a dead engine left in its log
is turned into an error by `app.engine.diagnostics.log_diagnosis`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from app.domain import EngineProgress, Notice
from app.engine.base import Endpoint, EngineStatus, Launcher, ProgressListener
from app.engine.child_process import tail
from app.engine.diagnostics.log_diagnosis import diagnose
from app.engine.http_client import NoAnswer, get_json
from app.engine.launch import Running, Startup
from app.errors import AppError, Cancelled, EngineError
from app.redaction import masked

POLL_SECONDS = 0.1
HEALTH_SECONDS = 10.0
"""An engine that is busy still says within a moment that it is well: that is asked of its server, not of its model."""


class ManagedEngine:
    """Owns at most one engine process. Logs go to `log_dir`; the newest `keep_logs` stay there."""

    def __init__(
        self, launcher: Launcher, *, log_dir: Path, start_timeout_seconds: float = 3600.0, keep_logs: int = 10
    ) -> None:
        self._launcher = launcher
        self._log_dir = log_dir
        self._start_timeout_seconds = start_timeout_seconds
        self._keep_logs = keep_logs
        self._lock = threading.Lock()
        self._startup: Startup | None = None
        self._running: Running | None = None
        self._error: AppError | None = None
        self._log_path: Path | None = None
        self._started_at: float | None = None
        self._found: tuple[Notice, ...] = ()  # of the last start

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was changed in the user's settings to fit this machine."""
        return self._launcher.notices

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """The endpoint of the running engine, started where needed. Raises EngineError with the cause, or Cancelled.

        When the last caller that waits for a start gives up, the start is given up too. An engine that hangs or has
        broken down is ended and started anew.
        """
        self.end_if_unwell()
        startup = self._join()
        if isinstance(startup, Running):
            on_progress(EngineProgress("ready", {"model": self._launcher.model}))
            return startup.endpoint
        try:
            told = 0
            while not startup.finished.wait(POLL_SECONDS):
                if cancel.is_set():
                    raise Cancelled
                told = self._tell(startup, told, on_progress)
            self._tell(startup, told, on_progress)
        finally:
            startup.leave()
        return self._outcome(startup)

    def _join(self) -> Startup | Running:
        with self._lock:
            self._notice_death()
            if self._running is not None:
                return self._running
            if self._startup is None or not self._startup.join():
                self._error, self._started_at = None, time.monotonic()
                self._startup = Startup(
                    self._launcher,
                    log_dir=self._log_dir,
                    keep_logs=self._keep_logs,
                    timeout_seconds=self._start_timeout_seconds,
                    on_end=self._ended,
                    after=self._startup,
                )
            return self._startup

    @staticmethod
    def _tell(startup: Startup, told: int, on_progress: ProgressListener) -> int:
        news = startup.progress[told:]
        for phase in news:
            on_progress(phase)
        return told + len(news)

    @staticmethod
    def _outcome(startup: Startup) -> Endpoint:
        if startup.running is None:
            raise startup.bug or startup.error or Cancelled()
        return startup.running.endpoint

    def _ended(self, startup: Startup) -> None:
        """A start came to its end, in the startup's own thread."""
        with self._lock:
            if startup is self._startup:
                self._startup, self._running = None, startup.running
                self._log_path = startup.log_path or self._log_path
                cancelled = startup.running is None and isinstance(startup.error, Cancelled)
                self._error = None if cancelled else startup.error
                self._found = startup.notices

    def _notice_death(self) -> None:
        """Turn an engine that has ended by itself into the error that says why. The lock is held."""
        if self._running is not None and (exit_status := self._running.process.exit_status) is not None:
            self._error = diagnose(self.log_tail(2000), exit_status, model=self._launcher.model, was_ready=True)
            self._running.process.stop()
            self._running = None

    def end_if_unwell(self) -> AppError | None:
        """End the running engine if its server says that it has broken down, or nothing any more; returned is what
        became of it, None for one that is well. Waits for what it says, HEALTH_SECONDS at most.
        """
        with self._lock:
            self._notice_death()
            running, error = self._running, self._error
        if running is None:
            return error
        try:
            get_json(running.endpoint.base_url.removesuffix("/v1") + "/health", timeout_seconds=HEALTH_SECONDS)
            return None
        except NoAnswer as no_answer:
            status = no_answer.status
        if status is not None and status < 500:
            return None
        with self._lock:
            if self._running is running and status is None:
                self._running, self._error = None, EngineError("engine_hung", model=self._launcher.model)
        running.process.stop()
        with self._lock:
            self._notice_death()
            return self._error

    def status(self) -> EngineStatus:
        """How the engine is right now; never waits for it."""
        with self._lock:
            self._notice_death()
            startup, running, error = self._startup, self._running, self._error
            seconds = None if self._started_at is None else time.monotonic() - self._started_at
        kind, model = self._launcher.kind, self._launcher.model
        if running is not None:
            return EngineStatus(
                "ready", kind, model, started_seconds_ago=seconds, info=running.info, notices=self._found
            )
        if startup is not None and not startup.given_up:
            phase = startup.progress[-1] if startup.progress else None
            return EngineStatus("starting", kind, model, phase=phase, started_seconds_ago=seconds)
        if error is not None:
            return EngineStatus("failed", kind, model, error=error, started_seconds_ago=seconds, notices=self._found)
        return EngineStatus("stopped", kind, model)

    def note_sight(self, sees: bool | None) -> None:
        """Remember for the status whether the running engine takes pictures in."""
        with self._lock:
            if self._running is not None:
                self._running = replace(self._running, info=replace(self._running.info, sees=sees))

    def log_tail(self, lines: int = 200) -> str:
        """The end of the current engine's log, or of the last one's, with secrets masked; "" before the first start."""
        startup = self._startup
        path = (startup.log_path if startup is not None else None) or self._log_path
        return masked(tail(path, lines)) if path is not None else ""

    def stop(self) -> None:
        """End the engine, or its start; returns when no process of it is left. It may be started again."""
        with self._lock:
            startup = self._startup
        if startup is not None:
            startup.give_up()
            startup.finished.wait()
        with self._lock:
            running = self._running
            self._running = self._error = self._started_at = None
        if running is not None:
            running.process.stop()
