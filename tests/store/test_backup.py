"""A backup is whole, checked and free of secrets that it needn't have; a restore changes all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framelens.core.errors import AppError, ConfigError, InputError, StorageError
from framelens.store import backup, database
from framelens.store.accounts import AccountRow, AccountStore, SessionRow
from framelens.store.backup import check_backup, restore_backup, write_backup
from framelens.store.database import Row, Store
from framelens.store.locks import ProcessLock
from framelens.store.migrations import MIGRATIONS
from framelens.store.videos.video_repository import VideoRepository
from tests.store.test_migrations import lost, rows_of, write_store

SECRETS = ("secret-of-cookies", "hash-of-a-session", "sk-key-of-an-engine", "words of a deleted analysis")


def fill(data: Path, *, count: int = 2) -> VideoRepository:
    """Let a data folder have some of everything."""
    store = Store(data / "framelens.sqlite")
    videos = VideoRepository(data, (), data / "none.mp4")
    for n in range(count):
        upload = videos.create_upload(f"film {n}.mp4", 8)
        with videos.part(upload.id, 0) as part:
            part.write(b"film %03d" % n)
        path = videos.path(videos.finish(upload.id))
        document = json.dumps({"request": {"path": str(path)}}, ensure_ascii=False)
        store.save(Row(f"job{n}", "2026-01-01", f"film {n}.mp4", "done", "", document))
    videos.create_upload("unfinished.mp4", 8)
    accounts = AccountStore(store)
    accounts.add(AccountRow("u1", "ann", "administrator", "$argon2id$", "2026-01-01"))
    accounts.secret(SECRETS[0])
    accounts.add_session(SessionRow(SECRETS[1], "u1", 1.0, 1.0), created_after=0, used_after=0)
    store.save(Row("gone", "2026-01-01", SECRETS[3], "done", "", "{}"))
    with store.changing() as connection:
        connection.execute("DELETE FROM jobs WHERE id = 'gone'")
    store.close()
    for name in (
        "batches/abcdef.json",
        "templates/mine.toml",
        "models/mine.toml",
        "surveys/x.survey",
        "trials.json",
        "trusted_code.json",
    ):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("{}")
    chosen = {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1", "FRAMELENS_API_KEY": SECRETS[2]}
    (data / "model.json").write_text(json.dumps(chosen))
    (data / "answers.sqlite").write_text("a cache")
    return videos


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(tmp_path / "data")
    return tmp_path / "data"


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file that isn't a lock, with its bytes."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.endswith(".lock")}


def changed(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy a backup with other bytes in its files; None leaves a file out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return target


def with_manifest(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    def edited(name: str, data: bytes) -> bytes:
        if name != "manifest.json":
            return data
        manifest = json.loads(data)
        change(manifest)
        return json.dumps(manifest).encode()

    return changed(source, target, edited)


def test_backup_has_the_work_and_no_caches_or_secrets(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups" / "one.zip"
    manifest = write_backup(data, target, videos=True)
    names = [one.name for one in manifest.files]
    ids = sorted(path.stem for path in (data / "videos").glob("*.json"))
    expected = {"framelens.sqlite", "model.json", "trials.json", "batches/abcdef.json", "templates/mine.toml"}
    expected |= {"models/mine.toml", "trusted_code.json", "videos/secret"} | {f"videos/{one}.json" for one in ids}
    assert set(names) == expected | {
        f"videos/{path.parent.name}/{path.name}" for path in (data / "videos").glob("*/*.mp4")
    }
    assert check_backup(target) == manifest
    whole = target.read_bytes()
    assert [one for one in SECRETS if one.encode() in whole] == []
    assert target.stat().st_mode & 0o777 == 0o600 and [one.name for one in target.parent.iterdir()] == ["one.zip"]
    kept = json.loads(zipfile.ZipFile(target).read("model.json"))
    assert kept == {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"}


def test_backup_without_videos_keeps_those_that_are_there(data: Path, tmp_path: Path) -> None:
    manifest = write_backup(data, tmp_path / "b.zip", videos=False)
    assert not any(one.name.startswith("videos") for one in manifest.files)
    videos = files_of(data / "videos")
    restore_backup(tmp_path / "b.zip", data)
    assert files_of(data / "videos") == videos


@pytest.mark.slow
def test_restore_elsewhere_moves_paths_along(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    other = tmp_path / 'other "place" 文'
    _, aside = restore_backup(tmp_path / "b.zip", other)
    videos = VideoRepository(other, (), other / "none.mp4")
    store = Store(other / "framelens.sqlite")
    for row in store.recent(9):
        path = Path(json.loads(row.document)["request"]["path"])
        assert path.is_relative_to(other) and path.read_bytes().startswith(b"film 00")
        assert videos.path(str(videos.find(path))) == path
    assert len(store.recent(9)) == 2 and AccountStore(store).named("ann")
    assert not store.select("SELECT 1 FROM sessions") and not store.select("SELECT 1 FROM secrets")
    store.close()
    assert aside.parent == other and not list(other.glob("restoring*"))
    assert {oct(path.stat().st_mode & 0o077) for path in other.rglob("*") if path.suffix != ".lock"} == {"0o0"}


@pytest.mark.slow
def test_restore_keeps_the_present_data_aside(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    store = Store(data / "framelens.sqlite")
    store.save(Row("later", "2026-02-01", "later", "done", "", "{}"))
    store.close()
    (data / "batches" / "later.json").write_text("{}")
    before = files_of(data)
    _, aside = restore_backup(tmp_path / "b.zip", data)
    assert not (data / "batches" / "later.json").exists() and (data / "answers.sqlite").read_text() == "a cache"
    kept = files_of(aside)
    assert kept["batches/later.json"] == b"{}"
    assert {name: one for name, one in before.items() if name in kept and "sqlite" not in name} == {
        name: one for name, one in kept.items() if "sqlite" not in name
    }
    assert [one["id"] for one in rows_of(aside / "framelens.sqlite")["jobs"]] == ["job0", "job1", "later"]
    assert [one["id"] for one in rows_of(data / "framelens.sqlite")["jobs"]] == ["job0", "job1"]


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:-100],
    "half": lambda data: data[: len(data) // 2],
    "a byte": lambda data: data.replace(b"film 001", b"Film 001"),
    "no backup": lambda data: b"PK" * 5000,
    "empty": lambda data: b"",
}
ENTRIES: dict[str, Callable[[str, bytes], bytes | None]] = {
    "another file": lambda name, data: b"[]" if name == "trials.json" else data,
    "a file less": lambda name, data: None if name == "trials.json" else data,
    "no manifest": lambda name, data: None if name == "manifest.json" else data,
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "out of it": {"name": "batches/../../x.json"},
    "absolute": {"name": "/etc/x.json"},
    "other name": {"name": "running/x.lock"},
    "too long": {"size": 0},
    "other kind": {"size": "all"},
}


def broken_backup(damage: str, source: Path, target: Path) -> Path:
    if damage in BYTES:
        return _written(target, BYTES[damage](source.read_bytes()))
    if damage in ENTRIES:
        return changed(source, target, ENTRIES[damage])
    return with_manifest(source, target, lambda one: one["files"][1].update(MANIFESTS[damage]))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", [*BYTES, *ENTRIES, *MANIFESTS])
def test_damaged_backup_changes_nothing(damage: str, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    broken = broken_backup(damage, tmp_path / "b.zip", tmp_path / "broken.zip")
    before = files_of(data)
    for attempt in (lambda: check_backup(broken), lambda: restore_backup(broken, data)):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.key == "backup_damaged"
    assert files_of(data) == before


def test_damaged_database_in_a_backup_is_refused(data: Path, tmp_path: Path) -> None:
    def wrong(manifest: dict[str, Any]) -> None:
        (entry,) = (one for one in manifest["files"] if one["name"] == "framelens.sqlite")
        entry.update(size=4, sha256=hashlib.sha256(b"none").hexdigest())

    write_backup(data, tmp_path / "b.zip", videos=True)
    broken = changed(tmp_path / "b.zip", tmp_path / "1.zip", lambda name, one: b"none" if "sqlite" in name else one)
    broken = with_manifest(broken, tmp_path / "2.zip", wrong)
    before = files_of(data)
    with pytest.raises(InputError) as caught:
        restore_backup(broken, data)
    assert caught.value.key == "backup_damaged" and files_of(data) == before


@pytest.mark.parametrize("what", ["schema", "form"])
def test_backup_of_a_newer_version_is_refused(what: str, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    newer = with_manifest(tmp_path / "b.zip", tmp_path / "n.zip", lambda one: one.update({what: 99, "more": 1}))
    before = files_of(data)
    with pytest.raises(InputError) as caught:
        restore_backup(newer, data)
    assert caught.value.key == "backup_newer" and files_of(data) == before


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_backup_of_each_older_version_is_migrated(version: int, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / "framelens.sqlite"
    before = write_store(path, version)
    manifest = write_backup(tmp_path / "old", tmp_path / "b.zip", videos=True)
    assert manifest.schema == version and rows_of(path) == before, "the backup must not migrate"
    restore_backup(tmp_path / "b.zip", tmp_path / "new")
    after = rows_of(tmp_path / "new" / "framelens.sqlite")
    assert after["audit"].pop()["action"] == "restore"
    for name in ("sessions", "secrets"):
        assert not after[name] and before.pop(name, None) is not after
    assert lost(before, after) == []


def assert_in_use(data: Path, backup: Path) -> None:
    with pytest.raises(InputError) as caught:
        restore_backup(backup, data)
    assert caught.value.key == "restore_in_use"


def test_restore_is_refused_while_the_folder_is_open(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    store = Store(data / "framelens.sqlite")
    assert_in_use(data, tmp_path / "b.zip")
    store.save(Row("after", "2026-01-01", "after", "done", "", "{}"))  # the app isn't disturbed
    store.close()
    owner = ProcessLock(data / "running")
    assert_in_use(data, tmp_path / "b.zip")
    owner.close()
    restore_backup(tmp_path / "b.zip", data)


@pytest.mark.slow
def test_restore_is_refused_while_another_process_has_it(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    program = (
        "import sys; from framelens.store.database import Store; s = Store(__import__('pathlib').Path(sys.argv[1]));"
    )
    command = [sys.executable, "-c", f"{program} print('open', flush=True); input()", str(data / "framelens.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "open\n"
        assert_in_use(data, tmp_path / "b.zip")
        other.kill()
    restore_backup(tmp_path / "b.zip", data)


def test_damaged_store_can_be_replaced(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    (data / "framelens.sqlite").write_bytes(b"no database" * 1000)
    _, aside = restore_backup(tmp_path / "b.zip", data)
    assert (aside / "framelens.sqlite").read_bytes().startswith(b"no database")
    assert len(rows_of(data / "framelens.sqlite")["jobs"]) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from framelens.store.backup import restore_backup
rename, left = Path.rename, int(sys.argv[3])
def counted(self, target):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return rename(self, target)
Path.rename = counted
restore_backup(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
@pytest.mark.parametrize("renames", range(16))
def test_killed_restore_is_all_or_nothing(renames: int, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    store = Store(data / "framelens.sqlite")
    store.save(Row("later", "2026-02-01", "later", "done", "", "{}"))
    store.close()
    (data / "batches" / "later.json").write_text("{}")
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "b.zip", data, str(renames)], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = Store(data / "framelens.sqlite")  # what opens the folder next finishes it
    jobs = sorted(row.id for row in store.recent(9))
    store.close()
    has_later = (data / "batches" / "later.json").exists()
    asides = list(data.glob("before-restore-*"))
    assert (jobs, has_later, len(asides)) in (
        (["job0", "job1", "later"], True, 0),
        (["job0", "job1"], False, 1),
    )
    assert not (data / "restoring").exists() and len(list((data / "videos").glob("*/*.mp4"))) == 2
    for aside in asides:
        assert [one["id"] for one in rows_of(aside / "framelens.sqlite")["jobs"]] == ["job0", "job1", "later"]


def test_a_backup_that_fails_replaces_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "b" / "b.zip"
    target.parent.mkdir()
    target.write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(backup.shutil, "disk_usage", lambda _: SimpleNamespace(free=70 << 20))
        write_backup(data, tmp_path / "fits.zip", videos=True)
        patch.setattr(backup.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20))
        for attempt in (
            lambda: write_backup(data, target, videos=True),
            lambda: restore_backup(tmp_path / "fits.zip", data),
        ):
            with pytest.raises(StorageError) as refused:
                attempt()
            assert refused.value.key == "backup_no_room"
    with monkeypatch.context() as patch, pytest.raises(AppError):
        patch.setattr(backup, "_copied", _full)
        write_backup(data, target, videos=True)
    assert [one.name for one in target.parent.iterdir()] == ["b.zip"] and target.read_text() == "mine"


def _full(*_: object) -> Iterator[None]:
    raise OSError(28, os.strerror(28))


def test_video_deleted_meanwhile_is_left_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copies = backup._copied, list[object]()

    def slowly(*given: Any) -> tuple[int, str]:
        if not copies:  # while the database is copied
            first = sorted((data / "videos").glob("*.json"))[0]
            for path in first.with_suffix("").iterdir():
                path.unlink()
        copies.append(given)
        return copied(*given)

    monkeypatch.setattr(backup, "_copied", slowly)
    manifest = write_backup(data, tmp_path / "b.zip", videos=True)
    assert sum(one.name.endswith(".mp4") for one in manifest.files) == 1
    assert sum(one.name.startswith("videos/") and one.name.endswith(".json") for one in manifest.files) == 1
    check_backup(tmp_path / "b.zip")


def test_what_killed_backups_left_is_removed(data: Path, tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("mine.sqlite", "b.zip.1a2b3c4d.backup-part")]
    left = [tmp_path / f"older.zip.1a2b3c4d.backup-part{end}" for end in ("", ".sqlite", ".sqlite-journal")]
    for path in (*kept, *left):
        path.write_text("a")
    for path in (kept[0], *left):
        os.utime(path, (0, 0))
    write_backup(data, tmp_path / "b.zip", videos=True)
    assert all(path.exists() for path in kept) and not any(path.exists() for path in left)


def test_writing_goes_on_during_a_backup(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(data / "framelens.sqlite")
    copied = backup._copied

    def meanwhile(*given: Any) -> tuple[int, str]:
        store.save(Row("meanwhile", "2026-01-01", "meanwhile", "done", "", "{}"))
        return copied(*given)

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copied", meanwhile)
        write_backup(data, tmp_path / "b.zip", videos=True)
    store.close()
    restore_backup(tmp_path / "b.zip", tmp_path / "other")
    assert [one["id"] for one in rows_of(tmp_path / "other" / "framelens.sqlite")["jobs"]] == ["job0", "job1"]


def test_no_store_is_made_by_a_backup_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_backup(tmp_path / "none", tmp_path / "b.zip", videos=True)
    assert caught.value.key == "backup_nothing" and list(tmp_path.iterdir()) == []


def test_copy_is_in_one_file_of_its_owner(data: Path, tmp_path: Path) -> None:
    assert database.copy_store(data / "framelens.sqlite", tmp_path / "copy.sqlite") == len(MIGRATIONS)
    assert [one.name for one in tmp_path.glob("copy*")] == ["copy.sqlite"]
    assert (tmp_path / "copy.sqlite").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        *("batches/C:evil.json", "batches/ .json", "batches/a\u202eb.json", "batches/../evil.json", "C:/evil.json"),
        *("videos/AAAAAAAAAAAAAAAA/C:evil.mp4", f"templates/{'a' * 300}.toml", "videos/evil.json", "evil.json"),
    ],
)
def test_entry_with_an_odd_name_makes_a_backup_damaged(name: str, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)

    def add(manifest: dict[str, Any]) -> None:
        entry = {"name": name, "size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
        manifest["files"].append(entry)

    odd = with_manifest(tmp_path / "b.zip", tmp_path / "odd.zip", add)
    with zipfile.ZipFile(odd, "a") as archive:
        archive.writestr(name, b"{}")
    with pytest.raises(InputError) as caught:
        restore_backup(odd, tmp_path / "other")
    assert caught.value.key == "backup_damaged" and not (tmp_path / "other").exists()


def test_file_with_an_odd_name_is_left_out_of_backups(data: Path, tmp_path: Path) -> None:
    for name in ("templates/a\u202eb.toml", "batches/my copy.json"):
        (data / name).write_text("{}")
    manifest = write_backup(data, tmp_path / "b.zip", videos=True)
    assert check_backup(tmp_path / "b.zip") == manifest
