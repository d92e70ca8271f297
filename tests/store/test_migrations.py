"""A store of every earlier version opens with all that it has; a migration that is killed or full changes nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import StorageError
from framelens.store import database
from framelens.store.database import Store
from framelens.store.migrations import MIGRATIONS

VERSIONS = range(1, len(MIGRATIONS) + 1)


def write_store(path: Path, version: int) -> dict[str, list[dict[str, Any]]]:
    """Write a store of that version with two rows in every table, and return the rows by table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for script in MIGRATIONS[:version]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version = {version}")
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
            if not name.startswith("sqlite_")
        ]
        for table in tables:
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            for n in (1, 2):
                values = [_value(name, kind, n) for _, name, kind, *_ in columns]
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
        assert not connection.execute("PRAGMA foreign_key_check").fetchall()
    return rows_of(path)


def _value(column: str, kind: str, n: int) -> object:
    """A value of a column in row n; ids of the same kind agree in all tables."""
    if kind == "INTEGER":
        return n
    if kind == "REAL":
        return n + 0.5
    if kind == "BLOB":
        return b"\xff\xd8" + bytes([n])
    same = {"key_id", "job_id", "conversation_id", "webhook_id", "account_id", "batch_id"}
    return "{}" if column == "document" else f"{'id' if column in same else column}-{n}"


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [one[0] for one in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY rowid")]
            for name in names
            if not name.startswith("sqlite_")
        }


def lost(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What of the rows before isn't there after; a column may have been dropped, or moved to another table."""
    missing = []
    for table, rows in before.items():
        for old, new in zip(rows, after.get(table, []), strict=True):
            missing += [f"{table}.{name}" for name, value in old.items() if name in new and new[name] != value]
    return missing


@pytest.mark.parametrize("version", VERSIONS)
def test_store_of_each_version_keeps_every_row(version: int, tmp_path: Path) -> None:
    path = tmp_path / "framelens.sqlite"
    before = write_store(path, version)
    store = Store(path)
    assert [row.id for row in store.recent(9)] == ([] if "trash" in before else ["id-2", "id-1"])
    assert store.frames("id-1") == {1: b"\xff\xd8\x01"}
    store.close()
    after = rows_of(path)
    assert lost(before, after) == []
    if version >= 6:
        assert [(one["conversation_id"], one["job_id"]) for one in after["conversation_jobs"]][-2:] == [
            ("id-1", "id-1"),
            ("id-2", "id-2"),
        ]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert not connection.execute("PRAGMA foreign_key_check").fetchall()
    copies = list(tmp_path.glob("framelens.sqlite.v*"))
    assert [one.name for one in copies] == ([] if version == len(MIGRATIONS) else [f"framelens.sqlite.v{version}"])
    for copy in copies:
        assert rows_of(copy) == before


@pytest.mark.slow
def test_migrated_stores_have_the_newest_schema(tmp_path: Path) -> None:
    def schema(path: Path) -> list[tuple[str, str, set[str]]]:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
            columns = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for _, name in found}
            return sorted((kind, name, {one[1] for one in columns[name]}) for kind, name in found)

    Store(tmp_path / "new.sqlite").close()
    for version in VERSIONS:
        path = tmp_path / f"{version}.sqlite"
        write_store(path, version)
        Store(path).close()
        assert schema(path) == schema(tmp_path / "new.sqlite")


@pytest.mark.slow
def test_newer_store_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "framelens.sqlite"
    write_store(path, len(MIGRATIONS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        Store(path)
    assert caught.value.key == "store_newer" and caught.value.values["known"] == len(MIGRATIONS)
    assert path.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from framelens.store import database, migrations
statements, left = migrations._statements, int(sys.argv[2])
def counted(script):
    global left
    for one in statements(script):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        yield one
migrations._statements = counted
database.Store(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
@pytest.mark.parametrize("done", [1, 12, 30, 50])
def test_killed_migration_leaves_the_old_store(done: int, tmp_path: Path) -> None:
    path = tmp_path / "framelens.sqlite"
    before = write_store(path, 1)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), str(done)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    assert rows_of(path) == before
    assert rows_of(tmp_path / "framelens.sqlite.v1") == before
    Store(path).close()
    assert lost(before, rows_of(path)) == []


def limited(pages: int) -> Callable[..., sqlite3.Connection]:
    connect = sqlite3.connect

    def full(*given: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*given, **more)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    return full


@pytest.mark.parametrize("version", [1, 6, 8])
def test_full_disk_leaves_the_old_store(version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "framelens.sqlite"
    before = write_store(path, version)
    with closing(sqlite3.connect(path)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    with monkeypatch.context() as patch:
        patch.setattr(database.sqlite3, "connect", limited(pages + 1))
        with pytest.raises(StorageError) as caught:
            Store(path)
        assert "full" in str(caught.value.values["reason"])
    assert rows_of(path) == before
    Store(path).close()
    assert lost(before, rows_of(path)) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small disk")
def test_migration_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("can't mount a small disk here")
    try:
        path = disk / "framelens.sqlite"
        before = write_store(path, 1)
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError):
            while True:
                fill.write(b"\0" * 4096)
        with pytest.raises(StorageError):
            Store(path)
        (disk / "fill").unlink()
        assert rows_of(path) == before
        Store(path).close()
        assert lost(before, rows_of(path)) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_old_reports_without_a_usable_answer_get_that_state(tmp_path: Path) -> None:
    path = tmp_path / "framelens.sqlite"
    usable = '{"troubles": ["cut"], "findings": [{}], "overview": []}'
    answers = {
        "empty": ['{"troubles": ["not_json", "empty"], "findings": [], "overview": []}'],
        "loops": ['{"troubles": ["repeats"], "findings": [{}], "overview": [{}]}', '{"troubles": ["cut"]}'],
        "partly": ['{"troubles": ["empty"], "findings": []}', usable],
        "fine": ['{"troubles": [], "findings": []}'],
        "none": [],
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for script in MIGRATIONS[:10]:
            connection.executescript(script)
        connection.execute("PRAGMA user_version = 10")
        for job_id, documents in answers.items():
            row = (job_id, "2026", job_id, "done", '{"state": "done", "failure": null}')
            connection.execute("INSERT INTO jobs (id, created, name, state, document) VALUES (?, ?, ?, ?, ?)", row)
            for number, document in enumerate(documents):
                connection.execute("INSERT INTO results VALUES (?, ?, ?)", (job_id, number, document))
    store = Store(path)
    states = {row.id: (row.state, json.loads(row.document)["state"]) for row in store.recent(9)}
    failure = json.loads(next(row.document for row in store.recent(9) if row.id == "empty"))["failure"]
    store.close()
    unusable = dict.fromkeys(("empty", "loops"), ("no_usable_answer", "no_usable_answer"))
    assert states == {**dict.fromkeys(answers, ("done", "done")), **unusable}
    assert failure == {"kind": "EngineError", "key": "no_usable_answer", "values": {}}
