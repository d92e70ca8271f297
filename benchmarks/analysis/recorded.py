"""Requests as the app sent them, recorded."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import httpx

from framelens.http_client import PooledClient

_PICTURE = re.compile(rb'"image_url":\s*{"url":\s*"([^"]+)"')


@dataclass(frozen=True)
class Sent:
    """A chat completion: where it went, its exact body, and when (time.perf_counter)."""

    url: str
    authorization: str
    body: bytes
    at_seconds: float

    @property
    def has_pictures(self) -> bool:
        return self.first_picture != b""

    @property
    def first_picture(self) -> bytes:
        """Return the first image, which identifies the requests about a chunk, or empty bytes without images."""
        found = _PICTURE.search(self.body)
        return found[1] if found else b""


def first_of_another_part(requests: Sequence[Sent]) -> Sent:
    """Return the first request about another chunk than the first request's, or the last request."""
    first = requests[0].first_picture
    return next((one for one in requests if one.first_picture != first), requests[-1])


@contextmanager
def recording() -> Iterator[list[Sent]]:
    """Record all requests for answers that this process sends inside the context."""
    sent: list[Sent] = []
    send = PooledClient.send

    async def noted(client: PooledClient, request: httpx.Request, **how: Any) -> httpx.Response:
        if request.url.path.endswith("/chat/completions"):
            key = request.headers.get("Authorization", "")
            sent.append(Sent(str(request.url), key, request.content, time.perf_counter()))
        return await send(client, request, **how)

    with mock.patch.object(PooledClient, "send", noted):
        yield sent
