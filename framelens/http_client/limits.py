"""Limits of a response: bytes, total time, and the wait for each event of a stream.

A server may be broken or hostile: it sends without end, a byte a minute, or far more than was asked for. The timeouts
of the HTTP client bound a single wait only. No answer is taken compressed, since a few bytes could become gigabytes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import httpx

from framelens.core.errors import EngineError, EngineTimeout
from framelens.core.redaction import redact
from framelens.core.units import human_size

_MOST_LINE_BYTES = 2**20
"""Most bytes of an event. Each piece that arrives is added to a line by copying the line."""
_REFUSAL_BYTES = 2**20
"""Most bytes of an answer that is an error; only the beginning is shown."""
ACCEPTED = {"Accept-Encoding": "identity"}
"""The header that asks for no compression."""


@dataclass(frozen=True)
class Excess:
    """A limit that a response exceeds.

    Attributes:
        kind: slow: the total time. silent: the wait for an event. long: the bytes. compressed: a body in `encoding`.
        url: Address of the server, without a path.
        limits: The limits.
        encoding: Encoding of a compressed body.
    """

    kind: Literal["slow", "silent", "long", "compressed"]
    url: str
    limits: "ResponseLimits"
    encoding: str = ""


def engine_answer_error(excess: Excess) -> EngineError:
    """Build the error of an engine whose response exceeds a limit."""
    limits, about = excess.limits, {"base_url": excess.url}
    match excess.kind:
        case "slow":
            return EngineError("engine_answer_slow", minutes=max(1, round(limits.most_seconds / 60)), **about)
        case "silent":
            return EngineTimeout("engine_timeout", **about)
        case "long":
            return EngineError("engine_answer_long", most=human_size(limits.most_bytes), **about)
        case "compressed":
            return EngineError("engine_answer_compressed", encoding=excess.encoding, **about)


@dataclass(frozen=True)
class ResponseLimits:
    """Limits of a response.

    Attributes:
        most_bytes: Bytes of its body.
        most_seconds: Time from sending the request to the end of the response, redirects included.
        event_seconds: Longest wait for the next whole event of a stream; comments and parts of lines don't count.
        is_raw: The body is taken unchanged, also if it is compressed.
        error: Builds the exception for a response that exceeds the limits.
    """

    most_bytes: int = 16 * 2**20
    most_seconds: float = 120.0
    event_seconds: float | None = None
    is_raw: bool = False
    error: Callable[[Excess], Exception] = engine_answer_error


_limits: ContextVar[tuple[ResponseLimits, float] | None] = ContextVar("response_limits", default=None)


@contextmanager
def response_limits(limits: ResponseLimits) -> Iterator[None]:
    """Set the limits of the responses to requests that are sent within the context; their time begins now."""
    token = _limits.set((limits, time.monotonic() + limits.most_seconds))
    try:
        yield
    finally:
        _limits.reset(token)


async def limited(response: Awaitable[httpx.Response], url: str) -> httpx.Response:
    """Wait for a streamed response, and return it with a body that keeps to the limits of the context.

    The body of a refusal ends at its limit without an error: its beginning has the reason.

    Args:
        response: The request as it is being sent, with an unread body.
        url: Address of the server, for errors.

    Raises:
        Exception: The exception that `ResponseLimits.error` builds; reading the body raises it, too.
    """
    usual = ResponseLimits()
    limits, deadline = _limits.get() or (usual, time.monotonic() + usual.most_seconds)
    try:
        async with asyncio.timeout_at(deadline):
            received = await response
    except TimeoutError as error:
        raise limits.error(Excess("slow", url, limits)) from error
    body = _LimitedBody(received, limits, deadline, url)
    try:
        body.check_headers()
    except Exception:
        await received.aclose()
        raise
    received.stream = body
    return received


class _LimitedBody(httpx.AsyncByteStream):
    """The body of a response, up to its limits."""

    def __init__(self, response: httpx.Response, limits: ResponseLimits, deadline: float, url: str) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._response, self._inner = response, response.stream
        self._limits, self._deadline, self._url = limits, deadline, url
        self._is_refusal = response.status_code >= 300
        self._most_bytes = _REFUSAL_BYTES if self._is_refusal else limits.most_bytes
        self._lines = _Lines() if "event-stream" in response.headers.get("content-type", "") else None

    def check_headers(self) -> None:
        """Raise an error for a compressed or too long body, by its headers; drop a compressed body of a refusal."""
        headers = self._response.headers
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity") and not self._limits.is_raw:
            if not self._is_refusal:
                raise self._error("compressed", redact(encoding[:40]))
            self._most_bytes = 0
            del headers["content-encoding"]
        length = headers.get("content-length", "")
        if not self._is_refusal and length.isdecimal() and (len(length) > 18 or int(length) > self._most_bytes):
            raise self._error("long")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece."""
        try:
            async for piece in self._checked(aiter(self._inner)):
                yield piece
        finally:
            await self._inner.aclose()

    async def _checked(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        received, event_deadline = 0, self._next_event()
        while True:
            try:
                async with asyncio.timeout_at(min(self._deadline, event_deadline)):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if self._is_refusal:
                    return
                raise self._error("silent" if time.monotonic() < self._deadline else "slow") from error
            received += len(piece)
            if received > self._most_bytes:
                if self._is_refusal:
                    yield piece[: self._most_bytes - received]
                    return
                raise self._error("long")
            if self._lines:
                event_deadline = self._next_event() if self._lines.add(piece) else event_deadline
                if self._lines.unfinished_bytes > _MOST_LINE_BYTES:
                    raise self._error("long")
            yield piece

    async def aclose(self) -> None:
        """Close the connection, or leave it to the pool if the body was read."""
        await self._inner.aclose()

    def _next_event(self) -> float:
        seconds = self._limits.event_seconds if self._lines else None
        return self._deadline if seconds is None else time.monotonic() + seconds

    def _error(self, kind: Literal["slow", "silent", "long", "compressed"], encoding: str = "") -> Exception:
        return self._limits.error(Excess(kind, self._url, self._limits, encoding))


class _Lines:
    """Lines of a stream of events, without their text."""

    def __init__(self) -> None:
        self.unfinished_bytes = 0
        self._head = b""

    def add(self, piece: bytes) -> bool:
        """Add a piece, and return whether it ends a line that begins with "data:"."""
        has_event = False
        first, *rest = piece.split(b"\n")
        self._head = (self._head + first[:5])[:5]
        self.unfinished_bytes += len(first)
        for line in rest:
            has_event = has_event or self._head == b"data:"
            self._head, self.unfinished_bytes = line[:5], len(line)
        return has_event
