"""What the store promises to programs that use it at the same time, and when the disk refuses."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from framelens.core.errors import StorageError
from framelens.core.roles import User, as_user
from framelens.store import database as store_module
from framelens.store.database import Row, Store, reading_record
from framelens.store.locks import ProcessLock
from framelens.store.schema import VERSION

REPOSITORY = Path(__file__).resolve().parents[2]
ROW = Row("job", "2026-01-01", "clip.mp4", "paused", "me", "{}")
OPENING = """
import sys
from pathlib import Path
from framelens.store.locks import ProcessLock
from framelens.store.database import Row, Store, reading_record
folder, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
owner = ProcessLock(folder / "running")
store = Store(folder / "framelens.sqlite")
store.save(Row(name, "2026-01-01", name, "done", owner.name, "{}"))
print("is there" if owner.is_alive(owner.name) else "", flush=True)
sys.stdin.readline()
"""


@pytest.mark.slow
def test_simultaneous_starts_on_new_folder_all_work(tmp_path: Path) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING, str(tmp_path), str(number)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    try:
        pipes = [(program.stdin, program.stdout) for program in programs]
        for _, reported in pipes:
            assert reported and reported.readline() == "ready\n"
        for words, _ in pipes:
            assert words
            words.write("\n")
            words.flush()
        for _, reported in pipes:
            assert reported and reported.readline() == "is there\n"
        assert len(list((tmp_path / "running").glob("*.lock"))) == len(programs)
        watcher = ProcessLock(tmp_path / "running")
        store = Store(tmp_path / "framelens.sqlite")
        assert all(watcher.is_alive(row.owner) for row in store.recent(9))
        programs[0].kill()
        programs[0].wait()
        assert sorted(row.id for row in store.recent(9) if watcher.is_alive(row.owner)) == ["1", "2", "3"]
        store.close()
        watcher.close()
    finally:
        for program in programs:
            program.kill()
            program.communicate()


def test_only_one_takes_over_what_another_left(store: Store) -> None:
    store.save(ROW)
    store.request_control("job", "cancel")
    assert store.take_over(ROW, "first", "queued")
    assert not store.take_over(ROW, "second", "queued")
    assert store.take_control_requests("first") == {}  # it was meant for the previous owner
    row = store.get("job")
    assert row
    assert (row.owner, row.state) == ("first", "queued")


def test_full_disk_stores_all_pictures_or_none(store: Store) -> None:
    store.save(ROW)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError) as caught:
        store.save_frames("job", ((number, bytes(9000)) for number in range(1, 9)))
    assert "full" in str(caught.value.values["reason"])
    assert store.frames("job") == {}
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.save_frames("job", ((number, bytes(9000)) for number in range(1, 9)))
    assert len(store.frames("job")) == 8


def test_locked_store_fails_in_time_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE_SECONDS", 0.05)
    store = Store(tmp_path / "framelens.sqlite")
    store.save(ROW)
    other = sqlite3.connect(tmp_path / "framelens.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for refused in (lambda: store.save(ROW), lambda: store.save_frames("job", [(1, b"x")])):
        with pytest.raises(StorageError) as caught:
            refused()
        assert caught.value.values["path"] == str(tmp_path / "framelens.sqlite")
    assert store.get("job") == ROW  # what is stored can be read meanwhile
    other.execute("COMMIT")
    store.save_frames("job", [(1, b"x")])
    assert store.frames("job") == {1: b"x"}
    other.close()
    store.close()


def test_only_writes_of_other_programs_are_noticed(tmp_path: Path, store: Store) -> None:
    store.save(ROW)
    before = store.stamp()
    store.save(ROW)
    assert store.stamp() == before
    other = Store(tmp_path / "framelens.sqlite")
    other.save(ROW)
    other.close()
    assert store.stamp() != before


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        Store(tmp_path / "file" / "framelens.sqlite")
    assert caught.value.key == "store_refused"
    (tmp_path / "damaged.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError):
        Store(tmp_path / "damaged.sqlite")


@pytest.mark.parametrize(
    ("version", "application", "key"), [(16, 0, "store_unreleased"), (VERSION + 1, None, "store_newer")]
)
def test_a_store_of_another_version_is_unchanged(
    version: int, application: int | None, key: str, tmp_path: Path
) -> None:
    path = tmp_path / "framelens.sqlite"
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
        if application is not None:
            connection.execute(f"PRAGMA application_id = {application}")
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        Store(path)
    assert caught.value.key == key and path.read_bytes() == before


def test_what_belongs_to_nobody_is_for_administrators(store: Store) -> None:
    store.save(ROW)
    for role, count in (("viewer", 0), ("analyst", 0), ("administrator", 1)):
        with as_user(User("u1", "ann", role)):  # type: ignore[arg-type]
            assert len(store.recent(9)) == count and bool(store.get(ROW.id)) == bool(count)


def test_a_full_disk_has_room_for_deleting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "framelens.sqlite").close()
    reserve = tmp_path / "framelens.reserve"
    assert reserve.stat().st_size >= 1 << 20
    store = Store(tmp_path / "framelens.sqlite")
    with store.changing(frees=True):
        assert reserve.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with store.changing(frees=True):
        assert not reserve.exists()
    store.close()
    Store(tmp_path / "framelens.sqlite").close()
    assert not reserve.exists()
    monkeypatch.undo()
    Store(tmp_path / "framelens.sqlite").close()
    assert reserve.exists()


def test_a_store_that_was_taken_away_is_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "data" / "framelens.sqlite")
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(StorageError) as caught:
        store.recent(1)
    assert caught.value.key == "store_gone"
    Store(tmp_path / "data" / "framelens.sqlite").close()
    with pytest.raises(StorageError) as caught:
        store.recent(1)
    assert caught.value.key == "store_gone"


def test_full_disk_differs_from_other_errors(tmp_path: Path) -> None:
    store = Store(tmp_path / "framelens.sqlite")
    with store.changing() as connection:
        connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageError) as caught, store.changing() as connection:
        connection.execute("CREATE TABLE large AS SELECT zeroblob(100000) AS bytes")
    assert caught.value.key == "disk_full_now"
    with pytest.raises(StorageError) as caught:
        store.select("SELECT * FROM nothing")
    assert caught.value.key == "store_refused"


def test_damaged_names_and_records_are_storage_errors(tmp_path: Path) -> None:
    # A damaged name in the store is a storage error: SQLite repeats it in its message, which is no text then.
    Store(tmp_path / "framelens.sqlite").close()
    data = (tmp_path / "framelens.sqlite").read_bytes()
    assert b"CREATE TABLE jobs" in data
    (tmp_path / "damaged.sqlite").write_bytes(data.replace(b"CREATE TABLE jobs", b"CREATE TABLE (\xff\xff)"[:17]))
    with pytest.raises(StorageError, match="store_refused"):
        Store(tmp_path / "damaged.sqlite")
    # A damaged record is a storage error.
    for error in (json.JSONDecodeError("x", "{", 0), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), KeyError("id")):
        with pytest.raises(StorageError, match="record_damaged"), reading_record("job"):
            raise error
