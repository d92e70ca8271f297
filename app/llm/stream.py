"""One request, streamed: yields pieces of text, ends with the whole Reply; a set cancel event ends it within 0.1 s.

The request runs as a task on the loop of `app.llm.http`, because only a task can be cancelled while it waits for a
token; cancelling closes the connection, and vLLM then aborts the request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage

from app.core.domain import Usage
from app.core.errors import AppError, EngineBrokeOff, EngineError
from app.core.redaction import masked
from app.llm.error_mapping import engine_error
from app.llm.http import on_request_loop

log = logging.getLogger(__name__)
# What the client library meets in an answer that is no JSON, no text, or of another shape: a proxy's page, for one.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError)


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
    answer, address = _Answer(), str(getattr(chat, "base_url", ""))
    asked = chat.astream(list(messages), **(options or {}))
    chunks = on_request_loop(asked if getattr(chat, "traced", False) else _untraced(asked), cancel)
    try:
        with closing(chunks):
            for chunk in chunks:
                if text := answer.add(chunk):
                    yield text
    except Exception as error:  # sorted here: ours, or a bug that goes on as it is
        ours = _ours(error, address)
        if ours is None:
            raise
        raise ours from error
    return answer.reply(address)


async def _untraced(chunks: AsyncIterator[AIMessageChunk]) -> AsyncIterator[AIMessageChunk]:
    """The same, kept out of LangSmith: LANGSMITH_TRACING is set for other programs, and frames are private."""
    from langsmith import tracing_context

    with tracing_context(enabled=False):
        async for chunk in chunks:
            yield chunk


def ask(chat: BaseChatModel, messages: Sequence[BaseMessage], *, cancel: threading.Event | None = None) -> Reply:
    """The whole answer at once, over the same path."""
    pieces = stream(chat, messages, cancel=cancel)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            reply: Reply = end.value
            return reply


def _ours(error: Exception, base_url: str) -> AppError | None:
    ours = engine_error(error, base_url=base_url)
    if ours is None and isinstance(error, _UNREADABLE):
        log.warning("an answer of %s could not be read", base_url, exc_info=True)
        return EngineError("engine_garbage", base_url=base_url, reason=masked(f"{type(error).__name__}: {error}")[:200])
    return ours
