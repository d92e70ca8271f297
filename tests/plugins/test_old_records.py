"""A data folder whose batches and records about models are still in files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from framelens.core.codec import Failure
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest
from framelens.core.errors import VideoError
from framelens.core.roles import User, as_user
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.models.trust.code_trust import TrustRecord, trusted_code
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
MODEL_FILES = {
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


def check_batches(data: Path) -> None:
    refused = Failure.of(VideoError("path_outside"))
    with closing(open_store(data)) as store:
        batches = BatchRepository(store)
        assert batches.get("cli12345") == Batch(
            "cli12345", (BatchVideo("", Path("/clips/c.mp4"), "c.mp4"),), AnalysisRequest(UNKNOWN_PATH), "",
            folder=Path("/results/out"), name="out", created="2026-01-01",
        )  # fmt: skip
        upload = BatchVideo("", data / "videos" / "a" / "a.mp4", "a.mp4", job_id="id-1")
        videos = (upload, BatchVideo("", UNKNOWN_PATH, "b.mp4", failure=refused))
        request = AnalysisRequest(UNKNOWN_PATH, 4, question="Who?")
        page = Batch("page1234", videos, request, "", created="2026-01-02", user_id="u1")
        assert batches.recent(9) == [page, batches.get("cli12345")]
        with as_user(User("u1", "ann", "analyst")):
            assert batches.recent(9) == [page]
        again = batches.add(Batch("new", (), AnalysisRequest(Path("x")), "", folder=Path("/results/out")))
        assert again.id == "cli12345", "the folder of results keeps its batch"


def test_files_of_the_version_before_become_rows(tmp_path: Path) -> None:
    write_store(tmp_path / DATABASE, BEFORE)
    write_files(tmp_path)
    check_batches(tmp_path)
    known = TimingStats(tmp_path).of("e")
    assert known == KnownTimings(((RequestTiming(**RUN),),), (SurveyTiming(**SURVEY),), 4, 8192)
    assert trials(tmp_path).matching(machine="h") == (TRIAL,) and len(trials(tmp_path).all()) == 2
    trials(tmp_path).save({**TRIAL, "load_seconds": 2.0})
    assert [one["load_seconds"] for one in trials(tmp_path).all()] == [1.0, 2.0]
    assert checks(tmp_path).all() == (SIGHT,)
    assert trusted_code(tmp_path).all() == {"/models/m": TrustRecord(**TRUST)}
    assert ModelRecords(tmp_path, "downloads", bool).all() == {"Qwen/Qwen3-VL-4B": True}
    left = {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert {f"{name}.old" for name in MODEL_FILES} | {"batches.old", f"{DATABASE}.v{BEFORE}"} <= left
    assert not left & {*MODEL_FILES, "batches"}


def test_files_are_read_once(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    write_files(tmp_path)
    assert trials(tmp_path).all() == ()
    with closing(open_store(tmp_path)) as store:
        assert BatchRepository(store).recent(9) == []


def test_folder_without_a_database_keeps_its_files(tmp_path: Path) -> None:
    write_files(tmp_path)
    assert trusted_code(tmp_path).of("/models/m") == TrustRecord(**TRUST)
    check_batches(tmp_path)


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
    check_batches(other)
    assert trials(other).matching(machine="h") == (TRIAL,)
    assert trusted_code(other).of("/models/m") and not (other / "trials.json").exists()
    assert ModelRecords(other, "downloads", bool).all() == {}, "confirmed on the other machine"


def test_backup_has_the_records_but_no_confirmed_downloads(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_files(data)
    check_batches(data)
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
    assert trials(tmp_path).all() == () and trusted_code(tmp_path).all() == {}
    assert TimingStats(tmp_path).of("e") == KnownTimings()
    with closing(open_store(tmp_path)) as store:
        assert BatchRepository(store).recent(9) == []
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
