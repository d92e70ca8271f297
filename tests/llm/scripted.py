"""An OpenAI-compatible server on loopback whose answers are scripted: for faults that a real engine will not give.

`behave(body)` gets the parsed request and yields pieces of text, or raises Refuse to answer with an HTTP error, or
HangUp to break the connection in the middle. It counts tokens as `transformers serve` or vLLM would: by `sees`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behave = Callable[[dict[str, Any]], Iterator[str]]


@dataclass
class Refuse(Exception):
    status: int
    message: str
    param: str | None = None


class HangUp(Exception):
    pass


@dataclass
class Server:
    """`requests` are the chat completions that came, parsed. `aborted` is set when a client closed its connection."""

    behave: Behave
    sees: bool = True
    counts: bool = True
    context: int = 8192
    finish: str = "stop"
    requests: list[dict[str, Any]] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)
    base_url: str = ""

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        words, pictures = 4, 0
        for message in body["messages"]:
            parts = message["content"] if isinstance(message["content"], list) else [{"type": "text"}]
            for part in parts:
                pictures += part["type"] == "image_url"
                words += part["type"] == "text"
        return words * 6 + (pictures * 18 if self.sees else 0)


@contextmanager
def serve(behave: Behave, **options: Any) -> Iterator[Server]:
    state = Server(behave, **options)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    http.daemon_threads = True
    state.base_url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, *_: Any) -> None:
        """Tests print nothing."""

    def do_GET(self) -> None:
        self._json(200, {"data": [{"id": "model", "max_model_len": self.state.context}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._json(404, {"detail": "Not Found"})
            return
        self.state.requests.append(body)
        try:
            pieces = self.state.behave(body)
            first = next(pieces, "")
        except Refuse as refuse:
            error = {"message": refuse.message, "param": refuse.param, "code": refuse.status}
            self._json(refuse.status, {"error": error})
            return
        self._stream(body, first, pieces) if body.get("stream") else self._whole(body, first + "".join(pieces))

    def _usage(self, body: dict[str, Any], answered: int) -> dict[str, Any] | None:
        prompt = self.state.prompt_tokens(body)
        return {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}

    def _whole(self, body: dict[str, Any], text: str) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self._json(200, {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})

    def _stream(self, body: dict[str, Any], first: str, rest: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self._event(body, {"role": "assistant", "content": ""})
            self._event(body, {"content": first})
            for piece in rest:
                self._event(body, {"content": piece})
            self._event(body, {}, self.state.finish)
            if self.state.counts:
                self._send({**self._chunk(body), "choices": [], "usage": self._usage(body, 3)})
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.state.aborted.set()
        except HangUp:
            self.connection.close()

    def _chunk(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

    def _event(self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> None:
        self._send({**self._chunk(body), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _send(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def saying(*pieces: str) -> Behave:
    """Always the same answer."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield from pieces

    return behave


def has_pictures(body: dict[str, Any]) -> bool:
    return any(
        part["type"] == "image_url"
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    )
