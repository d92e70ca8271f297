"""Lock file that shows which running process a job belongs to; the operating system releases it when the process ends.

A process id would not do: it is reused after a reboot, and means nothing in another container on the same data folder.
A lock file works in all these cases, whatever the clock says.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.private_files import make_private_folder

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 2.0
"""How long to wait for a process that is checking our lock. Chosen by hand; not tuned."""


class ProcessLock:
    """This process among all that use the same data folder, until `close` or until it ends in any way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = secrets.token_hex(8)
        self._lock = self._lock_of(self.name)
        try:
            make_private_folder(folder)
            self._lock.acquire(timeout=_PATIENCE_SECONDS)  # another process may be checking our lock
        except (OSError, NotImplementedError, Timeout):  # processes that start later will then take over our jobs
            _log.warning("could not lock a file in %s", folder, exc_info=True)
        self._delete_stale_locks()

    def is_alive(self, name: str) -> bool:
        """Return whether the process with that name is still running."""
        if name == self.name:
            return True
        if not name or not self._path_of(name).exists():
            return False
        other = self._lock_of(name)
        try:
            other.acquire(blocking=False)
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        other.release()
        return False

    def close(self) -> None:
        """Release the lock and the name."""
        with suppress(OSError):
            self._lock.release()
            self._path_of(self.name).unlink(missing_ok=True)

    def _delete_stale_locks(self) -> None:
        with suppress(OSError):
            for path in self._folder.glob("*.lock"):
                if path.stem == self.name:
                    continue
                with suppress(Timeout, NotImplementedError), self._lock_of(path.stem).acquire(blocking=False):
                    path.unlink(missing_ok=True)  # while it is held, so that no process can have taken it

    def _path_of(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _lock_of(self, name: str) -> FileLock:
        return FileLock(self._path_of(name), mode=0o600)
