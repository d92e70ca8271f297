"""An engine of known delay.

The first token of every answer comes after a fixed time, each further token a fixed time later, however many answers
are requested at once. So does vLLM on a machine with room to batch. Like the vLLM that FrameLens starts, it hands out
the first token at once and then four at a time.

It runs as a process of its own (`python -m benchmarks.analysis.scripted …`), so that its work is not the app's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.analysis.answers import answer_to, pieces, prompt_tokens

_AT_ONCE = 4


@dataclass(frozen=True)
class Delays:
    """Delays of the engine; `frame_tokens` is the cost of an image in the `context`."""

    first_seconds: float
    token_seconds: float
    frame_tokens: int
    context: int


@contextmanager
def serving(delays: Delays) -> Iterator[str]:
    """Start such an engine and yield its base URL."""
    command = [sys.executable, "-m", "benchmarks.analysis.scripted"]
    values = (delays.first_seconds, delays.token_seconds, delays.frame_tokens, delays.context)
    process = subprocess.Popen([*command, *map(str, values)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


async def _serve(delays: Delays) -> None:
    server = await asyncio.start_server(partial(_answer, delays), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(delays: Delays, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
        body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
        await _route(head.split(" ")[1], body, delays, writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _route(path: str, body: dict[str, Any], delays: Delays, writer: asyncio.StreamWriter) -> None:
    if path == "/v1/chat/completions":
        await _stream(body, delays, writer)
    elif path == "/v1/models":
        _json(writer, {"data": [{"id": "scripted", "max_model_len": delays.context}]})
    elif path == "/tokenize":
        tokens = prompt_tokens(body, frame_tokens=delays.frame_tokens)
        _json(writer, {"count": tokens, "max_model_len": delays.context})
    else:
        _json(writer, {"detail": "Not Found"}, "404 Not Found")


async def _stream(body: dict[str, Any], delays: Delays, writer: asyncio.StreamWriter) -> None:
    """Stream the tokens. Times count from the arrival, so that a late token doesn't delay later tokens."""
    now = asyncio.get_running_loop().time
    at = now() + delays.first_seconds
    tokens = pieces(answer_to(body))
    parts = [tokens[:1], *(tokens[start : start + _AT_ONCE] for start in range(1, len(tokens), _AT_ONCE))]
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for number, part in enumerate(parts):
        at += delays.token_seconds * len(part) * bool(number)
        await asyncio.sleep(at - now())
        _event(writer, {"choices": [_choice({"content": "".join(part)})]})
        await writer.drain()
    prompt = prompt_tokens(body, frame_tokens=delays.frame_tokens)
    usage = {"prompt_tokens": prompt, "completion_tokens": len(tokens), "total_tokens": prompt + len(tokens)}
    _event(writer, {"choices": [_choice({}, "stop")]})
    _event(writer, {"choices": [], "usage": usage})
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _event(writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
    whole = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted", **event}
    writer.write(f"data: {json.dumps(whole)}\n\n".encode())


def _json(writer: asyncio.StreamWriter, body: dict[str, Any], status: str = "200 OK") -> None:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("first_seconds", "token_seconds"):
        parser.add_argument(name, type=float)
    for name in ("frame_tokens", "context"):
        parser.add_argument(name, type=int)
    asyncio.run(_serve(Delays(**vars(parser.parse_args()))))
