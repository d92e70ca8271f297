"""Batches of a data folder in which they are still in files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from framelens.core.codec import Failure
from framelens.core.domain import UNKNOWN_PATH, AnalysisRequest
from framelens.core.errors import VideoError
from framelens.core.roles import User, as_user
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.store.backup import restore_backup, write_backup
from framelens.store.database import DATABASE, open_store
from tests.store.test_migrations import write_store
from tests.store.test_old_records import BEFORE, write_files


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


def test_files_of_the_version_before_become_batches(tmp_path: Path) -> None:
    write_store(tmp_path / DATABASE, BEFORE)
    write_files(tmp_path)
    check_batches(tmp_path)


def test_backup_of_the_version_before_has_batches(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    write_store(data / DATABASE, BEFORE)
    write_files(data)
    write_backup(data, tmp_path / "b.zip", videos=False)
    restore_backup(tmp_path / "b.zip", other)
    check_batches(other)


def test_damaged_batches_are_left_out(tmp_path: Path) -> None:
    write_store(tmp_path / DATABASE, BEFORE)
    (tmp_path / "batches").mkdir()
    for number, text in enumerate(("", "[]", '{"videos": {}}')):
        (tmp_path / "batches" / f"{number}.json").write_text(text)
    with closing(open_store(tmp_path)) as store:
        assert BatchRepository(store).recent(9) == []
