"""Local engine: a process started on demand, shared by all threads and programs, ended with the last of its users.

`ensure_ready` joins a start that is already running; each caller gets its progress from the beginning. The start
itself (fetch the model, launch, watch log and health) is `engine.local.launch`. The log of a dead engine is turned into
an error by `engine.local.log_diagnosis`.
"""

import threading
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

from framelens.core.domain import Notice
from framelens.core.errors import AppError, Cancelled, EngineError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.redaction import redact
from framelens.engine.base import Endpoint, Engine, EngineStatus, Launcher
from framelens.engine.endpoints import health_url
from framelens.engine.local.child_process import tail
from framelens.engine.local.launch import EngineLaunch, Running
from framelens.engine.local.log_diagnosis import diagnose
from framelens.engine.short_requests import NoAnswer, get_json

POLL_SECONDS = 0.1
"""Interval between progress reports to a waiting caller."""
HEALTH_SECONDS = 10.0
"""Timeout of a health check. A busy engine still answers at once, since its server does, not its model."""


class LocalEngine(Engine):
    """User of at most one engine process. Logs go to `log_dir`; the newest `keep_logs` stay there."""

    def __init__(
        self, launcher: Launcher, *, log_dir: Path, start_timeout_seconds: float = 3600.0, keep_logs: int = 10
    ) -> None:
        self._launcher = launcher
        self._log_dir = log_dir
        self._start_timeout_seconds = start_timeout_seconds
        self._keep_logs = keep_logs
        self._lock = threading.Lock()
        self._startup: EngineLaunch | None = None
        self._running: Running | None = None
        self._error: AppError | None = None
        self._log_path: Path | None = None
        self._start_notices: tuple[Notice, ...] = ()  # of the last start

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        """Return the endpoint of the running engine, starting it if needed.

        When the last waiting caller cancels, the start is cancelled too. An engine that hangs or has crashed is stopped
        and started again.

        Raises:
            EngineError: The engine could not be started; the error gives the cause.
            Cancelled: `cancel` was set, or another caller stopped the engine.
        """
        self.end_if_unwell()
        startup = self._join()
        if isinstance(startup, Running):
            on_progress(EngineProgress("ready", {"model": self._launcher.model}))
            return startup.endpoint
        try:
            num_reported = 0
            while not startup.outcome.done():
                if cancel.is_set():
                    raise Cancelled
                wait([startup.outcome], POLL_SECONDS)
                num_reported = self._report(startup, num_reported, on_progress)
            self._report(startup, num_reported, on_progress)
        finally:
            startup.leave()
        return startup.outcome.result().endpoint

    def _join(self) -> EngineLaunch | Running:
        with self._lock:
            self._check_exit()
            if self._running is not None:
                return self._running
            if self._startup is None or not self._startup.join():
                self._error = None
                self._startup = EngineLaunch(
                    self._launcher,
                    log_dir=self._log_dir,
                    keep_logs=self._keep_logs,
                    timeout_seconds=self._start_timeout_seconds,
                    on_end=self._store_outcome,
                    after=self._startup,
                )
            return self._startup

    @staticmethod
    def _report(startup: EngineLaunch, num_reported: int, on_progress: ProgressListener) -> int:
        new_phases = startup.progress[num_reported:]
        for phase in new_phases:
            on_progress(phase)
        return num_reported + len(new_phases)

    def _store_outcome(self, startup: EngineLaunch, running: Running | None, error: AppError | None) -> None:
        """Store the outcome of a finished start; called in the startup's own thread."""
        with self._lock:
            if startup is self._startup:
                self._startup, self._running = None, running
                self._log_path = startup.log_path or self._log_path
                self._error = None if isinstance(error, Cancelled) else error
                self._start_notices = startup.notices

    def _check_exit(self) -> None:
        """Diagnose an engine that ended by itself and store the error. The lock must be held."""
        if self._running is not None and (exit_status := self._running.process.exit_status) is not None:
            self._error = diagnose(self.log_tail(2000), exit_status, model=self._launcher.model, was_ready=True)
            self._running.process.stop()
            self._running = None

    def end_if_unwell(self) -> AppError | None:
        """Stop the running engine if its health check fails or times out.

        Waits at most HEALTH_SECONDS for the answer.

        Returns:
            The error that explains it, or None for a healthy engine.
        """
        with self._lock:
            self._check_exit()
            running, error = self._running, self._error
        if running is None:
            return error
        try:
            get_json(health_url(running.endpoint.base_url), timeout_seconds=HEALTH_SECONDS)
            return None
        except NoAnswer as no_answer:
            status = no_answer.status
        if status is not None and status < 500:
            return None
        with self._lock:
            if self._running is running and status is None:
                self._running, self._error = None, EngineError("engine_hung", model=self._launcher.model)
        running.process.end()
        with self._lock:
            self._check_exit()
            return self._error

    def status(self) -> EngineStatus:
        """Return the current status without waiting for the engine."""
        with self._lock:
            self._check_exit()
            startup, running, error = self._startup, self._running, self._error
        kind, model = self._launcher.kind, self._launcher.model
        if running is not None:
            key = running.endpoint.api_key
            return EngineStatus("ready", kind, model, info=running.info, notices=self._start_notices, api_key=key)
        if startup is not None and not startup.cancelled:
            phase = startup.progress[-1] if startup.progress else None
            return EngineStatus("starting", kind, model, phase=phase)
        if error is not None:
            return EngineStatus("failed", kind, model, error=error, notices=self._start_notices)
        return EngineStatus("stopped", kind, model)

    def note_sight(self, sees: bool | None) -> None:
        """Store in the status whether the running engine processes images."""
        with self._lock:
            if self._running is not None:
                self._running = replace(self._running, info=replace(self._running.info, sees=sees))

    def log_tail(self, lines: int = 200) -> str:
        """Return the end of the newest engine log with secrets redacted, "" before the first start."""
        startup = self._startup
        path = (startup.log_path if startup is not None else None) or self._log_path
        return redact(tail(path, lines)) if path is not None else ""

    def stop(self) -> None:
        """End the engine or its start, unless other programs use it; it may be started again.

        Return when all its processes have ended, or at once if others use it.
        """
        with self._lock:
            startup = self._startup
        if startup is not None:
            startup.cancel()
            wait([startup.outcome])
        with self._lock:
            running = self._running
            self._running = self._error = None
        if running is not None:
            running.process.stop()
