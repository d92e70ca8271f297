"""The load that an engine is measured with: new pictures in every request, and a line for each number at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from benchmarks import engine_load
from framelens.engine.base import Endpoint
from tests.llm.scripted import serve

pytestmark = pytest.mark.usefixtures("english")


def test_no_two_pictures_are_alike() -> None:
    numbers = np.random.default_rng(1)
    assert len({engine_load.picture(numbers) for _ in range(5)}) == 5


@pytest.mark.slow
def test_a_line_for_each_number_of_requests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(body: dict[str, Any]) -> Iterator[str]:
        yield "noise"

    with serve(says) as server:

        @contextmanager
        def serving(model: str, arguments: dict[str, Any]) -> Iterator[Endpoint]:
            assert arguments["limit_mm_per_prompt"] == {"image": 2, "video": 0}
            yield Endpoint("vllm", "model", server.base_url, "key")

        monkeypatch.setattr(engine_load, "serving", serving)
        assert engine_load.main(["--frames", "2", "--at-once", "1", "3"]) == 0
        bodies = [json.dumps(body["messages"]) for body in server.requests]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in printed[2:]] == ["| 1", "| 3"]
    # One request to warm up; then twice as many with pictures as at once, and as many short and long answers.
    assert [sum("image_url" in body for body in bodies), len(bodies)] == [1 + 2 + 6, 1 + 4 + 12]
    assert len(set(bodies)) == len(bodies)
