from collections.abc import Iterator

import pytest

from framelens import registry
from framelens.llm import dialects, reasoning


@pytest.fixture(autouse=True)
def no_dialects(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is tested here holds without any plugin."""
    monkeypatch.setattr(registry, "results", lambda place, *arguments: iter(()))
    for made in (dialects.dialects, reasoning._patterns):
        made.cache_clear()
    yield
    for made in (dialects.dialects, reasoning._patterns):
        made.cache_clear()
