"""Requests as the app sent them, recorded, and sent again by the client of `vllm bench serve`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import aiohttp

from app.llm import chat

_PICTURE = re.compile(rb'"image_url":\s*{"url":\s*"([^"]+)"')


@dataclass(frozen=True)
class Sent:
    """One chat completion: where it went, its exact body, and when (time.perf_counter)."""

    url: str
    authorization: str
    body: bytes
    at_seconds: float

    @property
    def has_pictures(self) -> bool:
        return self.first_picture != b""

    @property
    def first_picture(self) -> bytes:
        """By which the requests about one part are known; empty where there is none."""
        found = _PICTURE.search(self.body)
        return found[1] if found else b""


def first_of_another_part(requests: Sequence[Sent]) -> Sent:
    """The first request that is about another part than the first one; the last where there is none."""
    first = requests[0].first_picture
    return next((one for one in requests if one.first_picture != first), requests[-1])


@contextmanager
def recording() -> Iterator[list[Sent]]:
    """All requests for answers that this process sends meanwhile."""
    sent: list[Sent] = []
    posted = chat.posted

    def noted(url: str, **how: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        sent.append(Sent(url, f"Bearer {how['api_key']}", how["data"], time.perf_counter()))
        return posted(url, **how)

    with mock.patch.object(chat, "posted", noted):
        yield sent


def raw_seconds(requests: Sequence[Sent], *, at_once: int) -> float:
    """How long these requests take, at most so many at a time, each sent as soon as there is room. What has to be made
    before the first can be sent is not counted.
    """
    from benchmarks.analysis.vllm_client import seconds_of_all  # with it comes torch, which few of the figures need

    return asyncio.run(seconds_of_all(requests, at_once))


def first_text_seconds(request: Sent) -> tuple[float, float, int]:
    """(seconds to the first piece of text, from there to the end, tokens of the answer as the engine counts them)."""
    from benchmarks.analysis.vllm_client import one

    told = asyncio.run(one(request))
    return told.ttft, told.latency - told.ttft, told.output_tokens or 0
