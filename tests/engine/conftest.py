"""A real LocalEngine around `fake_engine.py`, stopped at the end of each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens.engine.local.local_engine import LocalEngine
from tests.engine.fakes import MakeEngine, fake_launcher


@pytest.fixture
def make_engine(tmp_path: Path) -> Iterator[MakeEngine]:
    engines: list[LocalEngine] = []

    def make(plan: dict[str, Any], **changes: Any) -> LocalEngine:
        options = {name: changes.pop(name) for name in ("start_timeout_seconds", "keep_logs") if name in changes}
        engines.append(LocalEngine(fake_launcher(plan, **changes), log_dir=tmp_path / "logs", **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.stop()
