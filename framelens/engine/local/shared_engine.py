"""A local engine that all programs of a data folder share.

Programs with the same data folder, model and settings use one engine. Two files beside its logs belong to it; their
name is a digest of the machine, the command and the model's files, so another engine has other files.

`NAME.json` is the record. It is locked by the program that starts the engine, then by the engine's supervisor, until
the engine has ended; while it is locked it holds the engine's address and key, and afterwards the exit status.
`NAME.users` is locked, shared, by every program that uses the engine or waits for it. The supervisor ends the engine
once no program holds that lock. So the engine outlives the program that started it, and ends with its last user,
however that ended. The system releases the locks of a killed process; no process id is trusted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from framelens.core.background_task import in_thread
from framelens.core.files import make_private_folder
from framelens.engine.local.child_process import GRACE_SECONDS, ChildProcess
from framelens.engine.model_resolution import last_change

if sys.platform != "win32":
    import fcntl

log = logging.getLogger(__name__)
ENDED_ON_REQUEST = 128 + signal.SIGTERM
"""Exit status in the record of an engine that was ended, rather than ending by itself."""
_KILLED = 128 + signal.SIGKILL
_POLL_SECONDS = 0.05
_OURS = ("VLLM_MODEL_PATH", "VLLM_CONFIG")
"""Settings that the command already expresses."""


@dataclass(frozen=True)
class EngineRecord:
    """How to reach a running engine: its port on loopback and its key, its supervisor's process id, and its log."""

    port: int
    api_key: str = field(repr=False)
    pid: int
    log_path: str


def engine_identity(command: list[str], folder: Path) -> str:
    """Return a digest of what makes two engines the same: the machine, the command, the devices and the model's files.

    Args:
        command: The engine's command without its port.
        folder: The model's folder.
    """
    here = []
    with suppress(OSError):  # loopback and process ids mean nothing in another container or after a restart
        here.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        here += [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "pid")]
    chosen = {name: value for name, value in os.environ.items() if _shapes_engine(name)}
    parts = [here, sorted(command), sorted(chosen.items()), last_change(folder)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _shapes_engine(name: str) -> bool:
    return name.endswith("_VISIBLE_DEVICES") or (name.startswith("VLLM_") and name not in _OURS)


class SharedEngine:
    """One user's part in an engine.

    Args:
        folder: Folder of the records. Where its disk has no locks, the engine isn't shared.
        identity: Result of `engine_identity`.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        make_private_folder(folder)
        if not _has_locks(folder):
            log.warning("no file can be locked in %s, so the engine is not shared", folder)
            folder = Path(tempfile.mkdtemp(prefix="framelens-engine-"))
        self._folder = folder
        self._identity = identity
        self._users: int | None = None
        self._record: int | None = None
        self._known: EngineRecord | None = None
        self._child: ChildProcess | None = None
        self._delete_stale_files()

    # ---- joining and starting

    def join(self) -> bool:
        """Become a user, for whom the engine stays; return False while the engine is ending."""
        if self._users is None:
            self._users = self._lock_file(self._path("users"), fcntl.LOCK_SH)
        return self._users is not None

    def claim(self) -> bool:
        """Return whether this user has to start the engine, since it neither runs nor is being started."""
        self._record = self._lock_file(self._path("json"), fcntl.LOCK_EX)
        if self._record is not None:
            os.ftruncate(self._record, 0)
        return self._record is not None

    def start(
        self, command: list[str], *, environment: Mapping[str, str], port: int, api_key: str, log_path: Path
    ) -> EngineRecord:
        """Start the engine that was claimed and record it for others. Raises EngineError."""
        assert self._record is not None
        users = _open(self._path("users"))
        try:
            locks = (self._record, users)
            # Not in the current folder, where libraries look for settings: numba for a file that may name pickles.
            folder = log_path.parent.absolute()
            self._child = ChildProcess.start(
                command, environment=environment, log_path=log_path, folder=folder, locks=locks
            )
            self._known = EngineRecord(port, api_key, self._child.pid, str(log_path.absolute()))
            os.pwrite(self._record, json.dumps(asdict(self._known)).encode(), 0)
        finally:
            os.close(users)
            self._release_record()
        return self._known

    def find(self) -> EngineRecord | None:
        """Return how to reach the engine that was joined; None before its start, and after its end."""
        content = self._content() if self._is_locked() else None
        with suppress(TypeError):  # written by another version
            self._known = EngineRecord(**content) if isinstance(content, dict) else None
        return self._known

    # ---- the running engine

    @property
    def is_own(self) -> bool:
        """Return whether this user started the engine."""
        return self._child is not None

    @property
    def exit_status(self) -> int | None:
        """Return the exit status: None while the engine runs, 128 + n if signal n ended it."""
        try:
            return self._read_status()
        except OSError:  # such as too many open files; requests to the engine show whether it works
            return None

    def stop(self) -> None:
        """Use the engine no longer; return when it has ended, or at once if others use it."""
        self.leave()
        with suppress(OSError):  # the folder was deleted: the supervisor notices by itself that no one is left
            fd = _open(self._path("users"))
            try:
                while self._read_status() is None:
                    if _lock(fd, fcntl.LOCK_EX):  # the last user, and no other can join now
                        self.end()
                    elif _lock(fd, fcntl.LOCK_SH):
                        break
                    time.sleep(_POLL_SECONDS)
            finally:
                os.close(fd)
        self._reap()

    def end(self) -> None:
        """End the engine for all of its users, since it fails; return when no process is left."""
        for number, seconds in ((signal.SIGTERM, GRACE_SECONDS + 10), (signal.SIGKILL, 5.0)):
            deadline = time.monotonic() + seconds
            if self._known and self.exit_status is None:
                with suppress(ProcessLookupError):
                    os.kill(self._known.pid, number)
            while self.exit_status is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        self.leave()
        self._reap()

    def leave(self) -> None:
        """Use the engine no longer, and release a start that was claimed."""
        self._release_record()
        users, self._users = self._users, None
        if users is not None:
            os.close(users)

    def _release_record(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            os.close(record)

    def _reap(self) -> None:
        """Wait for the supervisor if it is this process's child, in the background while others use the engine."""
        child, self._child = self._child, None
        if child is not None and self.exit_status is None:
            in_thread("engine-reaper", child.wait)
        elif child is not None:
            child.wait()

    # ---- files

    def _read_status(self) -> int | None:
        is_locked, content = self._is_locked(), self._content()
        if isinstance(content, int):
            return content
        if self._known is None or content != asdict(self._known):  # another engine has been started since
            return ENDED_ON_REQUEST
        return None if is_locked else _KILLED

    def _is_locked(self) -> bool:
        """Return whether an engine of this name runs or is being started, by any program."""
        fd = self._lock_file(self._path("json"), fcntl.LOCK_SH)
        if fd is not None:
            os.close(fd)
        return fd is None

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{self._identity}.{suffix}"

    def _content(self) -> Any:
        """Return the record's content, None while it is being written. Raises OSError."""
        with os.fdopen(_open(self._path("json")), "rb") as file, suppress(ValueError):
            return json.loads(file.read())
        return None

    @staticmethod
    def _lock_file(path: Path, kind: int) -> int | None:
        """Return a file descriptor with the lock, or None if others hold it or the file has just been deleted."""
        fd = _open(path)
        if _lock(fd, kind) and _is_file_at(path, fd):
            return fd
        os.close(fd)
        return None

    def _delete_stale_files(self) -> None:
        """Delete the files of other engines that neither run nor have users."""
        for path in self._folder.glob("*.users"):
            with suppress(OSError):
                if path.stem != self._identity and (users := self._lock_file(path, fcntl.LOCK_EX)) is not None:
                    self._delete_with_record(path)
                    os.close(users)

    def _delete_with_record(self, users: Path) -> None:
        path = users.with_suffix(".json")
        if (record := self._lock_file(path, fcntl.LOCK_EX)) is not None:
            path.unlink()
            users.unlink()
            os.close(record)


def _open(path: Path) -> int:
    """Open a file of this user that others can't read, or replace what is there by an empty one. Raises OSError."""
    for _ in range(3):
        with suppress(OSError):  # a link, or a file of another user
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            status = os.fstat(fd)
            is_private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
            if is_private and status.st_uid == os.geteuid():
                return fd
            os.close(fd)
        path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _has_locks(folder: Path) -> bool:
    fd = _open(folder / "probe.users")
    try:
        _lock(fd, fcntl.LOCK_SH)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_file_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except FileNotFoundError:
        return False
