"""Backups of a data folder: a ZIP file with a copy of the database and the files that belong to it.

A backup has the user's work: analyses, conversations, accounts, batches, templates, the chosen model, measurements,
and videos. It has no caches (surveys, stored answers), logs, unfinished uploads, sessions or keys of engines. It isn't
compressed, as videos and pictures don't get smaller.

A restore fills an empty data folder. It replaces or merges nothing: to go back, move the present folder away first.
"""

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
from pathlib import Path

from framelens.core import own_version
from framelens.core.codec import from_builtins
from framelens.core.errors import ConfigError, InputError, StorageError
from framelens.core.files import make_private_folder, private_opener, reason_of, shown_path
from framelens.core.redaction import is_secret
from framelens.core.units import human_size
from framelens.store import database
from framelens.store.audit import AuditLog
from framelens.store.database import DATABASE
from framelens.store.fs_utils import KEPT_FREE_BYTES, disk_errors, own_secret, read_json, sync_folder, write_json
from framelens.store.schema import VERSION

_MANIFEST = "manifest.json"
_FOLDERS = {"templates": "*.toml", "models": "*.toml"}
_VIDEOS = "videos"
_CHOSEN_MODEL = "model.json"
_OWN = (DATABASE, _CHOSEN_MODEL, *_FOLDERS, _VIDEOS)
"""What a backup fills in a data folder, the database first."""
_NAME = re.compile(
    rf"{re.escape(DATABASE)}|{re.escape(_CHOSEN_MODEL)}|{_MANIFEST}|({'|'.join(_FOLDERS)})/[^/\\]+\.toml"
    r"|videos/secret|videos/[A-Za-z0-9_-]{16,64}\.json|videos/[A-Za-z0-9_-]{16,64}/[^/\\:]+"
)
"""Names of the entries of a backup. No other file is written to a backup or at a restore. No name has a colon, which
begins a hidden part of a file on Windows, except names that users have given to their files."""
_MOST_NAME_BYTES = 255
"""Longest name of a file in most file systems."""
_UNFINISHED = "backup-part"
"""End of the name of a backup until it is whole."""
_UNPACKED = "restoring-"
"""Beginning of the name of the folder into which a backup is unpacked."""


@dataclass(frozen=True)
class BackupManifest:
    """Description of a backup, stored in it.

    Attributes:
        framelens: Version of FrameLens that wrote it.
        schema: Version of its database.
        created: ISO time in UTC.
        data_dir: The data folder that it was made of.
        videos: Whether it has the uploaded videos.
        num_files: Number of its files.
        size_bytes: Size of its files.
    """

    framelens: str
    schema: int
    created: str
    data_dir: str
    videos: bool
    num_files: int
    size_bytes: int


def backup_bytes(data_dir: Path, *, videos: bool) -> int:
    """Return how large a backup will be, about.

    Raises:
        StorageError: The data folder or its database can't be read.
    """
    with database.store_errors(data_dir / DATABASE, data_dir), disk_errors(data_dir):
        files = (path for _, path in _files(data_dir, videos) if isinstance(path, Path))
        return database.used_bytes(data_dir / DATABASE) + sum(path.stat().st_size for path in files if path.is_file())


def write_backup(data_dir: Path, target: Path, *, videos: bool) -> BackupManifest:
    """Write a backup of a data folder that may be in use, whole or not at all, for its owner alone to read.

    An existing file is replaced when the backup is whole. The database is copied as a snapshot, then the files.

    Raises:
        ConfigError: "backup_nothing": there is no data.
        StorageError: "backup_no_room", "store_newer", "store_unreleased", or the disk refuses.
    """
    if not (data_dir / DATABASE).exists():
        raise ConfigError("backup_nothing", folder=str(data_dir))
    scratch = target.with_name(f".{secrets.token_hex(6)}.{_UNFINISHED}")  # a longer name might not fit
    copy = scratch.with_name(f"{scratch.name}.sqlite")
    try:
        with database.store_errors(data_dir / DATABASE, target.parent), disk_errors(target.parent):
            make_private_folder(target.parent)
            # The copy of the database exists twice for a moment: beside the backup and in it.
            needed = backup_bytes(data_dir, videos=videos) + database.used_bytes(data_dir / DATABASE)
            _check_room(target.parent, needed)
            database.copy_store(data_dir / DATABASE, copy)
            with open(scratch, "xb", opener=private_opener) as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
                    archive.write(copy, DATABASE)
                    for name, content in _files(data_dir, videos):
                        _add(archive, name, content)
                    manifest = _new_manifest(archive, data_dir, videos)
                    archive.writestr(_MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(target)
            sync_folder(target.parent)
    finally:
        with suppress(OSError):
            for leftover in (scratch, copy, copy.with_name(f"{copy.name}-journal")):
                leftover.unlink(missing_ok=True)
    return manifest


def _files(data_dir: Path, videos: bool) -> Iterator[tuple[str, Path | bytes]]:
    """Yield the names and the paths or bytes of a backup's files except the database, videos before their records."""
    if record := read_json(data_dir / _CHOSEN_MODEL):
        yield _CHOSEN_MODEL, json.dumps({key: value for key, value in record.items() if not is_secret(key)}).encode()
    for folder, pattern in _FOLDERS.items():
        files = ((f"{folder}/{path.name}", path) for path in sorted((data_dir / folder).glob(pattern)))
        yield from (entry for entry in files if _is_allowed(entry[0]))  # another name would make the backup unreadable
    if not videos or not (data_dir / _VIDEOS).is_dir():
        return
    yield f"{_VIDEOS}/secret", own_secret(data_dir / _VIDEOS / "secret")
    for path in sorted((data_dir / _VIDEOS).glob("*.json")):
        record = read_json(path)
        file = path.with_suffix("") / Path(record["path"]).name if record else path
        if record and record.get("origin") == "upload" and file.is_file():
            yield f"{_VIDEOS}/{path.stem}/{file.name}", file
        if record and (record.get("origin") != "upload" or file.is_file()):  # else it was deleted meanwhile
            yield f"{_VIDEOS}/{path.name}", json.dumps(record).encode()


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> None:
    if isinstance(content, bytes):
        archive.writestr(name, content)
        return
    with suppress(FileNotFoundError):  # deleted meanwhile
        archive.write(content, name)


def _new_manifest(archive: zipfile.ZipFile, data_dir: Path, videos: bool) -> BackupManifest:
    created, entries = datetime.now(UTC).isoformat(timespec="seconds"), archive.infolist()
    size = sum(entry.file_size for entry in entries)
    return BackupManifest(own_version(), VERSION, created, str(data_dir), videos, len(entries), size)


def check_backup(source: Path) -> BackupManifest:
    """Read all of a backup, compare it with its checksums, and return its manifest.

    Raises:
        InputError: It is damaged, no backup, or of a newer version.
    """
    with _open_backup(source) as (archive, manifest):
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(damaged)
    return manifest


def restore_backup(source: Path, data_dir: Path) -> BackupManifest:
    """Fill an empty data folder with the contents of a backup, and note it in the audit log.

    The backup is unpacked, checked and adapted in a folder of its own there, and moved into place at the end, the
    database last. A restore that is killed before that leaves this folder alone, which the next restore removes.

    Raises:
        InputError: As `check_backup`, or "restore_not_empty".
        StorageError: "backup_no_room", or the disk refuses.
    """
    with _open_backup(source) as (archive, manifest), disk_errors(data_dir):
        if existing := [name for name in _OWN if (data_dir / name).exists()]:
            raise InputError("restore_not_empty", folder=str(data_dir), files=", ".join(existing))
        make_private_folder(data_dir)
        for leftover in data_dir.glob(f"{_UNPACKED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        _check_room(data_dir, manifest.size_bytes)
        scratch = data_dir / f"{_UNPACKED}{secrets.token_hex(4)}"
        try:
            _unpack(archive, scratch)
            _adopt(scratch, manifest, data_dir, source)
            for name in (entry for entry in reversed(_OWN) if (scratch / entry).exists()):
                (scratch / name).rename(data_dir / name)
            sync_folder(data_dir)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    for entry in archive.infolist():
        if entry.filename != _MANIFEST:
            path = folder / entry.filename
            make_private_folder(path.parent)
            with archive.open(entry) as file, open(path, "xb", opener=private_opener) as out:
                shutil.copyfileobj(file, out)
                out.flush()
                os.fsync(out.fileno())


def _adopt(folder: Path, manifest: BackupManifest, data_dir: Path, source: Path) -> None:
    """Move paths below the old data folder to the present folder, and note the restore in the audit log."""
    old, new = (str(Path(root) / _VIDEOS) + os.sep for root in (manifest.data_dir, data_dir))
    try:
        database.adopt_store(folder / DATABASE, {old: new} if old != new else {})
    except sqlite3.DatabaseError as error:
        raise InputError("backup_damaged", path=shown_path(source), reason=str(error)) from error
    for path in (folder / _VIDEOS).glob("*.json"):
        if (record := read_json(path)) and record.get("origin") == "upload":
            moved = data_dir / _VIDEOS / path.stem / Path(record["path"]).name
            write_json(path, {**record, "path": str(moved)})
    with closing(database.Store(folder / DATABASE)) as store:
        AuditLog(store).record("restore", object_name=source.name)
    for path in folder.glob("framelens.*"):  # the reserve and the lock of that store
        if path.name != DATABASE:
            path.unlink()


@contextmanager
def _open_backup(source: Path) -> Iterator[tuple[zipfile.ZipFile, BackupManifest]]:
    """Open a backup and read its manifest; turn errors of reading it into AppErrors."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(source))
            yield archive, _manifest(source, archive)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError("backup_damaged", path=shown_path(source), reason=str(error)) from error
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise InputError("backup_unreadable", path=shown_path(source), reason=reason_of(error)) from error


def _manifest(source: Path, archive: zipfile.ZipFile) -> BackupManifest:
    names = archive.namelist()
    if not {DATABASE, _MANIFEST} <= set(names) or len(set(names)) != len(names) or not all(map(_is_allowed, names)):
        raise zipfile.BadZipFile(_MANIFEST)
    try:
        record = json.loads(archive.read(_MANIFEST))
        if record["schema"] > VERSION:
            raise InputError("backup_newer", path=shown_path(source), version=str(record["framelens"]))
        manifest: BackupManifest = from_builtins(record, BackupManifest)
    except (ValueError, TypeError, KeyError) as error:
        raise zipfile.BadZipFile(_MANIFEST) from error
    size = sum(entry.file_size for entry in archive.infolist() if entry.filename != _MANIFEST)
    if (len(names) - 1, size) != (manifest.num_files, manifest.size_bytes):
        raise zipfile.BadZipFile(_MANIFEST)
    return manifest


def _is_allowed(name: str) -> bool:
    parts = name.split("/")
    is_plain = name.isprintable() and not {".", ".."} & set(parts) and (os.name != "nt" or ":" not in name)
    return is_plain and bool(_NAME.fullmatch(name)) and max(map(len, map(str.encode, parts))) <= _MOST_NAME_BYTES


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + KEPT_FREE_BYTES > free:
        sizes = {"needed": human_size(needed + KEPT_FREE_BYTES), "free": human_size(free)}
        raise StorageError("backup_no_room", folder=str(folder), **sizes)
