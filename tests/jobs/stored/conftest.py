"""A queue that runs a fake engine, with its store and its videos."""

from collections.abc import Callable
from pathlib import Path

import pytest

from framelens.jobs.queue import Jobs
from framelens.store.videos.video_repository import VideoRepository
from tests.jobs.test_queue import whole


@pytest.fixture
def jobs(open_queue: Callable[..., Jobs]) -> Jobs:
    return open_queue(whole)


@pytest.fixture
def videos(tmp_path: Path) -> VideoRepository:
    return VideoRepository(tmp_path, (), tmp_path / "sample.mp4")
