"""Backups of a data folder: a file with the database, the files that belong to it, and a list of all hashes.

A backup has the user's work: analyses, conversations, accounts, batches, templates, the chosen model, measurements,
which code of models is trusted, and videos. It has no caches (surveys, stored answers), logs, unfinished
uploads, sessions or keys of engines. It is a ZIP file without compression, as videos and pictures don't get smaller.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from framelens.core import own_version
from framelens.core.codec import from_builtins
from framelens.core.errors import ConfigError, InputError, StorageError
from framelens.core.files import make_private_folder, private_opener, shown_path
from framelens.core.redaction import is_secret
from framelens.core.units import human_size
from framelens.core.wall_clock import earliest_time
from framelens.store import database, old_records
from framelens.store.audit import AuditLog
from framelens.store.database import DATABASE
from framelens.store.fs_utils import (
    KEPT_FREE_BYTES,
    disk_errors,
    own_secret,
    read_json,
    reason_of,
    sync_folder,
    write_json,
)
from framelens.store.locks import RESTORING, ProcessLock, has_live_process, opening, swap_in
from framelens.store.migrations import MIGRATIONS

_MANIFEST = "manifest.json"
_FORMAT = 1
"""Version of the backup's own form; a backup with a higher number is refused."""
_MOST_MANIFEST_BYTES = 256 << 20
"""Enough for some million files."""
_UNFINISHED = "backup-part"
"""Part of the names of a backup's files until the backup is whole."""
_LEFT_SECONDS = 3600.0
"""Seconds without a write, after which an unfinished file belongs to a killed backup."""
_PATIENCE_SECONDS = 30.0
"""How long to wait while another process opens the data folder."""
_BLOCK_BYTES = 1 << 20
"""Size of a read."""
_RECORDS = ("model.json", *(name for name in old_records.FILES if name != "downloads.json"))
_BATCHES = old_records.BATCHES
_FOLDERS = {_BATCHES: "*.json", "templates": "*.toml", "models": "*.toml"}
_VIDEOS = "videos"
_NAME = re.compile(
    "|".join(map(re.escape, (DATABASE, *_RECORDS)))
    + "".join(
        rf"|{folder}/[^/\\]+{re.escape(pattern[1:])}" for folder, pattern in _FOLDERS.items() if folder != _BATCHES
    )
    + rf"|{_BATCHES}/[A-Za-z0-9]{{1,64}}\.json"
    + r"|videos/secret|videos/[A-Za-z0-9_-]{16,64}\.json|videos/[A-Za-z0-9_-]{16,64}/[^/\\:]+"
)
"""Names of the files that a backup may contain; no others are written to a backup or at a restore. No name has a
colon, which begins a hidden part of a file on Windows, except names that users have given to their files.
"""
_MOST_NAME_BYTES = 255
"""Longest name of a file in most file systems."""


class BackupSource(NamedTuple):
    """A file for a backup: its name there, and its path or its bytes."""

    name: str
    path: Path
    data: bytes | None = None


@dataclass(frozen=True)
class BackupFile:
    """A file in a backup."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class BackupManifest:
    """Description of a backup, stored in it.

    Attributes:
        form: Version of the backup's form.
        framelens: Version of FrameLens that wrote it.
        schema: Version of its database.
        created: ISO time in UTC.
        data_dir: The data folder that it was made of.
        videos: Whether it has the uploaded videos.
        files: All other files in it.
    """

    form: int
    framelens: str
    schema: int
    created: str
    data_dir: str
    videos: bool
    files: tuple[BackupFile, ...]

    @property
    def is_current(self) -> bool:
        """Return whether its database is of the version that this FrameLens writes."""
        return self.schema == len(MIGRATIONS)

    @property
    def size_bytes(self) -> int:
        """Return the size of all files."""
        return sum(one.size for one in self.files)


def backup_bytes(data_dir: Path, *, videos: bool) -> int:
    """Return how large a backup will be, about.

    Raises:
        StorageError: The data folder or its database can't be read.
    """
    with database.store_errors(data_dir / DATABASE, data_dir), disk_errors(data_dir):
        rest = sum(len(one.data) if one.data is not None else _size(one.path) for one in _sources(data_dir, videos))
        return database.used_bytes(data_dir / DATABASE) + rest


def write_backup(data_dir: Path, target: Path, *, videos: bool) -> BackupManifest:
    """Write a backup of a data folder that may be in use, whole or not at all, for its owner alone to read.

    An existing file is replaced when the backup is whole. The database is copied as a snapshot, then the files.
    Analyses and uploads continue meanwhile.

    Raises:
        ConfigError: "backup_nothing": there is no data.
        StorageError: "backup_no_room", "store_newer", or the disk refuses.
    """
    if not (data_dir / DATABASE).exists():
        raise ConfigError("backup_nothing", folder=str(data_dir))
    with disk_errors(target.parent):
        make_private_folder(target.parent)
        _remove_leftovers(target.parent)
        # The copy of the database exists twice for a moment: beside the backup and in it.
        needed = backup_bytes(data_dir, videos=videos) + database.used_bytes(data_dir / DATABASE)
        _check_room(target.parent, needed)
    scratch = target.with_name(f".{secrets.token_hex(6)}.{_UNFINISHED}")  # a longer name might not fit
    copy = scratch.with_name(f"{scratch.name}.sqlite")
    try:
        with database.store_errors(data_dir / DATABASE, target.parent), disk_errors(target.parent):
            schema = database.copy_store(data_dir / DATABASE, copy)
            with open(scratch, "xb", opener=private_opener) as file:
                manifest = _write(file, data_dir, copy, schema, videos)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
            sync_folder(target.parent)
    finally:
        with suppress(OSError):
            for left in (scratch, copy, copy.with_name(f"{copy.name}-journal")):
                left.unlink(missing_ok=True)
    return manifest


def _remove_leftovers(folder: Path) -> None:
    """Remove the files that killed backups left in a folder."""
    for left in folder.glob(f"*.{_UNFINISHED}*"):
        with suppress(OSError):
            if earliest_time() - left.stat().st_mtime > _LEFT_SECONDS:
                left.unlink()


def _write(file: BinaryIO, data_dir: Path, copy: Path, schema: int, videos: bool) -> BackupManifest:
    files, gone = list[BackupFile](), set[str]()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one in chain([BackupSource(DATABASE, copy)], _sources(data_dir, videos)):
            if one.name in gone:
                continue
            try:
                opened: BinaryIO = BytesIO(one.data) if one.data is not None else one.path.open("rb")
            except FileNotFoundError:  # deleted meanwhile; a deleted video's record is left out, too
                gone.add(f"{one.name.rpartition('/')[0]}.json")
                continue
            with opened, archive.open(_entry(one.name), "w", force_zip64=True) as out:
                files.append(BackupFile(one.name, *_copied(opened, out)))
            if one.path == copy:
                copy.unlink()
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = BackupManifest(_FORMAT, own_version(), schema, created, str(data_dir), videos, tuple(files))
        archive.writestr(_entry(_MANIFEST), json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
    return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    now = datetime.now()
    entry = zipfile.ZipInfo(name, (max(now.year, 1980), now.month, now.day, now.hour, now.minute, now.second))
    entry.external_attr = 0o600 << 16
    return entry


def _copied(source: IO[bytes], out: IO[bytes] | None, most_bytes: int | None = None) -> tuple[int, str]:
    """Copy a file, or its first `most_bytes`, and return its size and SHA-256; without `out`, only read it."""
    digest, size = hashlib.sha256(), 0
    while (most_bytes is None or size <= most_bytes) and (block := source.read(_BLOCK_BYTES)):
        digest.update(block)
        if out:
            out.write(block)
        size += len(block)
    return size, digest.hexdigest()


def _sources(data_dir: Path, videos: bool) -> Iterator[BackupSource]:
    """Yield the files of a backup except the database, videos before their records."""
    for name in _RECORDS:
        path = data_dir / name
        if name == "model.json":
            if record := read_json(path):
                kept = {key: value for key, value in record.items() if not is_secret(key)}
                yield BackupSource(name, path, json.dumps(kept, indent=1).encode())
        elif path.is_file():
            yield BackupSource(name, path)
    for folder, pattern in _FOLDERS.items():
        found = (BackupSource(f"{folder}/{one.name}", one) for one in sorted((data_dir / folder).glob(pattern)))
        yield from (one for one in found if _is_allowed(one.name))  # another file would make the backup unreadable
    if videos and (data_dir / _VIDEOS).is_dir():
        yield BackupSource(
            f"{_VIDEOS}/secret", data_dir / _VIDEOS / "secret", own_secret(data_dir / _VIDEOS / "secret")
        )
        for path in sorted((data_dir / _VIDEOS).glob("*.json")):
            yield from _video_sources(path)


def _video_sources(path: Path) -> Iterator[BackupSource]:
    record = read_json(path)
    if record is None:
        return
    if record.get("origin") == "upload":
        file = path.with_suffix("") / Path(record["path"]).name
        if not file.is_file():  # deleted meanwhile
            return
        yield BackupSource(f"{_VIDEOS}/{path.stem}/{file.name}", file)
    yield BackupSource(f"{_VIDEOS}/{path.name}", path, json.dumps(record).encode())


# ---- reading and restoring -------------------------------------------------------------------------------------------


def check_backup(source: Path) -> BackupManifest:
    """Read all of a backup, compare it with its hashes, and return its manifest.

    Raises:
        InputError: It is damaged, no backup, or of a newer version.
    """
    with _opened(source) as (archive, manifest):
        for one in manifest.files:
            with archive.open(one.name) as file:
                _compare(source, one, _copied(file, None, one.size))
    return manifest


def restore_backup(source: Path, data_dir: Path) -> tuple[BackupManifest, Path]:
    """Replace the contents of a data folder that no process uses by the contents of a backup.

    The backup is unpacked beside the old contents, checked, migrated, and given an entry in its audit log before any
    file is replaced. The old contents are moved aside; caches and logs stay, and so do the videos if the backup has no
    videos. The next process that opens the folder finishes a restore that was killed while it moved files, and removes
    the files of a restore that was killed earlier.

    Returns:
        The manifest, and the folder with the old contents.

    Raises:
        InputError: As `check_backup`, or "restore_in_use".
        StorageError: "backup_no_room", or the disk refuses.
    """
    with _opened(source) as (archive, manifest), disk_errors(data_dir):
        make_private_folder(data_dir)
        _check_unused(data_dir)
        _check_room(data_dir, manifest.size_bytes)
        with _scratch(data_dir) as (scratch, live):
            _unpack(source, archive, manifest, scratch / "new")
            _adopt(scratch / "new", manifest, data_dir, source)
            with closing(database.Store(scratch / "new" / DATABASE)) as store:
                AuditLog(store).record("restore", object_name=source.name)
            return manifest, _put_in_place(scratch, live, manifest, data_dir)


@contextmanager
def _scratch(data_dir: Path) -> Iterator[tuple[Path, ProcessLock]]:
    """Make a folder to unpack a backup in, and remove it afterwards; a start removes it once its lock is released."""
    folder = data_dir / f"{RESTORING}-{secrets.token_hex(4)}.new"
    with opening(data_dir, _PATIENCE_SECONDS):
        make_private_folder(folder)
        live = ProcessLock(folder)
    try:
        yield folder, live
    finally:
        live.close()
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(source: Path, archive: zipfile.ZipFile, manifest: BackupManifest, folder: Path) -> None:
    make_private_folder(folder)
    for one in manifest.files:
        path = folder / one.name
        make_private_folder(path.parent)
        with archive.open(one.name) as file, open(path, "xb", opener=private_opener) as out:
            _compare(source, one, _copied(file, out, one.size))
            out.flush()
            os.fsync(out.fileno())


def _adopt(folder: Path, manifest: BackupManifest, data_dir: Path, source: Path) -> None:
    """Adapt the unpacked files to `data_dir`: migrate the database, and move paths below the data folder."""
    old, new = (str(Path(one) / _VIDEOS) + os.sep for one in (manifest.data_dir, data_dir))
    try:
        database.adopt_store(folder / DATABASE, {old: new} if old != new else {})
    except sqlite3.DatabaseError as error:
        raise InputError("backup_damaged", path=shown_path(source), reason=str(error)) from error
    for path in (folder / _VIDEOS).glob("*.json"):
        if (record := read_json(path)) and record.get("origin") == "upload":
            moved = data_dir / _VIDEOS / path.stem / Path(record["path"]).name
            write_json(path, {**record, "path": str(moved)})


def _put_in_place(scratch: Path, live: ProcessLock, manifest: BackupManifest, data_dir: Path) -> Path:
    """Swap the entries of a data folder for those in `scratch`; return the folder with the old entries."""
    names = {Path(one.name).parts[0] for one in manifest.files}
    replaced = {*_RECORDS, *_FOLDERS, *([_VIDEOS] if manifest.videos else [])}
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    with opening(data_dir, 0):
        _check_unused(data_dir)
        aside = next(
            path for n in range(1000) if not (path := data_dir / f"before-restore-{now}{f'-{n}' if n else ''}").exists()
        )
        there = {path.name for path in data_dir.glob(f"{DATABASE}*")} | {
            one for one in replaced if (data_dir / one).exists()
        }
        write_json(scratch / "plan.json", {"aside": aside.name, "old": sorted(there), "new": sorted(names)})
        for folder, _, _ in os.walk(scratch):
            sync_folder(Path(folder))
        live.close()  # Windows renames no folder in which a file is open
        scratch.rename(data_dir / RESTORING)
        swap_in(data_dir)
    return aside


def _check_unused(data_dir: Path) -> None:
    if has_live_process(data_dir / "running") or database.is_in_use(data_dir / DATABASE):
        raise InputError("restore_in_use", folder=str(data_dir))


@contextmanager
def _opened(source: Path) -> Iterator[tuple[zipfile.ZipFile, BackupManifest]]:
    """Open a backup and read its manifest; turn errors of reading it into AppErrors."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(source))
            manifest = _manifest(source, archive)
            yield archive, manifest
        except (zipfile.BadZipFile, EOFError) as error:
            raise InputError("backup_damaged", path=shown_path(source), reason=str(error)) from error
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise InputError("backup_unreadable", path=shown_path(source), reason=reason_of(error)) from error


def _manifest(source: Path, archive: zipfile.ZipFile) -> BackupManifest:
    entries = {one.filename: one for one in archive.infolist()}
    is_plain = all(one.compress_type == zipfile.ZIP_STORED and not one.flag_bits & 1 for one in entries.values())
    if _MANIFEST not in entries or not is_plain or entries[_MANIFEST].file_size > _MOST_MANIFEST_BYTES:
        raise zipfile.BadZipFile(_MANIFEST)
    try:
        record = json.loads(archive.read(_MANIFEST))
        newest, form = (int(record[name]) for name in ("schema", "form"))
        if newest > len(MIGRATIONS) or form > _FORMAT:
            raise InputError("backup_newer", path=shown_path(source), version=str(record["framelens"]))
        manifest: BackupManifest = from_builtins(record, BackupManifest)
    except (ValueError, TypeError, KeyError) as error:
        raise zipfile.BadZipFile(_MANIFEST) from error
    names = [one.name for one in manifest.files]
    if (
        len(set(names)) != len(names)
        or not {DATABASE} <= set(names) <= set(entries)
        or not all(map(_is_allowed, names))
    ):
        raise zipfile.BadZipFile(_MANIFEST)
    return manifest


def _is_allowed(name: str) -> bool:
    parts = name.split("/")
    is_plain = name.isprintable() and not {".", ".."} & set(parts) and (os.name != "nt" or ":" not in name)
    return is_plain and bool(_NAME.fullmatch(name)) and max(map(len, map(str.encode, parts))) <= _MOST_NAME_BYTES


def _compare(source: Path, file: BackupFile, found: tuple[int, str]) -> None:
    if found != (file.size, file.sha256):
        raise InputError("backup_damaged", path=shown_path(source), reason=file.name)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + KEPT_FREE_BYTES > free:
        sizes = {"needed": human_size(needed + KEPT_FREE_BYTES), "free": human_size(free)}
        raise StorageError("backup_no_room", folder=str(folder), **sizes)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
