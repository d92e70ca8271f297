"""Cache of surveys, so that a video need not be decoded again: bytes under a key, dropping the least recently used.

It also records the SHA-256 of files, so that a long file that has not changed is not read again. It doesn't interpret
the bytes. On an error of the disk an entry is lost, and no job fails. Each user has separate entries: a survey that is
cached already would reveal that another user has the same video.
"""

import hashlib
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from framelens.core.files import make_private_folder
from framelens.core.roles import current_user
from framelens.store.fs_utils import read_json, write_json, write_whole

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{16,128}")
_END_BYTES = 64 << 10
"""Bytes at either end of a file that identify its note."""
_FRESH_SECONDS = 2.0
"""A file changed less than this ago could change again within the same tick of its file system's clock."""


class ExtractionStore:
    """At most `limit_bytes` of entries below `folder`. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, *, limit_bytes: int = 512 << 20) -> None:
        self._folder = folder
        self._limit = limit_bytes

    def get(self, key: str) -> bytes | None:
        """Get the bytes stored under `key` (hex digits), or None."""
        path = self._entry(key)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def has(self, key: str) -> bool:
        """Return whether something is stored under `key`."""
        try:
            return self._entry(key).exists()
        except OSError:
            return False

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key` atomically, then drop the least recently used entries above the limit."""
        path = self._entry(key)
        try:
            make_private_folder(path.parent)
            write_whole(path, data)
            self._make_room()
        except OSError:
            _log.warning("could not store a survey in %s", self._folder, exc_info=True)

    def drop(self, key: str) -> None:
        """Delete the entry under `key`, if any."""
        with suppress(OSError):
            self._entry(key).unlink(missing_ok=True)

    def known_sha256(self, path: Path) -> str | None:
        """Get the recorded SHA-256 of this file if the file has not changed since, else None."""
        try:
            record = read_json(self._note(path)) or {}
            sha256 = record.get(_state(path))
        except Exception:  # noqa: BLE001 - whatever is wrong with the note, the file can be read instead
            return None
        return sha256 if isinstance(sha256, str) and _KEY.fullmatch(sha256) else None

    def has_twin(self, path: Path) -> bool:
        """Return whether a file of the same size, start and end was recorded, so that hashing this file may pay."""
        try:
            return self._note(path).exists()
        except OSError:
            return False

    def note_sha256(self, path: Path, sha256: str, state: str | None) -> None:
        """Record the SHA-256 of a file that hasn't changed since its `state` was taken.

        Args:
            path: The file.
            sha256: Its digest in hex.
            state: What `file_state` returned before the file was read.
        """
        try:
            status = path.stat()
            if state != _state(path) or abs(time.time() - status.st_mtime) < _FRESH_SECONDS:
                return
            note = self._note(path)
            make_private_folder(note.parent)
            record = list((read_json(note) or {}).items())[-7:]  # copies of a video; eight are plenty
            write_json(note, {**dict(record), _state(path): sha256})
        except Exception:  # noqa: BLE001
            _log.warning("could not record a digest in %s", self._folder, exc_info=True)

    def _entry(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key of a survey")
        return self._own_folder() / f"{key}.survey"

    def _own_folder(self) -> Path:
        """Return the folder of the user of the context; without accounts it is everyone's."""
        owner = current_user().id
        return self._folder / hashlib.sha256(owner.encode()).hexdigest()[:32] if owner else self._folder

    def _note(self, path: Path) -> Path:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_END_BYTES))
            file.seek(max(0, size - _END_BYTES))
            digest.update(file.read(_END_BYTES))
        return self._own_folder() / f"{digest.hexdigest()}.file.json"

    def _make_room(self) -> None:
        entries = list[tuple[float, int, Path]]()
        for path in self._folder.rglob("*.survey"):
            with suppress(FileNotFoundError):  # another process has dropped it
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries)[:-1]:  # the newest was just stored
            if total <= self._limit:
                break
            path.unlink(missing_ok=True)
            total -= size


def file_state(path: Path) -> str | None:
    """Return a text that changes when the file does; None if the file cannot be inspected."""
    try:
        return _state(path)
    except OSError:
        return None


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def open_extractions(data_dir: Path) -> ExtractionStore:
    """Return the store of a data folder."""
    return ExtractionStore(data_dir / "surveys")
