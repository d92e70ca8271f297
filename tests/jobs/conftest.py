"""A store, and queues on it that end with their test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from framelens.jobs.queue import Jobs
from framelens.store.database import Store
from tests.app.fake_services import queue


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data" / "framelens.sqlite")) as opened:
        yield opened


@pytest.fixture
def open_queue(store: Store, tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    """Open a queue that runs this, once more on the same store as after a restart."""
    with ExitStack() as opened:
        yield lambda run, **options: opened.enter_context(closing(queue(store, run, tmp_path, **options)))
