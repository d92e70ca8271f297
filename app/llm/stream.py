"""One request, streamed: yields pieces of text, ends with the whole Reply; a set cancel event ends it within 0.1 s.

The request runs on an event loop of its own in one daemon thread for the process, because only a task can be
cancelled while it waits for a token; cancelling closes the connection, and vLLM then aborts the request.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import cache
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage

from app.domain import Usage
from app.errors import Cancelled, EngineBrokeOff, EngineError
from app.llm.refusal import engine_error

log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
# What the client library meets in an answer that is no JSON, no text, or of another shape: a proxy's page, for one.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)
_first = threading.Lock()


@dataclass(frozen=True)
class Reply:
    """A whole answer: the sum of the streamed pieces. `usage` is None where the engine does not tell."""

    text: str
    finish_reason: str
    usage: Usage | None


class _Answer:
    """The pieces so far. Adding up whole chunks, as LangChain can, costs the more the longer the answer is."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._reason = ""
        self._usage: Usage | None = None
        self._is_empty = True

    def add(self, chunk: AIMessageChunk) -> str:
        """The text of this piece."""
        self._is_empty = False
        text = str(chunk.text)
        self._texts.append(text)
        self._reason = str(chunk.response_metadata.get("finish_reason") or self._reason)
        if counted := chunk.usage_metadata:  # of everything until now
            self._usage = Usage(counted["input_tokens"], counted["output_tokens"])
        return text

    def reply(self, base_url: str) -> Reply:
        """The whole. Raises EngineError where there is none."""
        if self._is_empty:
            raise EngineError("engine_empty_answer")
        if not self._reason:  # the connection was closed in an orderly way, but before the answer's end
            raise EngineBrokeOff("engine_broke_off", base_url=base_url)
        return Reply("".join(self._texts), self._reason, self._usage)


def stream(
    chat: BaseChatModel,
    messages: Sequence[BaseMessage],
    *,
    cancel: threading.Event | None = None,
    options: Mapping[str, Any] | None = None,
) -> Generator[str, None, Reply]:
    """Ask and yield the text as it comes; returns the Reply. Raises the AppErrors of `refusal`, or Cancelled.

    `options` are parameters of this one request, such as temperature or max_tokens.
    """
    chunks: queue.SimpleQueue[AIMessageChunk | None] = queue.SimpleQueue()
    task = asyncio.run_coroutine_threadsafe(_pump(chat, list(messages), chunks, dict(options or {})), request_loop())
    answer = _Answer()
    try:
        while (chunk := _next(chunks, task, cancel)) is not None:
            if text := answer.add(chunk):
                yield text
        _raise_as_ours(task, _address(chat), str(getattr(chat, "model_name", "")))
    finally:
        task.cancel()
    return answer.reply(_address(chat))


def ask(chat: BaseChatModel, messages: Sequence[BaseMessage], *, cancel: threading.Event | None = None) -> Reply:
    """The whole answer at once, over the same path."""
    pieces = stream(chat, messages, cancel=cancel)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            reply: Reply = end.value
            return reply


def request_loop() -> asyncio.AbstractEventLoop:
    """The one event loop of all requests, in a daemon thread of its own."""
    with _first:  # two loops would share one client, which knows only one
        return _the_loop()


@cache
def _the_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="engine-requests", daemon=True).start()
    return loop


async def _pump(
    chat: BaseChatModel,
    messages: list[BaseMessage],
    chunks: queue.SimpleQueue[AIMessageChunk | None],
    options: dict[str, Any],
) -> None:
    try:
        async for chunk in chat.astream(messages, **options):
            chunks.put(chunk)
    finally:
        chunks.put(None)


def _next(
    chunks: queue.SimpleQueue[AIMessageChunk | None], task: Future[None], cancel: threading.Event | None
) -> AIMessageChunk | None:
    while True:
        if cancel and cancel.is_set():
            raise Cancelled
        try:
            return chunks.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue


def _raise_as_ours(task: Future[None], base_url: str, model: str) -> None:
    try:
        task.result()
    except CancelledError:
        raise Cancelled from None
    except Exception as error:  # sorted here: ours, or a bug that goes on as it is
        ours = engine_error(error, base_url=base_url, model=model)
        if ours is None and isinstance(error, _UNREADABLE):
            log.warning("an answer of %s could not be read", base_url, exc_info=True)
            ours = EngineError("engine_garbage", base_url=base_url, reason=f"{type(error).__name__}: {error}"[:200])
        if ours is None:
            raise
        raise ours from error


def _address(chat: BaseChatModel) -> str:
    return str(getattr(chat, "openai_api_base", ""))
