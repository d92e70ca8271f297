"""A backup is whole and free of secrets that it needn't have; a restore fills an empty folder or does nothing."""

import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framelens.core.errors import AppError, ConfigError, InputError, StorageError
from framelens.store import backup, database
from framelens.store.backup import check_backup, restore_backup, write_backup
from framelens.store.database import Row, Store
from framelens.store.users import Users
from framelens.store.videos.video_repository import VideoRepository
from tests.users import ADA, add_users

SECRETS = ("hash-of-a-session", "sk-key-of-an-engine", "words of a deleted analysis")


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
    add_users(store, ADA)
    store.save(Row("gone", "2026-01-01", SECRETS[2], "done", "", "{}"))
    with store.changing() as connection:
        connection.execute("INSERT INTO sessions VALUES (?, ?, 1, 1)", (SECRETS[0], ADA.id))
        connection.execute("DELETE FROM jobs WHERE id = 'gone'")
    store.close()
    for name in ("templates/mine.toml", "models/mine.toml", "surveys/x.survey"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("{}")
    chosen = {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1", "FRAMELENS_API_KEY": SECRETS[1]}
    (data / "model.json").write_text(json.dumps(chosen))
    (data / "answers.sqlite").write_text("a cache")
    return videos


@pytest.fixture
def data(tmp_path: Path) -> Path:
    fill(tmp_path / "data")
    return tmp_path / "data"


def ids_of_jobs(data: Path) -> list[str]:
    with closing(Store(data / "framelens.sqlite")) as store:
        return sorted(row.id for row in store.recent(9))


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
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist()) - {"manifest.json"}
    ids = sorted(path.stem for path in (data / "videos").glob("*.json"))
    expected = {"framelens.sqlite", "model.json", "templates/mine.toml", "models/mine.toml", "videos/secret"}
    expected |= {f"videos/{one}.json" for one in ids}
    assert names == expected | {f"videos/{path.parent.name}/{path.name}" for path in (data / "videos").glob("*/*.mp4")}
    assert check_backup(target) == manifest
    whole = target.read_bytes()
    assert [one for one in SECRETS if one.encode() in whole] == []
    assert target.stat().st_mode & 0o777 == 0o600 and [path.name for path in target.parent.iterdir()] == ["one.zip"]
    kept = json.loads(zipfile.ZipFile(target).read("model.json"))
    assert kept == {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"}


@pytest.mark.slow
def test_restore_elsewhere_moves_paths_along(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    other = tmp_path / 'other "place" 文'
    restore_backup(tmp_path / "b.zip", other)
    videos = VideoRepository(other, (), other / "none.mp4")
    store = Store(other / "framelens.sqlite")
    for row in store.recent(9):
        path = Path(json.loads(row.document)["request"]["path"])
        assert path.is_relative_to(other) and path.read_bytes().startswith(b"film 00")
        assert videos.path(str(videos.find(path))) == path
    assert len(store.recent(9)) == 2 and Users(store).all() == [ADA]
    assert not store.select("SELECT 1 FROM sessions")
    store.close()
    assert not list(other.glob("restoring*"))
    assert {oct(path.stat().st_mode & 0o077) for path in other.rglob("*") if path.suffix != ".lock"} == {"0o0"}


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[:-100],
    "half": lambda data: data[: len(data) // 2],
    "a byte": lambda data: data.replace(b"film 001", b"Film 001"),
    "no backup": lambda data: b"PK" * 5000,
    "empty": lambda data: b"",
}
ENTRIES: dict[str, Callable[[str, bytes], bytes | None]] = {
    "another file": lambda name, data: b"longer" * 99 if name == "templates/mine.toml" else data,
    "a file less": lambda name, data: None if name == "templates/mine.toml" else data,
    "no manifest": lambda name, data: None if name == "manifest.json" else data,
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "other number": {"num_files": 1},
    "other kind": {"size_bytes": "all"},
    "other version": {"schema": "new"},
}


def broken_backup(damage: str, source: Path, target: Path) -> Path:
    if damage in BYTES:
        return _written(target, BYTES[damage](source.read_bytes()))
    if damage in ENTRIES:
        return changed(source, target, ENTRIES[damage])
    return with_manifest(source, target, lambda one: one.update(MANIFESTS[damage]))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", [*BYTES, *ENTRIES, *MANIFESTS])
def test_damaged_backup_changes_nothing(damage: str, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    broken = broken_backup(damage, tmp_path / "b.zip", tmp_path / "broken.zip")
    for attempt in (lambda: check_backup(broken), lambda: restore_backup(broken, tmp_path / "other")):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.key == "backup_damaged"
    assert files_of(tmp_path / "other") == {}


def test_damaged_database_in_a_backup_is_refused(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    broken = changed(
        tmp_path / "b.zip", tmp_path / "1.zip", lambda name, one: b"x" * len(one) if "sqlite" in name else one
    )
    with pytest.raises(InputError) as caught:
        restore_backup(broken, tmp_path / "other")
    assert caught.value.key == "backup_damaged" and files_of(tmp_path / "other") == {}


def test_backup_of_a_newer_version_is_refused(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    newer = with_manifest(tmp_path / "b.zip", tmp_path / "n.zip", lambda one: one.update(schema=99, more=1))
    with pytest.raises(InputError) as caught:
        restore_backup(newer, tmp_path / "other")
    assert caught.value.key == "backup_newer" and not (tmp_path / "other").exists()


def test_a_folder_with_data_is_not_restored_into(data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)
    before = files_of(data)
    with pytest.raises(InputError) as caught:
        restore_backup(tmp_path / "b.zip", data)
    assert caught.value.key == "restore_not_empty" and "videos" in str(caught.value.values["files"])
    assert files_of(data) == before
    data.rename(tmp_path / "earlier")
    restore_backup(tmp_path / "b.zip", data)
    assert ids_of_jobs(data) == ids_of_jobs(tmp_path / "earlier") == ["job0", "job1"]


def test_a_backup_without_videos_has_the_reports(data: Path, tmp_path: Path) -> None:
    assert not write_backup(data, tmp_path / "b.zip", videos=False).videos
    restore_backup(tmp_path / "b.zip", tmp_path / "other")
    assert ids_of_jobs(tmp_path / "other") == ["job0", "job1"] and not (tmp_path / "other" / "videos").exists()


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
            lambda: restore_backup(tmp_path / "fits.zip", tmp_path / "other"),
        ):
            with pytest.raises(StorageError) as refused:
                attempt()
            assert refused.value.key == "backup_no_room"
    with monkeypatch.context() as patch, pytest.raises(AppError):
        patch.setattr(backup, "_add", _full)
        write_backup(data, target, videos=True)
    assert [path.name for path in target.parent.iterdir()] == ["b.zip"] and target.read_text() == "mine"


def _full(*_: object) -> Iterator[None]:
    raise OSError(28, os.strerror(28))


def test_video_deleted_meanwhile_is_left_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add, names = backup._add, list[str]()

    def slowly(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> None:
        if not names:  # while the first file is added
            first = sorted((data / "videos").glob("*.json"))[0]
            for path in first.with_suffix("").iterdir():
                path.unlink()
        names.append(name)
        add(archive, name, content)

    monkeypatch.setattr(backup, "_add", slowly)
    write_backup(data, tmp_path / "b.zip", videos=True)
    assert sum(name.endswith(".mp4") for name in names) == 1
    assert sum(name.startswith("videos/") and name.endswith(".json") for name in names) == 1
    check_backup(tmp_path / "b.zip")


def test_writing_goes_on_during_a_backup(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(data / "framelens.sqlite")
    add = backup._add

    def meanwhile(*given: Any) -> None:
        store.save(Row("meanwhile", "2026-01-01", "meanwhile", "done", "", "{}"))
        add(*given)

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_add", meanwhile)
        write_backup(data, tmp_path / "b.zip", videos=True)
    store.close()
    restore_backup(tmp_path / "b.zip", tmp_path / "other")
    assert ids_of_jobs(tmp_path / "other") == ["job0", "job1"]


def test_no_store_is_made_by_a_backup_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_backup(tmp_path / "none", tmp_path / "b.zip", videos=True)
    assert caught.value.key == "backup_nothing" and list(tmp_path.iterdir()) == []


def test_copy_is_in_one_file_of_its_owner(data: Path, tmp_path: Path) -> None:
    database.copy_store(data / "framelens.sqlite", tmp_path / "copy.sqlite")
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite"]
    assert (tmp_path / "copy.sqlite").stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        *("models/../evil.toml", "models/a\u202eb.toml", "templates/../../evil.toml", "/etc/evil.toml", "C:/evil.json"),
        *("videos/AAAAAAAAAAAAAAAA/C:evil.mp4", f"templates/{'a' * 300}.toml", "videos/evil.json", "evil.json"),
    ],
)
def test_entry_with_an_odd_name_makes_a_backup_damaged(name: str, data: Path, tmp_path: Path) -> None:
    write_backup(data, tmp_path / "b.zip", videos=True)

    def add(manifest: dict[str, Any]) -> None:
        manifest.update(num_files=manifest["num_files"] + 1, size_bytes=manifest["size_bytes"] + 2)

    odd = with_manifest(tmp_path / "b.zip", tmp_path / "odd.zip", add)
    with zipfile.ZipFile(odd, "a") as archive:
        archive.writestr(name, b"{}")
    with pytest.raises(InputError) as caught:
        restore_backup(odd, tmp_path / "other")
    assert caught.value.key == "backup_damaged" and not (tmp_path / "other").exists()


def test_file_with_an_odd_name_is_left_out_of_backups(data: Path, tmp_path: Path) -> None:
    for name in ("templates/a\u202eb.toml", "models/\u200f.toml"):
        (data / name).write_text("{}")
    manifest = write_backup(data, tmp_path / "b.zip", videos=True)
    assert check_backup(tmp_path / "b.zip") == manifest
