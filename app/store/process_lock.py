"""Which running program a job belongs to: a name with a lock that the operating system gives up when the program ends.

A process number would not do: it is used again after a reboot, and means nothing in another container on the same data
folder. A lock file tells it in all of these, whatever the clock says.
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


class Owner:
    """This program among all that work on the same data folder, from now until `close` or its end in any way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = secrets.token_hex(8)
        self._lock = self._lock_of(self.name)
        try:
            make_private_folder(folder)
            self._lock.acquire(timeout=_PATIENCE_SECONDS)  # another one may be trying whether we are there
        except (OSError, NotImplementedError, Timeout):  # then others take our jobs for left behind when they start
            _log.warning("no lock could be had in %s", folder, exc_info=True)
        self._forget_the_gone()

    def is_alive(self, name: str) -> bool:
        """Whether the program of that name is still there."""
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
        """Give the name up."""
        with suppress(OSError):
            self._lock.release()
            self._path_of(self.name).unlink(missing_ok=True)

    def _forget_the_gone(self) -> None:
        with suppress(OSError):
            for path in self._folder.glob("*.lock"):
                if path.stem == self.name:
                    continue
                with suppress(Timeout, NotImplementedError), self._lock_of(path.stem).acquire(blocking=False):
                    path.unlink(missing_ok=True)  # while it is held: nobody can have come meanwhile

    def _path_of(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _lock_of(self, name: str) -> FileLock:
        return FileLock(self._path_of(name), mode=0o600)
