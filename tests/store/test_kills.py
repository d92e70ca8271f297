"""Backup, restore and migration, killed at each of their steps: all of it is there afterwards, or what was before."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from framelens.store.audit import AuditLog
from framelens.store.backup import check_backup, write_backup
from framelens.store.database import Row, Store
from framelens.store.migrations import MIGRATIONS
from framelens.store.videos.video_repository import VideoRepository
from tests.killing import killed_at_each_step
from tests.store.test_backup import files_of, fill
from tests.store.test_migrations import lost, rows_of, write_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL"),
]
_IMPORTS = """
from pathlib import Path
from framelens.store.backup import restore_backup, write_backup
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
"""


def start(data: Path) -> None:
    """What the app does first with a data folder, days later."""
    for path in data.rglob("*"):
        if path.is_file() and ".new" in path.name:
            os.utime(path, (0, 0))
    Store(data / "framelens.sqlite").close()
    VideoRepository(data, (), data / "none.mp4")


def kept_in(data: Path) -> dict[str, bytes]:
    """The files of a data folder but those that SQLite makes while it is open."""
    return {name: found for name, found in files_of(data).items() if not name.endswith(("-wal", "-shm"))}


def leftovers(folders: Iterable[Path]) -> list[str]:
    """Names of what only a killed process leaves."""
    marks = (".new", "-journal", "-wal", "-shm", "backup-part", "restoring")
    return [path.name for folder in folders for path in folder.rglob("*") if any(one in path.name for one in marks)]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A folder with a data folder, a backup of it, and what was stored since."""
    folder = tmp_path / "template"
    data = folder / "data"
    fill(data)
    write_backup(data, folder / "b.zip", videos=True)
    with closing(Store(data / "framelens.sqlite")) as store:
        store.save(Row("later", "2026-02-01", "later", "done", "", "{}"))
    (data / "batches" / "later.json").write_text("{}")
    return folder


def test_killed_backup_is_whole_or_not_there(template: Path, tmp_path: Path) -> None:
    before = kept_in(template / "data")
    place, kills = tmp_path / "place", list[int]()
    act = "write_backup(Path(folder) / 'data', Path(folder) / 'out' / 'c.zip', videos=True)"
    for number in killed_at_each_step(_IMPORTS, act, template, place):
        kills.append(number)
        assert kept_in(place / "data") == before
        if (place / "out" / "c.zip").exists():
            check_backup(place / "out" / "c.zip")
        for left in (place / "out").glob("*backup-part*"):
            os.utime(left, (0, 0))
        write_backup(place / "data", place / "out" / "d.zip", videos=True)
        assert leftovers([place]) == [] and len(check_backup(place / "out" / "d.zip").files) > 8
    assert (place / "out" / "c.zip").exists() and len(kills) > 20


def test_killed_restore_is_whole_or_did_not_begin(template: Path, tmp_path: Path) -> None:
    before = {name: data for name, data in files_of(template / "data").items() if name != "framelens.reserve"}
    place, kills, restored = tmp_path / "place", 0, 0
    act = "restore_backup(Path(folder) / 'b.zip', Path(folder) / 'data')"
    for kills in killed_at_each_step(_IMPORTS, act, template, place):
        data = place / "data"
        start(data)
        jobs = {one["id"] for one in rows_of(data / "framelens.sqlite")["jobs"]}
        with closing(Store(data / "framelens.sqlite")) as store:
            noted = [one.action for one in AuditLog(store).entries(limit=9)]
        asides = list(data.glob("before-restore-*"))
        found = files_of(data)
        if asides:
            assert (jobs, noted, len(asides)) == ({"job0", "job1"}, ["restore"], 1), kills
            aside = files_of(asides[0])
            assert {one["id"] for one in rows_of(asides[0] / "framelens.sqlite")["jobs"]} == {"job0", "job1", "later"}
            kept = {one: aside.get(one, found.get(one)) for one in before if one != "framelens.sqlite"}
            assert kept == {one: data for one, data in before.items() if one != "framelens.sqlite"}
            assert "batches/later.json" not in found
            restored += 1
        else:
            assert (jobs, noted) == ({"job0", "job1", "later"}, []), kills
            assert {one: found.get(one) for one in before} == before, kills
        assert leftovers([place]) == [], kills
    assert restored > 5 and kills > 60


def test_killed_migration_is_whole_or_did_not_begin(tmp_path: Path) -> None:
    template, place = tmp_path / "template", tmp_path / "place"
    template.mkdir()
    before = write_store(template / "framelens.sqlite", 1)
    act, kills = "Store(Path(folder) / 'framelens.sqlite')", 0
    for kills in killed_at_each_step(_IMPORTS, act, template, place):
        path = place / "framelens.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        assert version in (1, len(MIGRATIONS))
        assert rows_of(path) == before if version == 1 else lost(before, rows_of(path)) == []
        start(place)
        assert lost(before, rows_of(path)) == []
        assert rows_of(place / "framelens.sqlite.v1") == before, kills
        assert leftovers([place]) == [], kills
    assert kills > 60


def test_killed_first_start_leaves_a_whole_secret(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    place = tmp_path / "place"
    act = "VideoRepository(Path(folder), (), Path(folder) / 'none.mp4')"
    for _ in killed_at_each_step(_IMPORTS, act, tmp_path / "template", place):
        start(place)
        assert len((place / "videos" / "secret").read_bytes()) == 32
        assert leftovers([place]) == []
