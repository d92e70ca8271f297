"""Recorded requests, sent again by the client of `vllm bench serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.analysis.recorded import Sent


def raw_seconds(requests: Sequence[Sent], *, at_once: int) -> float:
    """Measure how many seconds these requests take, at most `at_once` at a time.

    Each is sent as soon as there is room. Preparing the first request is not counted.
    """
    from benchmarks.analysis.vllm_client import seconds_of_all  # with it comes torch, which few of the figures need

    return asyncio.run(seconds_of_all(requests, at_once))


def first_text_seconds(request: Sent) -> tuple[float, float, int]:
    """Return seconds to the first text, seconds from there to the end, and the engine's count of answer tokens."""
    from benchmarks.analysis.vllm_client import one

    output = asyncio.run(one(request))
    return output.ttft, output.latency - output.ttft, output.output_tokens or 0
