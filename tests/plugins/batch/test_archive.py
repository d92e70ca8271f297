"""Records of batches in the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from framelens.core.codec import Failure
from framelens.core.errors import DecodeError, InputError
from framelens.core.roles import User, as_user
from framelens.plugins.batch.archive import BatchArchive, RecordedVideo, with_video

ANN, BOB = User("u1", "ann", "analyst"), User("u2", "bob", "analyst")
ADA = User("u3", "ada", "administrator")
VIDEO = RecordedVideo("a.mp4", Path("/clips/a.mp4"))


def test_records_are_listed_newest_first(tmp_path: Path) -> None:
    archive = BatchArchive(tmp_path)
    assert archive.recent(5) == []
    first, second = archive.add("first", (VIDEO,)), archive.add("second", ())
    assert [one.name for one in archive.recent(5)] == ["second", "first"]
    assert archive.get(first.id) == first
    archive.save(with_video(first, RecordedVideo("a.mp4", VIDEO.path, "job", Failure.of(DecodeError("video_empty")))))
    assert archive.get(first.id).videos[0].job_id == "job"
    assert archive.recent(5)[0] == second


def test_a_folder_of_results_has_one_record(tmp_path: Path) -> None:
    archive = BatchArchive(tmp_path)
    first = archive.add("out", (VIDEO,), folder=tmp_path / "out")
    again = archive.add("out", (), folder=tmp_path / "out")
    assert again.id == first.id
    assert [one.videos for one in archive.recent(5)] == [()]


@pytest.mark.parametrize("batch_id", ["unknown0", "../../etc/passwd", "", "x" * 100])
def test_an_unknown_id_is_an_error(batch_id: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch_unknown"):
        BatchArchive(tmp_path).get(batch_id)


def test_a_damaged_record_is_ignored(tmp_path: Path) -> None:
    archive = BatchArchive(tmp_path)
    record = archive.add("out", (VIDEO,))
    (tmp_path / "batches" / f"{record.id}.json").write_text("{")
    assert archive.recent(5) == []
    with pytest.raises(InputError, match="batch_unknown"):
        archive.get(record.id)


def test_batches_are_seen_by_their_owner(tmp_path: Path) -> None:
    archive = BatchArchive(tmp_path)
    with as_user(ANN):
        record = archive.add("ann's", ())
    with as_user(BOB):
        for given in (record.id, "A" * 12):
            with pytest.raises(InputError, match="batch_unknown"):
                archive.get(given)
        archive.add("bob's", ())
        assert [one.name for one in archive.recent(1)] == ["bob's"]
    with as_user(ANN):
        assert [one.name for one in archive.recent(1)] == ["ann's"]
    with as_user(ADA):
        assert len(archive.recent(9)) == 2
