"""One child process behind the guard, with its log file: start, look, read on, stop.

It knows nothing of engines: a command, an environment and a file to write into are all it takes. Local engines run on
Linux alone; elsewhere `start` refuses with a sentence that names the remote engine as the way.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from app.errors import EngineError

GUARD = Path(__file__).with_name("process_supervisor.py")
GRACE_SECONDS = 8.0


class ChildProcess:
    """A running command whose whole family ends with it, with `stop`, or with our own process."""

    def __init__(self, guard: subprocess.Popen[bytes], grace_seconds: float) -> None:
        self._guard = guard
        self._grace_seconds = grace_seconds

    @classmethod
    def start(
        cls,
        command: list[str],
        *,
        environment: Mapping[str, str],
        log_path: Path,
        grace_seconds: float = GRACE_SECONDS,
    ) -> ChildProcess:
        """Start `command` with `environment` and no other variable; what it writes is added to `log_path`.

        To be ended, its processes get SIGTERM, and SIGKILL when `grace_seconds` have passed.

        Raises EngineError on systems that have no guard.
        """
        if sys.platform != "linux":
            raise EngineError("local_engine_unsupported", system=sys.platform)
        with log_path.open("ab") as log:
            guard = subprocess.Popen(
                [sys.executable, "-I", str(GUARD), str(grace_seconds), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle, in our order
            )
        return cls(guard, grace_seconds)

    @property
    def exit_status(self) -> int | None:
        """None while it runs; 128 + n where signal n ended it."""
        status = self._guard.poll()
        return status if status is None or status >= 0 else 128 - status

    @property
    def pid(self) -> int:
        """The guard's process id; the command is its child."""
        return self._guard.pid

    def stop(self) -> None:
        """End it and everything it started; returns when nothing is left."""
        if self._guard.poll() is None:
            self._guard.terminate()
            try:
                self._guard.wait(self._grace_seconds + 10)
            except subprocess.TimeoutExpired:
                self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()


class LogReader:
    """Reads a growing log by whole lines; carriage returns (progress bars) end a line too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = ""

    def new_lines(self) -> list[str]:
        """The complete lines that came since the last call."""
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data.decode(errors="replace")).replace("\r", "\n").split("\n")
        return [line for line in lines if line.strip()]


def tail(path: Path, lines: int, max_bytes: int = 1_000_000) -> str:
    """The last `lines` lines of a log, with a progress bar's overwritten states left out."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - max_bytes))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(shown[-lines - 1 :] if shown[-1] == "" else shown[-lines:])
