"""A scripted engine that takes seconds for an answer: `python -m benchmarks.torture.slow_engine`.

It prints its address and serves until its standard input closes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.analysis.test_pipeline import answering_per_frame
from tests.llm.scripted import serve

MODEL = "scripted"
_PIECE_SECONDS = 1.0


def _slowly(body: dict[str, Any]) -> Iterator[str]:
    for piece in answering_per_frame(body):
        if body.get("max_tokens") != 1:  # not a probe
            time.sleep(_PIECE_SECONDS)
        yield str(piece)


if __name__ == "__main__":
    with serve(_slowly, model=MODEL) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()
