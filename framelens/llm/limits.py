"""Limits of an engine's response: bytes and total time, derived from what was requested.

An engine may be broken or hostile: it sends without end, a byte a minute, or far more than was asked for. The timeouts
of the HTTP client bound a single wait only. No answer is taken compressed, since a few bytes could become gigabytes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpx

from framelens.core.errors import EngineError, EngineTimeout
from framelens.core.redaction import redact
from framelens.core.units import human_size

_BASE_BYTES = 2**20
"""For everything in an answer that doesn't grow with it, and comments that keep a connection alive."""
_TOKEN_BYTES = 1024
"""Of a token on the wire: an event of vLLM with one token has 250."""
_CHOICE_BYTES = 256
"""Of each further likely token, with its probability, beside a token."""
_VECTOR_BYTES = 512 * 2**10
"""Of a vector: 20,000 numbers of 25 characters."""
_MOST_TOKENS = 32_768
"""Of an answer without a stated limit: the most that FRAMELENS_ANSWER_TOKENS allows."""
_TOKEN_SECONDS = 3.0
"""Slowest time for a token: a tenth of the speed of a 7B model on eight cores."""
_MOST_LINE_BYTES = 2**20
"""Of one event. Each piece that arrives is added to a line by copying it."""
_REFUSAL_BYTES = 2**20
"""Of an answer that is an error; only the beginning is shown."""
ACCEPTED = {"Accept-Encoding": "identity"}
"""The header that asks for no compression."""


@dataclass(frozen=True)
class ResponseLimits:
    """Limits of one response.

    Attributes:
        most_bytes: Bytes of its body.
        most_seconds: Time from sending the request to the end of the response.
        event_seconds: Longest wait for the next whole event of a stream; comments and parts of lines don't count.
    """

    most_bytes: int = 16 * 2**20
    most_seconds: float = 120.0
    event_seconds: float | None = None


def limits_of(path: str, body: object, timeout_seconds: float) -> ResponseLimits:
    """Derive the limits of a response.

    Args:
        path: Path of the request.
        body: Its parsed JSON, if it has some.
        timeout_seconds: Limit of a single wait; it counts twice, for the queue of the engine and for the prompt.
    """
    asked = body if isinstance(body, Mapping) else {}
    if path.endswith("/embeddings"):
        texts = asked.get("input")
        count = len(texts) if isinstance(texts, Sequence) and not isinstance(texts, str) else 1
        return ResponseLimits(_BASE_BYTES + count * _VECTOR_BYTES, 2 * timeout_seconds)
    if not path.endswith("/completions"):
        return ResponseLimits(most_seconds=2 * timeout_seconds)
    tokens = (_count(asked, "max_completion_tokens") or _count(asked, "max_tokens") or _MOST_TOKENS) * (
        _count(asked, "n") or 1
    )
    choices = max(_count(asked, "top_logprobs"), _count(asked, "logprobs"))
    return ResponseLimits(
        _BASE_BYTES + tokens * (_TOKEN_BYTES + choices * _CHOICE_BYTES),
        2 * timeout_seconds + tokens * min(timeout_seconds, _TOKEN_SECONDS),
        event_seconds=timeout_seconds,
    )


def _count(asked: Mapping[str, object], name: str) -> int:
    value = asked.get(name)
    return value if isinstance(value, int) and value > 0 else 0


_SHORT = ResponseLimits()
_limits: ContextVar[ResponseLimits] = ContextVar("response_limits", default=_SHORT)


@contextmanager
def response_limits(limits: ResponseLimits) -> Iterator[None]:
    """Set the limits of the responses to requests that are sent within the context."""
    token = _limits.set(limits)
    try:
        yield
    finally:
        _limits.reset(token)


async def limited(response: Awaitable[httpx.Response], url: str) -> httpx.Response:
    """Wait for a response that is streamed, and return it with a body that keeps to the limits of the context.

    The body of a refusal ends where its limit is, without an error: its beginning says what is wrong.

    Args:
        response: The request as it is being sent, with an unread body.
        url: Address of the engine, for errors.

    Raises:
        EngineError: "engine_answer_slow", "engine_answer_long" or "engine_answer_compressed"; reading the body raises
            them, too.
    """
    limits, deadline = _limits.get(), _now() + _limits.get().most_seconds
    try:
        async with asyncio.timeout_at(deadline):
            received = await response
    except TimeoutError as error:
        raise _slow(url, limits) from error
    body = _LimitedBody(received, limits, deadline, url)
    try:
        body.check_headers()
    except EngineError:
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
        """Raise EngineError if the body is compressed or announced as too long; drop that of a refusal."""
        headers = self._response.headers
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            if not self._is_refusal:
                raise EngineError("engine_answer_compressed", base_url=self._url, encoding=redact(encoding[:40]))
            self._most_bytes = 0
            del headers["content-encoding"]
        length = headers.get("content-length", "")
        if not self._is_refusal and length.isdecimal() and (len(length) > 18 or int(length) > self._most_bytes):
            raise self._long()

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
                if _now() < self._deadline:
                    raise EngineTimeout("engine_timeout", base_url=self._url) from error
                raise _slow(self._url, self._limits) from error
            received += len(piece)
            if received > self._most_bytes:
                if self._is_refusal:
                    yield piece[: self._most_bytes - received]
                    return
                raise self._long()
            if self._lines:
                event_deadline = self._next_event() if self._lines.add(piece) else event_deadline
                if self._lines.unfinished_bytes > _MOST_LINE_BYTES:
                    raise self._long()
            yield piece

    async def aclose(self) -> None:
        """Close the connection, or leave it to the pool if the body was read."""
        await self._inner.aclose()

    def _next_event(self) -> float:
        seconds = self._limits.event_seconds if self._lines else None
        return self._deadline if seconds is None else _now() + seconds

    def _long(self) -> EngineError:
        return EngineError("engine_answer_long", base_url=self._url, most=human_size(self._most_bytes))


class _Lines:
    """Lines of a stream of events, without their text."""

    def __init__(self) -> None:
        self.unfinished_bytes = 0
        self._head = b""

    def add(self, piece: bytes) -> bool:
        """Add a piece, and return whether it ends a line with data."""
        has_event = False
        first, *rest = piece.split(b"\n")
        self._head = (self._head + first[:5])[:5]
        self.unfinished_bytes += len(first)
        for line in rest:
            has_event = has_event or self._head == b"data:"
            self._head, self.unfinished_bytes = line[:5], len(line)
        return has_event


def _now() -> float:
    return asyncio.get_running_loop().time()


def _slow(url: str, limits: ResponseLimits) -> EngineError:
    return EngineError("engine_answer_slow", base_url=url, minutes=max(1, round(limits.most_seconds / 60)))
