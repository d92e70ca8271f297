"""A queue that runs a fake engine, with its store and its videos."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.jobs.queue import Jobs
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
from tests.app.fake_services import queue
from tests.jobs.test_queue import whole


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data" / "framelens.sqlite")
    yield store
    store.close()


@pytest.fixture
def jobs(store: Store, tmp_path: Path) -> Iterator[Jobs]:
    jobs = queue(store, whole, tmp_path)
    yield jobs
    jobs.close()


@pytest.fixture
def videos(tmp_path: Path) -> VideoRepository:
    return VideoRepository(tmp_path, (), tmp_path / "sample.mp4")
