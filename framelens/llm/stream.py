"""Streamed chat requests: pieces of text, then the whole Reply; a cancel event takes effect within 0.1 s.

Reasoning is never part of the text, whether the engine sends it apart or within the answer (`framelens.llm.reasoning`).
These requests offer no tools, but some gateways answer a schema with the call of a tool, whose arguments are the text.

A request runs as a task on the loop of `framelens.http_client`, because only a task can be cancelled while it
waits for a token. Cancelling closes the connection, and vLLM then aborts the request.
"""

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langsmith import tracing_context

from framelens.core.domain import Usage
from framelens.core.errors import EngineBrokeOff, EngineError
from framelens.core.events import value_of
from framelens.http_client import on_request_loop
from framelens.llm.error_mapping import answer_error
from framelens.llm.reasoning import SplitAnswer, answer_in, split_reasoning, unfinished_mark
from framelens.llm.refusals import refused_in_answer
from framelens.llm.retries import waited

log = logging.getLogger(__name__)
_LONG_TOKEN_BYTES, _LONGEST_TOKEN_BYTES = 8, 32
"""Mean bytes of a token: prose never exceeds the first (English and Chinese have 4 to 5), and only rows of a single
repeated character exceed the second."""
_GATHER_SECONDS = 0.05
"""Pieces of text that arrive faster than this are combined."""
_REASONS = {
    "length": r"length|tokens|token_limit|context_window",
    "content_filter": r"filter|sensitive|safety|prohibited|blocklist|guardrail|recitation",
    "broken": r"abort|cancel|error|exception|fail|insufficient|overload|rate_limit|timeout",
}
"""Words in the reasons that cut an answer short; reasons without them, such as "eos", mean completion."""
_CUMULATIVE_LETTERS = 4
"""Least number of different characters in the text from which pieces are recognized as cumulative."""


@dataclass(frozen=True)
class Reply:
    """A complete answer: the sum of the streamed pieces.

    Attributes:
        text: The answer.
        finish_reason: Why it ended: "stop", "length" or "content_filter".
        usage: None if the engine doesn't report it.
        is_reasoned: There is reasoning, but no text.
    """

    text: str
    finish_reason: str
    usage: Usage | None
    is_reasoned: bool = False


@dataclass(frozen=True)
class AnswerPiece:
    """A piece of an answer as it arrives, or of the reasoning before it.

    With `restart`, all text so far was reasoning, and `text` is the answer from its beginning.
    """

    text: str
    reasoning: str = ""
    restart: bool = False


class _PartialReply:
    """Accumulator of the received pieces. LangChain's sum of chunks costs more the longer the answer is."""

    def __init__(self) -> None:
        self._whole = self._apart = self._called = self._latest = ""
        self._num_growing = 0  # pieces that begin with the piece before; below 0 once a piece doesn't
        self._split = SplitAnswer("")
        self._reason = ""
        self._usage: Usage | None = None
        self._num_pieces = self._num_bytes = 0

    def add(self, chunks: Sequence[AIMessageChunk]) -> AnswerPiece:
        """Add chunks and return the text that they add to the answer and its reasoning."""
        apart = "".join(map(self._note, chunks))
        piece = self._separate(self._whole[: len(self._whole) - unfinished_mark(self._whole)])
        return replace(piece, reasoning=apart + piece.reasoning)

    def end(self) -> AnswerPiece:
        """Return the text that was held back as a possible mark of reasoning, or that was sent as something else."""
        if not self._whole.strip():
            self._whole = self._called or answer_in(self._apart)
        return self._separate(self._whole)

    def _note(self, chunk: AIMessageChunk) -> str:
        """Add a chunk and return the reasoning that the engine sends apart from the text."""
        text, apart = str(chunk.text), _reasoning(chunk)
        self._whole = text if self._is_whole(text) else self._whole + text
        self._apart += apart
        self._called += "".join(str(call["args"] or "") for call in chunk.tool_call_chunks)
        self._reason = str(chunk.response_metadata.get("finish_reason") or self._reason)
        if counted := chunk.usage_metadata:  # cumulative
            self._usage = Usage(counted["input_tokens"], counted["output_tokens"])
        self._num_pieces += bool(text or apart)
        self._num_bytes += len((text + apart).encode(errors="replace"))
        return apart

    def _is_whole(self, text: str) -> bool:
        """Return whether the pieces are cumulative: the third and each later piece begins with the piece before."""
        if not text or self._num_growing < 0:
            return False
        before, self._latest = self._latest, text
        grows = text.startswith(before) and (text != before or self._num_growing > 2)
        self._num_growing = self._num_growing + 1 if grows else -1
        return self._num_growing > 2 and len(set(before)) >= _CUMULATIVE_LETTERS

    def _separate(self, whole: str) -> AnswerPiece:
        before, self._split = self._split, split_reasoning(whole)
        new = self._split
        restart = not new.answer.startswith(before.answer)
        text = new.answer if restart else new.answer[len(before.answer) :]
        has_more = new.reasoning.startswith(before.reasoning)
        return AnswerPiece(text, new.reasoning[len(before.reasoning) :] if has_more else "", restart)

    def exceeds(self, most_tokens: int) -> bool:
        """Return whether the answer has more tokens than were requested, so that the engine ignores the limit.

        Engines usually send a token in each piece, but some send several tokens, or single letters.
        """
        is_long = self._num_pieces > most_tokens and self._num_bytes > most_tokens * _LONG_TOKEN_BYTES
        return is_long or self._num_bytes > most_tokens * _LONGEST_TOKEN_BYTES

    def cut(self) -> Reply:
        """Return the received text as an answer that reached its limit of tokens."""
        return self._reply("length")

    def reply(self, base_url: str) -> Reply:
        """Return the complete answer; raise EngineError if it was cut off or refused by a filter."""
        reason = self._reason.lower().replace("-", "_")
        finish = next((name for name, pattern in _REASONS.items() if re.search(pattern, reason)), "stop")
        refusal = refused_in_answer(self._split.answer, has_failed=reason == "error")
        if refusal and reason:
            raise refusal
        if not reason or finish == "broken":  # without a reason, the connection was closed before the answer's end
            raise EngineBrokeOff("engine_broke_off", base_url=base_url)
        if finish == "content_filter" and not self._split.answer:
            raise EngineError("engine_filtered", status=200, reason=self._reason)
        return self._reply(finish)

    def _reply(self, finish_reason: str) -> Reply:
        text, reasoning = self._split.answer, self._apart + self._split.reasoning
        return Reply(text, finish_reason, self._usage, is_reasoned=bool(reasoning.strip() and not text.strip()))


def stream_pieces(
    chat: BaseChatModel,
    messages: Sequence[BaseMessage],
    *,
    cancel: threading.Event | None = None,
    options: Mapping[str, Any] | None = None,
) -> Generator[AnswerPiece, None, Reply]:
    """Send a request and yield text and reasoning as they arrive.

    Args:
        chat: The chat model.
        messages: The request.
        cancel: Ends the request within 0.1 s of being set.
        options: Parameters of this request, such as temperature or max_tokens.

    Returns:
        The Reply, as the generator's return value; an engine that ignores max_tokens is cut off there.

    Raises:
        AppError: The engine refuses (see `framelens.llm.refusals`), fails, or answers nothing.
        Cancelled: `cancel` was set.
    """
    answer, address = _PartialReply(), str(getattr(chat, "openai_api_base", ""))
    most_tokens = (options or {}).get("max_tokens") or getattr(chat, "max_tokens", None)
    gathered = _group_chunks(_without_tracing(chat.astream(list(messages), **(options or {}))))
    try:
        with closing(on_request_loop(gathered, cancel)) as groups:
            for chunks in groups:
                piece = answer.add(chunks)
                if piece.text or piece.reasoning or piece.restart:
                    yield piece
                if most_tokens and answer.exceeds(most_tokens):
                    log.warning("%s ignores max_tokens = %s; the answer is cut off", address, most_tokens)
                    return answer.cut()
    except Exception as error:  # mapped to an AppError, or a bug that is raised unchanged
        mapped = answer_error(error, base_url=address, model=str(getattr(chat, "model_name", "")))
        if mapped is None:
            raise
        raise mapped from error
    if (piece := answer.end()).text or piece.restart:
        yield piece
    return answer.reply(address)


async def _group_chunks(chunks: AsyncIterator[AIMessageChunk]) -> AsyncIterator[list[AIMessageChunk]]:
    """Yield the chunks in groups, since passing each chunk between threads costs time; the last isn't delayed."""
    group: list[AIMessageChunk] = []
    has_text = asyncio.Event()

    async def receive() -> None:
        async for chunk in chunks:
            group.append(chunk)
            if chunk.text or _reasoning(chunk):
                has_text.set()

    receiving = asyncio.create_task(receive())
    receiving.add_done_callback(lambda _: has_text.set())
    try:
        while not receiving.done() or group:
            await has_text.wait()
            has_text.clear()
            if group:
                batch, group[:] = list(group), []
                yield batch
            await asyncio.wait({receiving}, timeout=_GATHER_SECONDS)
        receiving.result()
    finally:
        receiving.cancel()
        await asyncio.wait({receiving})


def _reasoning(chunk: AIMessageChunk) -> str:
    return str(chunk.additional_kwargs.get("reasoning_content") or "")


async def _without_tracing(chunks: AsyncIterator[AIMessageChunk]) -> AsyncIterator[AIMessageChunk]:
    """Yield the chunks without LangSmith: LANGSMITH_TRACING is set for other programs, and frames are private."""
    with tracing_context(enabled=False):
        async for chunk in chunks:
            yield chunk


def ask(chat: BaseChatModel, messages: Sequence[BaseMessage], *, cancel: threading.Event | None = None) -> Reply:
    """Send a request through `stream_pieces`, again if the engine is busy, and return the complete answer.

    Raises:
        AppError: As `stream_pieces`.
    """
    stop = cancel or threading.Event()
    return waited(lambda: value_of(stream_pieces(chat, messages, cancel=stop)), stop)
