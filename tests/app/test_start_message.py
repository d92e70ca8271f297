"""What the program prints when it ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from app import start_message


@pytest.mark.parametrize(
    ("language", "running", "text"),
    [
        ("en", [], "FrameLens has ended."),
        ("en", ["a"], "FrameLens has ended. 2 unfinished analyses are kept and continue at the next start."),
        ("zh", ["a"], "FrameLens 已退出，2 个未完成的分析已保留，下次启动时继续。"),
    ],
)
def test_the_end_counts_analyses_that_are_kept(language: str, running: list[str], text: str) -> None:
    jobs = SimpleNamespace(running=lambda: running, waiting=lambda: running)
    services: Any = SimpleNamespace(jobs=jobs, settings=SimpleNamespace(language=language))
    assert start_message.farewell(services) == text
