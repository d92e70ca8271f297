"""An empty store in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.store.database import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "framelens.sqlite")
    yield store
    store.close()
