"""One start of a local engine, from the model's reference to an endpoint that answers, in a thread of its own.

It collects every phase for whoever joins, ends the child when all who waited have left, and reports one outcome:
`running`, or `error`. It decides nothing about restarts.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.child_environment import engine_environment
from app.domain import EngineInfo, EngineProgress, Notice
from app.engine.base import Endpoint, Launcher
from app.engine.child_process import ChildProcess, LogReader, tail
from app.engine.diagnostics.log_diagnosis import diagnose
from app.engine.http_client import NoAnswer, get_json
from app.errors import AppError, Cancelled, EngineError, EngineTimeout
from app.private_files import make_private_folder

LOOK_SECONDS = 0.2
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A ready engine: its process, where it answers, and what it is."""

    process: ChildProcess
    endpoint: Endpoint
    info: EngineInfo


def choose_port(wanted: int | None) -> int:
    """`wanted` if it is free on loopback, or any free port. Raises EngineError for a port in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise EngineError("port_in_use", port=wanted, reason=error.strerror or str(error)) from error
        return int(probe.getsockname()[1])


class Startup:
    """A start in progress. `on_end` is called once, from its thread; `after` is an older one to wait for first."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        log_dir: Path,
        keep_logs: int,
        timeout_seconds: float,
        on_end: Callable[[Startup], None],
        after: Startup | None = None,
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
        self.finished = threading.Event()
        self.running: Running | None = None
        self.error: AppError | None = None
        self.bug: Exception | None = None  # what nobody foresaw: it goes to the caller as it is
        self.log_path: Path | None = None
        self.notices: tuple[Notice, ...] = ()
        threading.Thread(target=self._run, name="engine-start", daemon=True).start()

    # ---- those who wait ----------------------------------------------------------------------------------------------

    def join(self) -> bool:
        """Count one more caller in; False where this start has been given up already."""
        with self._lock:
            if not self.given_up:
                self._waiting += 1
            return not self.given_up

    def leave(self) -> None:
        """A caller no longer waits; the last one to leave an unfinished start ends it."""
        with self._lock:
            self._waiting -= 1
        if self._waiting == 0:
            self.give_up()

    def give_up(self) -> None:
        """End this start, unless the engine is up already."""
        with self._lock:
            if not self._settled:
                self._cancel.set()

    @property
    def given_up(self) -> bool:
        return self._cancel.is_set()

    # ---- the start itself --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._after is not None:
            self._after.finished.wait()
            self._after = None
        try:
            self.running = self._settle(self._start())
        except AppError as error:
            self.error = error
        except Exception as bug:
            log.exception("starting the engine failed in an unforeseen way")
            self.bug = bug
            cause = f"{type(bug).__name__}: {bug}"
            self.error = EngineError("engine_failed", model=self._launcher.model, cause=cause, lines="  –")
        finally:
            self._on_end(self)
            self.finished.set()

    def _settle(self, running: Running) -> Running:
        """From here on nobody can give this start up; who did before still gets a stopped engine."""
        with self._lock:
            self._settled = not self.given_up
        if not self._settled:
            running.process.stop()
            raise Cancelled
        return running

    def _start(self) -> Running:
        folder = self._launcher.fetch(self._tell, self._cancel)
        self.notices = self._launcher.inspect(folder)
        port, api_key = choose_port(self._launcher.port), secrets.token_urlsafe(32)
        self._check_cancel()
        self._tell(EngineProgress("launching", {"model": self._launcher.model}))
        self.log_path = self._new_log()
        command = self._launcher.command(folder, port)
        self.log_path.write_text(f"$ {' '.join(command)}\n", encoding="utf-8")
        environment = {**engine_environment(), **self._launcher.environment(api_key)}
        process = ChildProcess.start(command, environment=environment, log_path=self.log_path)
        try:
            return self._watch(process, folder, port, api_key)
        except BaseException:
            process.stop()
            raise

    def _watch(self, process: ChildProcess, folder: Path, port: int, api_key: str) -> Running:
        assert self.log_path is not None
        reader, deadline = LogReader(self.log_path), time.monotonic() + self._timeout_seconds
        while not self._answers(port):
            self._read_phases(reader)
            if (exit_status := process.exit_status) is not None:
                raise diagnose(tail(self.log_path, 2000), exit_status, model=self._launcher.model)
            if time.monotonic() > deadline:
                raise EngineTimeout(
                    "engine_start_timeout", model=self._launcher.model, seconds=round(self._timeout_seconds)
                )
            self._cancel.wait(LOOK_SECONDS)
            self._check_cancel()
        self._read_phases(reader)
        endpoint = Endpoint(
            self._launcher.kind, self._launcher.served_name(folder), f"http://127.0.0.1:{port}/v1", api_key
        )
        running = Running(process, endpoint, self._launcher.describe(endpoint, folder))
        self._tell(EngineProgress("ready", {"model": self._launcher.model}))
        return running

    @staticmethod
    def _answers(port: int) -> bool:
        try:
            get_json(f"http://127.0.0.1:{port}/health", timeout_seconds=1.0)
        except NoAnswer:
            return False
        return True

    def _read_phases(self, reader: LogReader) -> None:
        for line in reader.new_lines():
            if (phase := self._launcher.read_phase(line)) is not None:
                self._tell(phase)

    def _tell(self, phase: EngineProgress) -> None:
        if not self.progress or self.progress[-1] != phase:
            self.progress.append(phase)

    def _check_cancel(self) -> None:
        if self._cancel.is_set():
            raise Cancelled

    def _new_log(self) -> Path:
        """A new log file, readable by this user alone; only the newest `keep_logs` stay."""
        make_private_folder(self._log_dir)
        path = self._log_dir / f"engine-{datetime.now():%Y%m%d-%H%M%S-%f}.log"
        path.touch(mode=0o600)
        for old in sorted(self._log_dir.glob("engine-*.log"))[: -self._keep_logs]:
            old.unlink(missing_ok=True)
        return path
