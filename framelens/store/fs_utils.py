"""File system utilities of the store: atomic files, disk space in reserve, a secret.

An error of the operating system becomes a StorageError that names the folder and the reason.
"""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from framelens.core.errors import StorageError
from framelens.core.files import write_private
from framelens.core.wall_clock import earliest_time

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk and of a full quota."""
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


def reason_of(error: BaseException) -> str:
    """Return the operating system's message for an error."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


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
    if path.exists() and path.stat().st_size:  # earlier versions, killed in the middle, left an empty file
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
        for left in folder.glob(".*.new"):
            if earliest_time() - left.stat().st_mtime > _SCRATCH_SECONDS:
                left.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Let the disk keep the names in a folder, which a power cut could otherwise undo."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
