"""File system utilities of the store: atomic files, disk space in reserve, a secret, the log.

An error of the operating system becomes a StorageError that names the folder and the reason.
"""

import errno
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from framelens.core.errors import StorageError
from framelens.core.files import make_private_folder, private_opener, reason_of, restrict_to_owner, write_private
from framelens.core.redaction import redact

# Files that FrameLens writes to the data folder. Templates and models there are the user's own files.
_KEPT = ("framelens.*", "answers.sqlite*", "*.json", "videos", "surveys", "running", "*engine", "*restor*")
_log = logging.getLogger(__name__)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of a full quota."""
KEPT_FREE_BYTES = 64 << 20
"""Space left free by uploads and backups, since a full disk breaks more than them."""
_RESERVE = "framelens.reserve"
_RESERVE_BYTES = 2 << 20
"""Enough for SQLite's own files and a deletion; the page of a few analyses needs a third of it."""
_SCRATCH_SECONDS = 3600.0
"""Seconds without a write, after which a file that is to replace another file belongs to a killed process."""


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError inside into StorageError("disk_full_now") or StorageError("disk_refused")."""
    try:
        yield
    except OSError as error:
        key = "disk_full_now" if error.errno in DISK_FULL else "disk_refused"
        raise StorageError(key, folder=str(folder), reason=reason_of(error)) from error


def check_floor(folder: Path) -> None:
    """Raise OSError as on a full disk if no more than KEPT_FREE_BYTES are free."""
    if shutil.disk_usage(folder).free <= KEPT_FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def keep_reserve(folder: Path) -> None:
    """Reserve disk space to free when the disk is full, unless the disk is nearly full already."""
    path = folder / _RESERVE
    with suppress(OSError):
        if not path.exists() and shutil.disk_usage(folder).free > 10 * _RESERVE_BYTES:
            write_whole(path, os.urandom(_RESERVE_BYTES))  # zeros may take no room


def release_reserve(folder: Path) -> bool:
    """Free the reserved disk space if the disk is nearly full; return whether any was freed."""
    path = folder / _RESERVE
    with suppress(OSError):
        if shutil.disk_usage(folder).free < _RESERVE_BYTES and path.exists():
            path.unlink()
            return True
    return False


@contextmanager
def storage_errors(key: str, path: Path) -> Iterator[None]:
    """Convert an OSError inside the block to StorageError(key) with the path, or "file_no_room" on a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StorageError("file_no_room", path=str(path)) from error
        raise StorageError(key, path=str(path), reason=reason_of(error)) from error


def write_json(path: Path, record: Mapping[str, object]) -> None:
    """Replace `path` by this JSON, as `write_whole` does."""
    write_whole(path, json.dumps(record).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` atomically: a crash leaves the old file or the new file, never a half. Raise OSError."""
    scratch = path.with_name(f".{secrets.token_hex(6)}.new")  # a longer name might not fit
    try:
        write_private(scratch, data)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Read the JSON object in `path`.

    Returns:
        The object; None if there is no such file or it contains something else.

    Raises:
        StorageError: The file could not be read.
    """
    with disk_errors(path.parent):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
    return record if isinstance(record, dict) else None


def own_secret(path: Path) -> bytes:
    """Read 32 random bytes from `path`; create them first, readable by the owner alone, if they don't exist.

    Processes that create them at the same moment all return the bytes of the first process.
    """
    if path.exists() and path.stat().st_size:
        return path.read_bytes()
    scratch = path.with_name(f".{secrets.token_hex(6)}.new")
    try:
        write_private(scratch, secrets.token_bytes(32))
        try:
            os.link(scratch, path)
        except OSError:  # the file is there, or the file system has no links
            if not path.exists() or not path.stat().st_size:
                scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return path.read_bytes()


def remove_scratch(folder: Path) -> None:
    """Remove files of `write_whole` whose process was killed."""
    with suppress(OSError):
        for leftover in folder.glob(".*.new"):
            if time.time() - leftover.stat().st_mtime > _SCRATCH_SECONDS:
                leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Let the disk keep the names in a folder, which a power cut could otherwise undo."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _PrivateLog(RotatingFileHandler):
    """A log file that its owner alone can read, also after rotation."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding=self.encoding, opener=private_opener)

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop a record that can't be written, as on a full disk, which other code reports to users."""


class _MaskedFormatter(logging.Formatter):
    """Formatter that hides secrets in messages and tracebacks, in which libraries quote requests and answers."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def log_to_terminal() -> None:
    """Also print the log on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_MaskedFormatter("%(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("framelens")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def log_to(data_dir: Path) -> Path:
    """Send the log of `framelens` to a file in the data folder, with a backup, of at most 5 MB each.

    Create the folder if it is missing, and remove the access of other users to files of earlier versions. Also log
    uncaught errors of threads.

    Returns:
        The path of the log.

    Raises:
        StorageError: The folder or the log could not be written.
    """
    path = data_dir / "framelens.log"
    try:
        make_private_folder(data_dir)
        handler = _PrivateLog(path, maxBytes=5_000_000, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise StorageError("data_dir_unwritable", path=str(data_dir), reason=reason_of(error)) from error
    handler.setFormatter(_MaskedFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("framelens")
    for old in [handler for handler in logger.handlers if isinstance(handler, RotatingFileHandler)]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    restrict_to_owner(data_dir, _KEPT)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught
    return path


def _log_uncaught(uncaught: threading.ExceptHookArgs) -> None:
    name = uncaught.thread.name if uncaught.thread else ""
    _log.error("the thread %r failed", name, exc_info=uncaught.exc_value)
    threading.__excepthook__(uncaught)


def end_log(path: Path) -> None:
    """Undo `log_to` in a program that keeps running; do nothing if another log has replaced this log."""
    logger = logging.getLogger("framelens")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _PrivateLog)]:
        if Path(handler.baseFilename) == path.absolute():
            logger.removeHandler(handler)
            handler.close()
            logger.setLevel(logging.NOTSET)
