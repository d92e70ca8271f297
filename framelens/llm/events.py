"""Events of a streamed answer, whatever its dialect, as OpenAI's client expects them.

Engines and gateways refuse within a stream: in an event called "error", in an object without choices, in bare text, or
in a body that is no stream at all. All of these are raised as the client's own exception. Data that is no JSON and no
refusal, such as the comment of another server that a gateway has wrapped, is skipped. An answer is complete with
[DONE], even if no piece of it has a reason for its end. A whole answer of an engine that doesn't stream is one event.
Lines and chunks are brought into one shape by the dialect of the stream and by `framelens.llm.chunks`.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
from openai._streaming import ServerSentEvent, SSEDecoder

from framelens.llm.chunks import finish_reason, normal_chunk
from framelens.llm.dialects import StreamDialect, dialects
from framelens.llm.refusal_wordings import match_refusal
from framelens.llm.refusals import is_refusal, message_in, read_json

_MOST_BARE = 2**20
"""Bytes that are kept of a body that is no stream."""
_BROKEN_ERROR = '{"error": "', '"}'
"""Transformers sends a sentence in JSON that is invalid if the sentence has quotation marks."""
_KEEP_ALIVE = frozenset({"", "null", "ping", "pong", "heartbeat", "keepalive", "keep-alive"})
_DONE = re.compile(r"\[DONE\]|DONE\Z", re.IGNORECASE)
_COMMENT = ":"
"""Beginning of lines that keep a connection open while there is no event."""
_MARK = b"\xef\xbb\xbf"
"""Mark of UTF-8 at the beginning of a body."""


class _Lines(SSEDecoder):
    """The client's decoder of lines, for lines in a dialect."""

    def __init__(self, dialect: StreamDialect) -> None:
        super().__init__()
        self._dialect = dialect

    def decode(self, line: str) -> ServerSentEvent | None:
        """Add a line, and return the event that it ends."""
        events = [super(_Lines, self).decode(plain) for plain in self._dialect.lines(line)]
        return next(filter(None, events), None)


class EventDecoder:
    """Decoder of a stream."""

    def __init__(self) -> None:
        self._bare = b""
        self._has_events = self._has_ended = self._has_reason = self._has_choices = self._has_content = False
        self._foreign = ""  # the first event that is no part of an answer, such as another API's
        self._dialect = dialects().stream()

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[ServerSentEvent]:
        """Raise NotImplementedError: all requests are read on an event loop."""
        raise NotImplementedError

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
        """Yield the events of a stream, [DONE] included.

        Raises:
            openai.APIError: The stream is a refusal, or contains a refusal.
            ValueError: The body is neither a stream nor an answer, such as a page.
        """
        async for event in _Lines(self._dialect).aiter_bytes(self._note_beginning(iterator)):
            self._has_events = True
            text = event.data.strip().strip('"')
            if _DONE.match(text):
                self._check_choices()
                if not self._has_reason:
                    yield _ending("stop")
                yield ServerSentEvent(data="[DONE]")
                return
            if {text.lower(), event.event} & _KEEP_ALIVE or (self._has_ended and _is_cut(text)):
                continue
            data = self._event_data(event.event, self._dialect.data(event.data))
            if data and "choices" not in data and data.get("type") not in _KEEP_ALIVE:
                self._foreign = self._foreign or event.data
            chunk = normal_chunk(data, self._dialect)
            deltas = [choice["delta"] for choice in chunk["choices"]]
            self._has_content = self._has_content or any(
                delta[name] for delta in deltas for name in delta if name != "role"
            )
            yield _event(chunk)
        self._check_choices()
        if not self._has_events:
            for event in self._bare_events():
                yield event

    async def _note_beginning(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces and a final empty line, and keep the beginning of a body without events."""
        is_first, decoder = True, getincrementaldecoder("utf-8")("replace")  # some engines cut characters
        async for piece in pieces:
            piece = decoder.decode(piece).encode()
            if is_first and piece:
                piece, is_first = piece.removeprefix(_MARK), False
            if not self._has_events and len(self._bare) < _MOST_BARE:
                self._bare += piece
            yield piece
        self._has_ended = True
        yield b"\n\n"  # the last event of some servers lacks it

    def _event_data(self, kind: str | None, sent: str) -> dict[str, Any]:
        """Return the JSON of an event, empty if it is none; raise for a refusal, or a damaged piece of an answer."""
        data = read_json(sent)
        opening, closing = _BROKEN_ERROR
        if kind == "error" or is_refusal(data) or (data is None and sent.startswith(opening)):
            raise _refusal(sent.removeprefix(opening).removesuffix(closing) if data is None else data)
        if isinstance(data, dict) and "choices" in data:
            self._has_choices, choices = True, data["choices"]
            for choice in choices if isinstance(choices, list) else ():
                self._has_reason = self._has_reason or bool(isinstance(choice, dict) and finish_reason(choice))
            return data
        if match_refusal(message_in(sent), is_faulty=False)[0]:
            raise _refusal(sent if data is None else data)  # under keys that aren't known
        if _is_cut(sent):
            raise ValueError(message_in(sent))
        if not isinstance(data, dict):
            self._foreign = self._foreign or sent
            return {}
        return data

    def _check_choices(self) -> None:
        """Raise ValueError after a stream that had foreign events, but no part of an answer.

        An answer without a word may have the comments of another server around it.
        """
        is_empty_answer = self._has_choices and self._foreign.startswith(":")
        if self._foreign and not (self._has_content or is_empty_answer):
            raise ValueError(message_in(self._foreign))

    def _bare_events(self) -> Iterator[ServerSentEvent]:
        """Yield the events of a body that is no stream, or of a stream that ended before its first event."""
        lines = self._bare.decode(errors="replace").split("\n")
        text = "\n".join(line for line in lines if not line.startswith(_COMMENT)).strip()
        if not text:
            yield _ending("")
            return
        answer = read_json(text)
        if is_refusal(answer):
            raise _refusal(answer)
        if isinstance(answer, dict) and "choices" in answer:
            yield _event(normal_chunk(answer, self._dialect, is_whole=True))
        elif text and match_refusal(message_in(text), is_faulty=False)[0]:
            raise _refusal(text)
        else:
            raise ValueError(message_in(text))


async def peeked(answer: Any) -> Any:
    """Return the client's result for a request after checking that its body or its first words are no refusal.

    Raises:
        openai.APIError: The engine refuses. The request can be sent differently, as no text has been passed on.
        ValueError: The body is neither a stream nor an answer.
    """
    if isinstance(answer, httpx.Response) and is_refusal(body := read_json(answer.content)):
        raise _refusal(body)
    if isinstance(answer, openai.AsyncStream):
        rest, first = answer._iterator, []
        async for event in rest:
            first.append(event)
            if not _is_opening(event):
                break

        async def events() -> AsyncIterator[Any]:
            for event in first:
                yield event
            async for event in rest:
                yield event

        answer._iterator = events()
    return answer


def _is_opening(event: Any) -> bool:
    """Return whether an event has only a role; some gateways send such an event before they ask the engine."""
    return all(not value for choice in event.choices for name, value in choice.delta if name != "role")


async def whole_answer(body: bytes) -> dict[str, Any]:
    """Return the choice of an answer that was not requested as a stream; some gateways stream it all the same.

    Raises:
        openai.APIError: The body is a refusal, whatever its status.
        ValueError: The body is no answer, such as the page of a proxy.
    """
    if not body.strip():
        raise ValueError("0 bytes")

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    text, last = "", dict[str, Any]()
    async for event in EventDecoder().aiter_bytes(pieces()):
        chunk = read_json(event.data)
        for choice in chunk["choices"] if isinstance(chunk, dict) else ():
            text += choice["delta"]["content"]
            last = {**choice, **last}
    return {**last, "delta": {"content": text}}


def _is_cut(data: str) -> bool:
    """Return whether the last event broke off in the middle of its JSON."""
    return data.lstrip().startswith("{") and read_json(data) is None


def _refusal(body: object) -> openai.APIError:
    return openai.APIError("the engine refuses", request=None, body=body)  # type: ignore[arg-type]  # it isn't used


def _ending(reason: str) -> ServerSentEvent:
    """Return an event that ends an answer; without a reason the answer counts as broken off."""
    return _event(normal_chunk({"choices": [{"delta": {}, "finish_reason": reason}]}, StreamDialect()))


def _event(chunk: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(chunk))
