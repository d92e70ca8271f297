"""The client of `vllm bench serve`, which reads what comes as a stream and keeps the times of its pieces."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
from vllm.benchmarks.lib.endpoint_request_func import (
    RequestFuncInput,
    RequestFuncOutput,
    async_request_openai_chat_completions,
)

from benchmarks.analysis.recorded import Sent


async def seconds_of_all(requests: Sequence[Sent], at_once: int) -> float:
    """Return the time from the first request to the end of the last answer. Raise RuntimeError if any is refused."""
    waiting = iter([_as_asked(request) for request in requests])
    async with _session() as session:

        async def work() -> None:
            for asked in waiting:
                _checked(await async_request_openai_chat_completions(asked, session))

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return time.perf_counter() - started


async def one(request: Sent) -> RequestFuncOutput:
    """Send a single request and return the client's record of it; raise if it failed."""
    async with _session() as session:
        return _checked(await async_request_openai_chat_completions(_as_asked(request), session))


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))


def _as_asked(request: Sent) -> RequestFuncInput:
    body: dict[str, Any] = json.loads(request.body)
    model, messages, tokens = body.pop("model"), body.pop("messages"), body["max_tokens"]
    return RequestFuncInput(
        prompt="", prompt_len=0, output_len=tokens, api_url=request.url, model=model,
        chat_messages=messages, extra_body=body, extra_headers={"Authorization": request.authorization},
    )  # fmt: skip


def _checked(output: RequestFuncOutput) -> RequestFuncOutput:
    if not output.success:
        raise RuntimeError(output.error)
    return output
