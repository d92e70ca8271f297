"""Responses of hostile engines, for `scripted.Server.flood`: endless, slow, compressed, or a line of any length."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator

from tests.llm.scripted import Flood

_PIECE_BYTES = 2**16
_DRIP_SECONDS = 0.01
"""Between the pieces of a slow response."""


def repeated(piece: bytes) -> Callable[[threading.Event], Iterator[bytes]]:
    """The same piece as fast as it is read."""

    def pieces(_: threading.Event) -> Iterator[bytes]:
        while True:
            yield piece

    return pieces


def dripped(piece: bytes, start: bytes = b"") -> Callable[[threading.Event], Iterator[bytes]]:
    """`start`, then the same piece again and again, slowly."""

    def pieces(aborted: threading.Event) -> Iterator[bytes]:
        yield start
        while not aborted.wait(_DRIP_SECONDS):
            yield piece

    return pieces


def event(text: str) -> bytes:
    """An event of a streamed answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def gzipped(size_bytes: int) -> bytes:
    """A small gzip file that unpacks to so many zeros."""
    return gzip.compress(bytes(2**24), 6) * max(1, size_bytes >> 24)


ZEROS = b"0" * _PIECE_BYTES
LONG_LINE = Flood(repeated(b"data: " + ZEROS))
ENDLESS_TEXT = Flood(repeated(event("word ") * 100))
ENDLESS_EMPTY = Flood(repeated(event("") * 100))
ENDLESS_COMMENTS = Flood(repeated(b": ping\n\n" * 1000))
ENDLESS_JSON = Flood(repeated(ZEROS), content_type="application/json")
ENDLESS_ERROR = Flood(repeated(b'{"error": {"message": "out of order ' + ZEROS), 500, content_type="application/json")
ENDLESS_HEADERS = Flood(dripped(b"X-More: 1\r\n", b"HTTP/1.1 200 OK\r\n"), 0)
DRIPPED_COMMENTS = Flood(dripped(b": ping\n\n"))
DRIPPED_LINE = Flood(dripped(b"x", b"data: "))
DRIPPED_EVENTS = Flood(dripped(event("")))
DRIPPED_JSON = Flood(dripped(b" "), content_type="application/json")
_ZIPPED = repeated(gzipped(2**26))
BOMB = Flood(_ZIPPED, headers={"Content-Encoding": "gzip"}, content_type="application/json")
BOMB_ERROR = Flood(_ZIPPED, 500, {"Content-Encoding": "gzip"}, "application/json")
