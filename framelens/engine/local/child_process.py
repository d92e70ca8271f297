"""Supervised child process with a log file.

It knows nothing about engines: it takes a command, an environment and a log file. Local engines run on Linux only;
elsewhere `start` raises an error that points to remote engines.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from framelens.core.errors import EngineError

GUARD = Path(__file__).with_name("process_supervisor.py")
GRACE_SECONDS = 8.0
"""Time between SIGTERM and SIGKILL."""


class ChildProcess:
    """A running command whose descendants all end with it, with `stop`, or with this process or the last user."""

    def __init__(self, supervisor: subprocess.Popen[bytes], grace_seconds: float) -> None:
        self._supervisor = supervisor
        self._grace_seconds = grace_seconds

    @classmethod
    def start(
        cls,
        command: list[str],
        *,
        environment: Mapping[str, str],
        log_path: Path,
        folder: Path | None = None,
        grace_seconds: float = GRACE_SECONDS,
        locks: tuple[int, int] | None = None,
    ) -> ChildProcess:
        """Start `command` and append its output to `log_path`.

        Args:
            command: Program and arguments.
            environment: All variables of the child; no variable is inherited.
            log_path: Receives standard output and standard error.
            folder: Its current folder, by default that of this process.
            grace_seconds: Time between SIGTERM and SIGKILL when it is stopped.
            locks: Open files of a `SharedEngine`, for a command that lives as long as the engine has users.

        Raises:
            EngineError: The system is not Linux.
        """
        if sys.platform != "linux":
            raise EngineError("local_engine_unsupported", system=sys.platform)
        with log_path.open("ab") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-I", str(GUARD), str(grace_seconds), ",".join(map(str, locks or ())), *command],
                stdin=subprocess.DEVNULL if locks else subprocess.PIPE,
                pass_fds=locks or (),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,  # Ctrl-C in the terminal is handled by this process alone
            )
        return cls(supervisor, grace_seconds)

    @property
    def exit_status(self) -> int | None:
        """Return the exit status: None while it runs, 128 + n if signal n ended it."""
        status = self._supervisor.poll()
        return status if status is None or status >= 0 else 128 - status

    @property
    def pid(self) -> int:
        """Return the supervisor's process id; the command is its child."""
        return self._supervisor.pid

    def wait(self) -> None:
        """Wait for its end."""
        self._supervisor.wait()

    def stop(self) -> None:
        """End it and everything it started; return when no process is left."""
        if self._supervisor.poll() is None:
            self._supervisor.terminate()
            try:
                self._supervisor.wait(self._grace_seconds + 10)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
        self._supervisor.wait()
        if self._supervisor.stdin is not None:
            with contextlib.suppress(OSError):
                self._supervisor.stdin.close()


class LogReader:
    """Reader of a growing log, line by line; carriage returns (progress bars) end a line too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = ""

    def new_lines(self) -> list[str]:
        """Return the complete, non-blank lines added since the last call."""
        try:
            with self._path.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data.decode(errors="replace")).replace("\r", "\n").split("\n")
        return [line for line in lines if line.strip()]


def tail(path: Path, lines: int) -> str:
    """Return the last `lines` lines of a log, without a progress bar's overwritten states.

    At most a megabyte is read from the end; a missing file gives "".
    """
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 1_000_000))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(shown[-lines - 1 :] if shown[-1] == "" else shown[-lines:])
