"""A data folder whose batches and records about models are still in files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from framelens.store.backup import restore_backup, write_backup
from framelens.store.database import DATABASE, open_store
from framelens.store.migrations import MIGRATIONS
from framelens.store.model_records import (
    KnownTimings,
    ModelRecords,
    RequestTiming,
    SurveyTiming,
    TimingStats,
    checks,
    trials,
)
from tests.store.test_migrations import rows_of, write_store

BEFORE = 13
"""The last version that kept these records in files."""
SURVEY = {"video_seconds": 60.0, "megapixels": 2.0, "seconds": 3.5, "frames": 8, "facts_seconds": 4.0}
RUN = {"requests": 4, "frames": 32, "prompt_tokens": 9000, "completion_tokens": 800, "at_once": 4, "seconds": 20.0}
TRIAL = {"model": "m", "machine": "h", "arguments": {"dtype": "half"}, "load_seconds": 1.0}
SIGHT = {"model": "m", "engine": "e", "format": "bf16", "width": 448, "height": 252, "score": 1}
TRUST = {"revision": "c", "digest": "d", "files": {"a.py": "d"}, "time": "2026", "user_id": "u1", "user_name": "ann"}
MODEL_FILES: dict[str, Any] = {
    "paces.json": {"engines": {"e": {"runs": [[RUN]], "in_flight": 4, "max_model_len": 8192}}, "surveys": [SURVEY]},
    "trials.json": {"trials": [TRIAL, {**TRIAL, "machine": "other"}]},
    "sights.json": {"sights": [SIGHT]},
    "downloads.json": {"models": ["Qwen/Qwen3-VL-4B"]},
    "trusted_code.json": {"models": {"/models/m": TRUST}},
}


def write_files(data: Path) -> None:
    """Write the files of a data folder of that version: two batches, and all that is known of models."""
    refused = {"kind": "VideoError", "key": "path_outside", "values": {}}
    upload = str(data / "videos" / "a" / "a.mp4")
    videos = [
        {"name": "a.mp4", "path": upload, "job_id": "id-1", "failure": None},
        {"name": "b.mp4", "path": "not-on-this-machine", "job_id": "", "failure": refused},
    ]
    page = {
        "id": "page1234", "name": "", "created": "2026-01-02", "videos": videos, "folder": None, "user_id": "u1",
        "request": {"path": "not-on-this-machine", "frames": 4, "question": "Who?"},
    }  # fmt: skip
    command = {
        "id": "cli12345", "name": "out", "created": "2026-01-01", "videos": [{"name": "c.mp4", "path": "/clips/c.mp4"}],
        "folder": "/results/out", "request": None, "user_id": "",
    }  # fmt: skip
    (data / "batches").mkdir()
    for one in (page, command):
        (data / "batches" / f"{one['id']}.json").write_text(json.dumps(one))
    (data / "batches" / "damaged.json").write_text("{")
    for name, document in MODEL_FILES.items():
        (data / name).write_text(json.dumps(document))


def trusted(data: Path) -> dict[str, dict[str, Any]]:
    return ModelRecords(data, "trusted_code", dict[str, Any]).all()


def ids_of_batches(data: Path) -> list[str]:
    with closing(open_store(data)) as store:
        return [name for (name,) in store.select("SELECT id FROM batches ORDER BY id")]


def test_files_of_the_version_before_become_rows(tmp_path: Path) -> None:
    write_store(tmp_path / DATABASE, BEFORE)
    write_files(tmp_path)
    known = TimingStats(tmp_path).of("e")
    assert known == KnownTimings(((RequestTiming(**RUN),),), (SurveyTiming(**SURVEY),), 4, 8192)
    assert trials(tmp_path).matching(machine="h") == (TRIAL,) and len(trials(tmp_path).all()) == 2
    trials(tmp_path).save({**TRIAL, "load_seconds": 2.0})
    assert [one["load_seconds"] for one in trials(tmp_path).all()] == [1.0, 2.0]
    assert checks(tmp_path).all() == (SIGHT,)
    assert trusted(tmp_path) == {"/models/m": TRUST}
    assert ModelRecords(tmp_path, "downloads", bool).all() == {"Qwen/Qwen3-VL-4B": True}
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert {f"{name}.old" for name in MODEL_FILES} | {"batches.old", f"{DATABASE}.v{BEFORE}"} <= left
    assert not left & {*MODEL_FILES, "batches"}


def test_files_are_read_once(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    write_files(tmp_path)
    assert trials(tmp_path).all() == ()
    assert ids_of_batches(tmp_path) == []


def test_folder_without_a_database_keeps_its_files(tmp_path: Path) -> None:
    write_files(tmp_path)
    assert trusted(tmp_path) == {"/models/m": TRUST}
    assert ids_of_batches(tmp_path) == ["cli12345", "page1234"]


def test_backup_of_the_version_before_is_restored(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    write_store(data / DATABASE, BEFORE)
    write_files(data)
    manifest = write_backup(data, tmp_path / "b.zip", videos=False)
    assert manifest.schema == BEFORE and {"batches/page1234.json", "trials.json"} <= {
        one.name for one in manifest.files
    }
    restore_backup(tmp_path / "b.zip", other)
    assert ids_of_batches(other) == ["cli12345", "page1234"]
    assert trials(other).matching(machine="h") == (TRIAL,)
    assert trusted(other) and not (other / "trials.json").exists()
    assert ModelRecords(other, "downloads", bool).all() == {}, "confirmed on the other machine"


def test_backup_has_the_records_but_no_confirmed_downloads(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_files(data)
    assert ids_of_batches(data) == ["cli12345", "page1234"]
    write_backup(data, tmp_path / "b.zip", videos=False)
    restore_backup(tmp_path / "b.zip", tmp_path / "other")
    before, after = rows_of(data / DATABASE), rows_of(tmp_path / "other" / DATABASE)
    assert [one for one in before["model_records"] if one["kind"] != "downloads"] == after["model_records"]


@pytest.mark.parametrize("text", ["", "[]", '{"models": 3, "trials": 7, "engines": [], "surveys": {}, "videos": {}}'])
def test_damaged_files_are_left_out(tmp_path: Path, text: str) -> None:
    write_store(tmp_path / DATABASE, BEFORE)
    (tmp_path / "batches").mkdir()
    for name in (*MODEL_FILES, "batches/damaged.json"):
        (tmp_path / name).write_text(text)
    assert trials(tmp_path).all() == () and trusted(tmp_path) == {}
    assert TimingStats(tmp_path).of("e") == KnownTimings()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
