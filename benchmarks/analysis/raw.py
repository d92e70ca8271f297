"""Requests as the app sent them, recorded, and sent again by bare HTTP clients that do nothing with the answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from app.llm.http import async_client


@dataclass(frozen=True)
class Sent:
    """One chat completion: where it went, its exact body, and when (time.perf_counter)."""

    url: str
    authorization: str
    body: bytes
    at_seconds: float

    @property
    def has_pictures(self) -> bool:
        return b'"image_url"' in self.body


@contextmanager
def recording(base_url: str) -> Iterator[list[Sent]]:
    """All requests for answers that this process sends through the app's client meanwhile."""
    sent: list[Sent] = []

    async def note(request: httpx.Request) -> None:
        if request.url.path.endswith("/chat/completions"):
            authorization = request.headers.get("Authorization", "")
            sent.append(Sent(str(request.url), authorization, request.content, time.perf_counter()))

    client = async_client(base_url)
    before = client.event_hooks
    client.event_hooks = {**before, "request": [*before["request"], note]}
    try:
        yield sent
    finally:
        client.event_hooks = before


def raw_seconds(requests: Sequence[Sent], *, at_once: int) -> float:
    """How long these requests take, at most so many at a time, each sent as soon as there is room."""
    started = time.perf_counter()
    asyncio.run(_send_all(requests, at_once))
    return time.perf_counter() - started


def first_text_seconds(request: Sent) -> tuple[float, float, int]:
    """(seconds to the first piece of text, from there to the end, tokens of the answer as the engine counts them)."""
    return asyncio.run(_timed(request))


async def _send_all(requests: Sequence[Sent], at_once: int) -> None:
    waiting = iter(requests)
    async with _client() as client:

        async def work() -> None:
            for request in waiting:
                async with client.stream(
                    "POST", request.url, content=request.body, headers=_headers(request)
                ) as answer:
                    answer.raise_for_status()
                    async for _ in answer.aiter_raw():
                        pass

        await asyncio.gather(*(work() for _ in range(at_once)))


async def _timed(request: Sent) -> tuple[float, float, int]:
    started = time.perf_counter()
    first, tokens = 0.0, 0
    async with (
        _client() as client,
        client.stream("POST", request.url, content=request.body, headers=_headers(request)) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            told = json.loads(line[6:]) if line.startswith("data: {") else {}
            if not first and any(choice.get("delta", {}).get("content") for choice in told.get("choices") or ()):
                first = time.perf_counter()
            tokens = (told.get("usage") or {}).get("completion_tokens", tokens)
    return first - started, time.perf_counter() - first, tokens


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=None)


def _headers(request: Sent) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": request.authorization}
