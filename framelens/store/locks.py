"""Locks of processes on a data folder.

Processes are recognised by lock files. A process id is reused after a reboot, and means nothing in another container
on the same data folder.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from framelens.core.errors import StorageError
from framelens.core.files import make_private_folder
from framelens.store.fs_utils import remove_scratch

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 2.0
"""How long to wait for a process that is checking our lock."""


@contextmanager
def opening(folder: Path, patience_seconds: float) -> Iterator[None]:
    """Keep other processes from opening or making the store in `folder` for a block.

    First remove the files of killed processes. Where the disk refuses a lock file, continue without a lock, since an
    existing store must open on a full disk, too.

    Raises:
        StorageError: "store_changing": another process holds the lock for longer than `patience_seconds`.
    """
    lock = FileLock(folder / "framelens.lock", mode=0o600)
    try:
        lock.acquire(timeout=patience_seconds)
    except Timeout:
        raise StorageError("store_changing", folder=str(folder)) from None
    except (OSError, NotImplementedError):
        _log.warning("could not lock a file in %s", folder, exc_info=True)
    try:
        remove_scratch(folder)
        yield
    finally:
        with suppress(OSError):
            lock.release()


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
