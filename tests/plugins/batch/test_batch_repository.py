"""Batches in the store, which their owner alone sees."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import DecodeError, InputError
from framelens.core.roles import User, as_user
from framelens.plugins.batch.batch import Batch, BatchVideo, LeftOut
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.store.database import Store, open_store

ANN, BOB = User("u1", "ann", "analyst"), User("u2", "bob", "analyst")
ADA = User("u3", "ada", "administrator")
VIDEO = BatchVideo("k" * 64, Path("/clips/a.mp4"), "a.mp4", 7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path)) as store:
        yield store


@pytest.fixture
def batches(store: Store) -> BatchRepository:
    return BatchRepository(store)


def batch(batch_id: str, *videos: BatchVideo, folder: Path | None = None) -> Batch:
    return Batch(batch_id, videos, AnalysisRequest(Path("x")), name=batch_id, folder=folder)


def test_batches_are_listed_newest_first(batches: BatchRepository) -> None:
    assert batches.recent(5) == []
    first, second = batches.add(batch("first", VIDEO)), batches.add(batch("second"))
    assert batches.recent(5) == [second, first] and batches.recent(1) == [second]
    assert batches.get("first") == first


def test_what_becomes_of_a_video_is_stored(batches: BatchRepository) -> None:
    failed = replace(VIDEO, failure=Failure.of(DecodeError("video_empty")))
    odd = LeftOut(Path("/clips/caf\udce9.mp4"), Failure.of(DecodeError("video_empty")))
    batches.add(replace(batch("one", VIDEO, VIDEO), left_out=(odd,), formats=("html",)))
    batches.save_video("one", 1, replace(VIDEO, job_id="job"))
    batches.save_video("one", 2, failed)
    assert batches.get("one").videos == (VIDEO, replace(VIDEO, job_id="job"), failed)
    assert batches.get("one").left_out == (odd,)


def test_a_later_run_knows_what_became_of_its_videos(batches: BatchRepository) -> None:
    other = replace(VIDEO, key="o" * 64)
    batches.add(batch("one", VIDEO, other))
    done = replace(VIDEO, job_id="job", stem="a")
    batches.save_video("one", 0, done)
    batches.add(batch("one", other))
    assert batches.get("one").videos == (other,) and len(batches.recent(9)) == 1
    batches.add(batch("one", replace(VIDEO, path=Path("/moved.mp4"))))
    assert batches.get("one").videos == (replace(done, path=Path("/moved.mp4")),)
    assert batches.videos("one")[1:] == [replace(other, is_listed=False)]


@pytest.mark.parametrize("batch_id", ["unknown0", "../../etc/passwd", "", "x" * 100])
def test_an_unknown_id_is_an_error(batch_id: str, batches: BatchRepository) -> None:
    with pytest.raises(InputError, match="batch_unknown"):
        batches.get(batch_id)


@pytest.mark.parametrize("table", ["batches", "batch_videos"])
def test_a_damaged_batch_is_left_out(table: str, store: Store, batches: BatchRepository) -> None:
    batches.add(batch("one", VIDEO))
    with store.changing() as connection:
        connection.execute(f"UPDATE {table} SET document = '{{'")
    assert batches.recent(5) == []
    with pytest.raises(InputError, match="batch_unknown"):
        batches.get("one")


def test_batches_are_seen_by_their_owner(batches: BatchRepository) -> None:
    with as_user(ANN):
        batches.add(batch("ann"))
    with as_user(BOB):
        for given in ("ann", "A" * 12):
            with pytest.raises(InputError, match="batch_unknown"):
                batches.get(given)
        batches.add(batch("bob"))
        assert [job.name for job in batches.recent(1)] == ["bob"]
    with as_user(ANN):
        assert [job.name for job in batches.recent(1)] == ["ann"]
    with as_user(ADA):
        assert len(batches.recent(9)) == 2
