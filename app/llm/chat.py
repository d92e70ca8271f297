"""LangChain chat model for engines with the OpenAI chat completions API.

Every request is streamed. LangChain's own class for this API uses OpenAI's client; with it the app needed twice the
processor time per request and half a second more for importing. On a machine without a GPU that is time taken from the
model.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel, agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, SecretStr

from app.llm.error_mapping import refusal_in_stream, refused
from app.llm.http import on_request_loop, posted

_GATHER_SECONDS = 0.05
"""Pieces of text that arrive faster than this are combined. Chosen by hand; not tuned."""


class EngineChat(BaseChatModel):
    """A chat model served by vLLM, `transformers serve` or any other OpenAI-compatible engine.

    Other parameters, given to a call or bound, are copied into the request's body. A refusal raises an AppError of
    `app.llm.error_mapping`, a network failure an error of aiohttp.

    Attributes:
        base_url: Address, ending in /v1.
        timeout_seconds: Bounds each wait for a piece of the answer.
        traced: False keeps requests made through `app.llm.stream` out of LangSmith, whatever the environment says.
    """

    model_config = ConfigDict(populate_by_name=True)

    base_url: str
    model_name: str = Field(alias="model")
    api_key: SecretStr = SecretStr("")
    max_tokens: int | None = None
    temperature: float | None = None
    stop: list[str] | None = None
    timeout_seconds: float = Field(600.0, alias="timeout")
    traced: bool = True

    @property
    def _llm_type(self) -> str:
        return "framelens-engine"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return False: the engine's address and key belong to this run and must not be written to files."""
        return False

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "framelens"
        # A model given for one call is the one that gets the request, so it is the one to record.
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return on_request_loop(self._astream(messages, stop, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        body, key = self._body(messages, stop, kwargs), self.api_key.get_secret_value()
        request = posted(
            f"{self.base_url}/chat/completions",
            api_key=key,
            timeout_seconds=self.timeout_seconds,
            data=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            headers={"Content-Type": "application/json"},
        )
        async with request as response:
            if response.status != 200:
                text = await response.text(errors="replace")
                raise refused(response.status, response.headers, text, model=self.model_name)
            events, answer, shown = _EventParser(), _PartialAnswer(self.model_name), 0.0
            async for data in response.content.iter_any():
                for event in events.feed(data):
                    answer.add(event)
                if answer.text and time.monotonic() - shown >= _GATHER_SECONDS:
                    yield _chunk(AIMessageChunk(content=answer.take_text()))
                    shown = time.monotonic()
            if events.any_received:
                yield _chunk(answer.last())

    def _body(self, messages: Sequence[BaseMessage], stop: list[str] | None, more: Mapping[str, Any]) -> dict[str, Any]:
        body = {
            "model": self.model_name,
            "messages": convert_to_openai_messages(messages),
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "stop": stop or self.stop or None,
            "stream": True,
            "stream_options": {"include_usage": True},
            **more,
        }
        return {name: value for name, value in body.items() if value is not None}


class _EventParser:
    """Parser of a stream of server-sent events, each one line of JSON, up to "[DONE]"."""

    def __init__(self) -> None:
        self.any_received = False
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """Add `data` and yield the events that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = line[5:].strip() if line.startswith(b"data:") else b""
            if event and event != b"[DONE]":
                self.any_received = True
                yield json.loads(event)


class _PartialAnswer:
    """Accumulator of one answer's events; `take_text` returns the text in pieces."""

    def __init__(self, model: str) -> None:
        self.text = ""
        self._model = model
        self._reason = ""
        self._usage: UsageMetadata | None = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event; raise the AppError of an error event."""
        if error := event.get("error"):
            raise refusal_in_stream(error, model=self._model)
        for choice in event.get("choices") or ():
            self.text += (choice.get("delta") or {}).get("content") or ""
            self._reason = choice.get("finish_reason") or self._reason
        if usage := event.get("usage"):  # cumulative
            prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
            self._usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)

    def take_text(self) -> str:
        """Return and remove the text that has arrived."""
        text, self.text = self.text, ""
        return text

    def last(self) -> AIMessageChunk:
        """Build the last chunk: the remaining text, the finish reason and the usage."""
        metadata = {"finish_reason": self._reason} if self._reason else {}
        return AIMessageChunk(
            content=self.take_text(),
            response_metadata={**metadata, "model_name": self._model},
            usage_metadata=self._usage,
            chunk_position="last",
        )


def _chunk(message: AIMessageChunk) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=message)


def connect(
    base_url: str,
    *,
    api_key: str,
    model: str,
    max_tokens: int = 1024,
    timeout_seconds: float = 600.0,
    temperature: float = 0.0,
    traced: bool = False,
) -> EngineChat:
    """Create a chat model for an engine.

    Args:
        base_url: Address, ending in /v1.
        api_key: Sent as a bearer token; "" for none.
        model: Name by which the engine serves the model.
        max_tokens: Longest answer.
        timeout_seconds: Bounds each wait for a token.
        temperature: 0 for the likeliest answer.
        traced: Whether LangSmith, if the environment enables it, may record requests and answers.
    """
    return EngineChat(
        base_url=base_url,
        model=model,
        api_key=SecretStr(api_key),
        max_tokens=max_tokens,
        temperature=temperature,
        timeout=timeout_seconds,
        traced=traced,
    )
