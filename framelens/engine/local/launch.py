"""Start of a local engine in a thread of its own, from the model's reference to a ready endpoint.

An engine that another program has started with the same settings is used, or waited for (`shared_engine.py`). Every
phase is recorded for the callers that join; the start ends when all of them have left. Restarts are decided elsewhere.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from framelens.core.background_task import in_thread
from framelens.core.child_environment import engine_environment
from framelens.core.domain import EngineInfo, Notice
from framelens.core.errors import AppError, Cancelled, EngineError, EngineTimeout
from framelens.core.events import EngineProgress
from framelens.core.files import make_private_folder
from framelens.engine.base import Endpoint, Launcher
from framelens.engine.local.child_process import LogReader, tail
from framelens.engine.local.log_diagnosis import diagnose
from framelens.engine.local.shared_engine import ENDED_ON_REQUEST, EngineRecord, SharedEngine, engine_identity
from framelens.engine.short_requests import NoAnswer, get_json

LOOK_SECONDS = 0.2
"""Interval between looks at the child's log and health."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A ready engine: its process, endpoint and description."""

    process: SharedEngine
    endpoint: Endpoint
    info: EngineInfo


def _free_port() -> int:
    """Return a port of loopback that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EngineLaunch:
    """A start in progress. It isn't a BackgroundTask: several callers share it, and the last to leave cancels.

    Args:
        on_end: Called once, from the start's thread, with the running engine or the error.
        after: An older start to wait for first.

    Attributes:
        outcome: The running engine, or any exception.
    """

    def __init__(
        self,
        launcher: Launcher,
        *,
        log_dir: Path,
        keep_logs: int,
        timeout_seconds: float,
        on_end: Callable[[EngineLaunch, Running | None, AppError | None], None],
        after: EngineLaunch | None = None,
    ) -> None:
        self._launcher = launcher
        self._log_dir = log_dir
        self._keep_logs = keep_logs
        self._timeout_seconds = timeout_seconds
        self._on_end = on_end
        self._after = after
        self._lock = threading.Lock()
        self._waiting = 1
        self._settled = False
        self._cancel = threading.Event()
        self.progress: list[EngineProgress] = []
        self.log_path: Path | None = None
        self.notices: tuple[Notice, ...] = ()
        self.outcome: Future[Running] = in_thread("engine-start", self._run)

    # ---- waiting callers ---------------------------------------------------------------------------------------------

    def join(self) -> bool:
        """Register a further waiting caller; return False if this start was already cancelled."""
        with self._lock:
            if not self.cancelled:
                self._waiting += 1
            return not self.cancelled

    def leave(self) -> None:
        """Unregister a caller; cancel the start if it was the last caller."""
        with self._lock:
            self._waiting -= 1
        if self._waiting == 0:
            self.cancel()

    def cancel(self) -> None:
        """End this start, unless the engine is already up."""
        with self._lock:
            if not self._settled:
                self._cancel.set()

    @property
    def cancelled(self) -> bool:
        """Return whether this start was cancelled."""
        return self._cancel.is_set()

    # ---- the start itself --------------------------------------------------------------------------------------------

    def _run(self) -> Running:
        if self._after is not None:
            wait([self._after.outcome])
            self._after = None
        try:
            running = self._settle(self._start())
        except AppError as error:
            self._on_end(self, None, error)
            raise
        except Exception as bug:
            log.exception("starting the engine failed in an unforeseen way")
            cause = f"{type(bug).__name__}: {bug}"
            self._on_end(self, None, EngineError("engine_failed", model=self._launcher.model, cause=cause, lines="  –"))
            raise
        self._on_end(self, running, None)
        return running

    def _settle(self, running: Running) -> Running:
        """Close the window for cancelling; stop the engine if the start was cancelled before."""
        with self._lock:
            self._settled = not self.cancelled
        if not self._settled:
            running.process.stop()
            raise Cancelled
        return running

    def _start(self) -> Running:
        folder = self._launcher.fetch(self._add_progress, self._cancel).absolute()
        identity = engine_identity(self._launcher.command(folder, 0), folder)
        self._deadline = time.monotonic() + self._timeout_seconds
        while True:
            engine = SharedEngine(self._log_dir, identity)
            try:
                record = self._join(engine, folder)
                if (running := self._watch(engine, record, folder)) is not None:
                    return running
            except BaseException:
                engine.stop()
                raise
            engine.stop()  # another program ended it, so it is started again

    def _join(self, engine: SharedEngine, folder: Path) -> EngineRecord:
        """Return the record of the engine, which this program starts if no other does."""
        while True:
            if engine.join():
                if engine.claim():
                    return self._launch(engine, folder)
                if record := engine.find():
                    self.log_path = Path(record.log_path)
                    return record
            self._add_progress(EngineProgress("joining", {"model": self._launcher.model}))
            self._wait()

    def _launch(self, engine: SharedEngine, folder: Path) -> EngineRecord:
        self.notices = self._launcher.inspect(folder)
        port, api_key = _free_port(), secrets.token_urlsafe(32)
        self._check_cancel()
        self._add_progress(EngineProgress("launching", {"model": self._launcher.model}))
        self.log_path = self._new_log()
        command = self._launcher.command(folder, port)
        self.log_path.write_text(f"$ {' '.join(command)}\n", encoding="utf-8")
        environment = {**engine_environment(), **self._launcher.environment(api_key)}
        return engine.start(command, environment=environment, port=port, api_key=api_key, log_path=self.log_path)

    def _watch(self, engine: SharedEngine, record: EngineRecord, folder: Path) -> Running | None:
        """Return the engine once it is ready, or None if another program ended it before."""
        reader, is_new = LogReader(Path(record.log_path)), engine.is_own
        while not self._answers(record):
            is_new = True
            self._read_phases(reader)
            if (exit_status := engine.exit_status) == ENDED_ON_REQUEST:
                return None
            if exit_status is not None:
                raise diagnose(tail(Path(record.log_path), 2000), exit_status, model=self._launcher.model)
            self._wait()
        if is_new:
            self._read_phases(reader)
        endpoint = Endpoint(
            self._launcher.kind,
            self._launcher.served_name(folder),
            f"http://127.0.0.1:{record.port}/v1",
            record.api_key,
            is_vllm=self._launcher.kind == "vllm",
        )
        running = Running(engine, endpoint, self._launcher.describe(endpoint, folder))
        self._add_progress(EngineProgress("ready", {"model": self._launcher.model}))
        return running

    @staticmethod
    def _answers(record: EngineRecord) -> bool:
        """Return whether the engine is ready, and has this key."""
        address = f"http://127.0.0.1:{record.port}"
        try:
            get_json(f"{address}/health", timeout_seconds=1.0)
        except NoAnswer:
            return False
        try:
            get_json(f"{address}/version", api_key=record.api_key, timeout_seconds=1.0)
        except NoAnswer as error:
            return error.status == HTTPStatus.NOT_FOUND  # transformers doesn't tell its version
        return True

    def _wait(self) -> None:
        if time.monotonic() > self._deadline:
            seconds = round(self._timeout_seconds)
            raise EngineTimeout("engine_start_timeout", model=self._launcher.model, seconds=seconds)
        self._cancel.wait(LOOK_SECONDS)
        self._check_cancel()

    def _read_phases(self, reader: LogReader) -> None:
        for line in reader.new_lines():
            if (phase := self._launcher.read_phase(line)) is not None:
                self._add_progress(phase)

    def _add_progress(self, phase: EngineProgress) -> None:
        if not self.progress or self.progress[-1] != phase:
            self.progress.append(phase)

    def _check_cancel(self) -> None:
        if self._cancel.is_set():
            raise Cancelled

    def _new_log(self) -> Path:
        """Create a log file readable by this user alone; delete all but the newest `keep_logs`."""
        make_private_folder(self._log_dir)
        path = self._log_dir / f"engine-{datetime.now():%Y%m%d-%H%M%S-%f}.log"
        path.touch(mode=0o600)
        for old in sorted(self._log_dir.glob("engine-*.log"))[: -self._keep_logs]:
            old.unlink(missing_ok=True)
        return path
