"""An OpenAI-compatible server on loopback whose answers are scripted: for faults that a real engine will not give.

`behave(body)` gets the parsed request and yields pieces of text, or raises Refuse to answer with an HTTP error, Whole
to answer with any other body, or HangUp to break the connection, before its answer or in the middle. Yielded bytes go
into the stream unchanged, and a dictionary as an event's delta, for a tool call. It counts tokens as
`transformers serve` or vLLM would: by `sees`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests import loopback

Behave = Callable[[dict[str, Any]], Iterator[str | bytes | dict[str, Any]]]


@dataclass
class Refuse(Exception):
    status: int
    message: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Whole(Exception):
    """An answer that is no completion: a page of a proxy, nothing at all."""

    body: bytes
    status: int = 200
    content_type: str = "text/html"


class HangUp(Exception):
    pass


@dataclass(frozen=True)
class Flood:
    """A hostile response: pieces of a body without a stated length, which may never end."""

    pieces: Callable[[threading.Event], Iterator[bytes]]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream"


@dataclass
class Server:
    """`requests` are the chat completions that came, parsed. `aborted` is set when a client closed its connection.

    Those about the kind of a question are `classifications` instead, and answered with nothing, unless it `classifies`.

    While `dead` is set, it hangs up on every request; if it `returns`, until its models are asked
    for. `headers` are the completions' headers, in lower case. With `flood`, it answers every request with the flood.
    """

    behave: Behave
    sees: bool = True
    counts: bool = True
    context: int = 8192
    finish: str = "stop"
    model: str = "model"
    owner: str = "me"
    classifies: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    classifications: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)
    dead: threading.Event = field(default_factory=threading.Event)
    returns: bool = False
    metrics: str = ""
    base_url: str = ""
    flood: Flood | None = None

    def restart(self) -> NoReturn:
        """Hang up, on this request and on all others until somebody has looked whether the engine is there."""
        self.returns = True
        self.dead.set()
        raise HangUp

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        words, pictures = 4, 0
        for message in body["messages"]:
            parts = message["content"] if isinstance(message["content"], list) else [{"type": "text"}]
            for part in parts:
                pictures += part["type"] in ("image_url", "video_url")
                words += part["type"] == "text"
        return words * 6 + (pictures * 18 if self.sees else 0)


ONE_AT_A_TIME = 'vllm:cache_config_info{num_gpu_blocks="1",block_size="1"} 1\n'
"""Metrics of a server whose cache holds a single request."""


def serve(behave: Behave, **options: Any) -> AbstractContextManager[Server]:
    return loopback.scripted(_Handler, Server(behave, **options))


class _Handler(loopback.Handler):
    protocol_version = "HTTP/1.1"
    state: Server

    def do_GET(self) -> None:
        if self.state.flood:
            self._flood(self.state.flood)
            return
        if self.state.dead.is_set():
            self.close_connection = True
            if self.state.returns and self.path == "/v1/models":
                self.state.dead.clear()
            return
        if self.path == "/metrics" and self.state.metrics:
            self.send_whole(200, self.state.metrics.encode(), {"Content-Type": "text/plain"})
            return
        self.send_json(
            200, {"data": [{"id": self.state.model, "max_model_len": self.state.context, "owned_by": self.state.owner}]}
        )

    def do_POST(self) -> None:
        received = self.body()
        if self.state.flood:
            self._flood(self.state.flood)
            return
        body = json.loads(received)
        if self.state.dead.is_set():
            self.close_connection = True
            return
        if self.path != "/v1/chat/completions":
            self.send_json(404, {"detail": "Not Found"})
            return
        if body.get("response_format", {}).get("json_schema", {}).get("name") == "question":
            self.state.classifications.append(body)
            if not self.state.classifies:
                self._stream(body, "{}", iter(()))
                return
        self.state.requests.append(body)
        self.state.headers.append({name.lower(): value for name, value in self.headers.items()})
        try:
            pieces = self.state.behave(body)
            first = next(pieces, "")
        except Refuse as refuse:
            error = {"message": refuse.message, "param": refuse.param, "code": refuse.status}
            self.send_json(refuse.status, {"error": error}, refuse.headers)
            return
        except Whole as whole:
            self.send_whole(whole.status, whole.body, {"Content-Type": whole.content_type})
            return
        except HangUp:
            self.close_connection = True
            return
        self._stream(body, first, pieces) if body.get("stream") else self._whole(body, first + "".join(pieces))

    def _flood(self, flood: Flood) -> None:
        self.close_connection = True
        try:
            if flood.status:  # without a status, the pieces are the headers, too
                self.send_response(flood.status)
                for name, value in {"Content-Type": flood.content_type, "Connection": "close", **flood.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
            for piece in flood.pieces(self.state.aborted):
                self.wfile.write(piece)
                self.wfile.flush()
        except ConnectionError:
            self.state.aborted.set()

    def _usage(self, body: dict[str, Any], answered: int) -> dict[str, Any] | None:
        prompt = self.state.prompt_tokens(body)
        return {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}

    def _whole(self, body: dict[str, Any], text: str) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        self.send_json(200, {**whole, "usage": self._usage(body, 3)} if self.state.counts else whole)

    def _stream(self, body: dict[str, Any], first: str, rest: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self._event(body, {"role": "assistant", "content": ""})
            self._piece(body, first)
            for piece in rest:
                self._piece(body, piece)
            self._event(body, {}, self.state.finish)
            if self.state.counts:
                self._send({**self._chunk(body), "choices": [], "usage": self._usage(body, 3)})
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.state.aborted.set()
        except HangUp:
            self.connection.close()

    def _piece(self, body: dict[str, Any], piece: str | bytes | dict[str, Any]) -> None:
        if isinstance(piece, str):
            self._event(body, {"content": piece})
        elif isinstance(piece, dict):
            self._event(body, piece)
        else:
            self.wfile.write(piece)
            self.wfile.flush()

    def _chunk(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

    def _event(self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> None:
        self._send({**self._chunk(body), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _send(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()


def saying(*pieces: str) -> Behave:
    """Always the same answer."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield from pieces

    return behave


def following(body: dict[str, Any]) -> Iterator[str | dict[str, Any]]:
    """An answer as the request wants it: a form filled in, a tool called until it has answered, else words."""
    form = (body.get("response_format") or {}).get("type")
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools", ())}
    if form == "json_schema":
        yield json.dumps(_filled(body["response_format"]["json_schema"]["schema"]))
    elif form == "json_object":
        yield json.dumps({"setup": "Why?", "punchline": "Because."})
    elif tools and body["messages"][-1]["role"] != "tool":
        choice = body.get("tool_choice")
        tool = tools[choice["function"]["name"]] if isinstance(choice, dict) else next(iter(tools.values()))
        arguments = json.dumps(_filled(tool["parameters"]), ensure_ascii=False)
        call = {"index": 0, "id": "call-1", "type": "function"}
        yield {"tool_calls": [{**call, "function": {"name": tool["name"], "arguments": arguments[:4]}}]}
        yield {"tool_calls": [{"index": 0, "function": {"arguments": arguments[4:]}}]}
    else:
        yield from ("Three ", "words ", "here")


def _filled(schema: dict[str, Any]) -> Any:
    if kinds := schema.get("anyOf"):
        return _filled(kinds[0])
    if schema["type"] == "object":
        return {name: _filled(part) for name, part in schema.get("properties", {}).items()}
    if schema["type"] == "array":
        return [_filled(schema["items"])] if "items" in schema else []
    values = {"string": "你好こんにちは", "integer": 3, "number": 0.5, "boolean": True, "null": None}
    return values[schema["type"]]


def has_pictures(body: dict[str, Any]) -> bool:
    return any(
        part["type"] == "image_url"
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    )


def say(text: str, *pictures: str) -> list[Any]:
    """The messages of a user who shows pictures and asks about them."""
    parts = [{"type": "image_url", "image_url": {"url": picture}} for picture in pictures]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]
