"""A server of the transcription endpoint on loopback whose answers are scripted: for what a real server won't answer.

`behave(request)` returns (status, body); the body is sent as JSON, or unchanged if it is bytes.
"""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any

from tests import loopback


@dataclass(frozen=True)
class Asked:
    """A request: the form's fields, the file's bytes, and the authorization header."""

    path: str
    fields: Mapping[str, str]
    wav: bytes
    authorization: str


Behave = Callable[[Asked], tuple[int, Any]]


@dataclass
class SpeechServer:
    behave: Behave
    requests: list[Asked] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    most_at_once: int = 0
    base_url: str = ""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, change: int) -> None:
        with self._lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)


def serve(behave: Behave) -> AbstractContextManager[SpeechServer]:
    return loopback.scripted(_Handler, SpeechServer(behave))


class _Handler(loopback.Handler):
    state: SpeechServer

    def do_GET(self) -> None:
        self.send_json(200, {"data": [{"id": "whisper"}]})

    def do_POST(self) -> None:
        asked = self._asked()
        self.state.requests.append(asked)
        self.state.enter(1)
        try:
            status, body = self.state.behave(asked)
        finally:
            self.state.enter(-1)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_whole(status, data, {**self.state.headers, "Content-Type": "application/json"})

    def _asked(self) -> Asked:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts: dict[str, bytes] = {}
        for part in BytesParser().parsebytes(head + self.body()).get_payload():
            name = str(part.get_param("name", header="Content-Disposition"))  # type: ignore[union-attr]
            parts[name] = part.get_payload(decode=True)  # type: ignore[union-attr, assignment]
        wav = parts.pop("file")
        fields = {name: value.decode() for name, value in parts.items()}
        return Asked(self.path, fields, wav, self.headers.get("Authorization", ""))


def heard(*segments: tuple[float, float, str], **more: Any) -> dict[str, Any]:
    """A verbose answer with these segments (start, end, text), each with the values in `more`."""
    listed = [{"start": start, "end": end, "text": text, **more} for start, end, text in segments]
    return {"text": " ".join(text for _, _, text in segments), "segments": listed, "language": "en"}
