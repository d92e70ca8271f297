"""The LangChain chat model over an engine that speaks OpenAI chat completions.

It asks as a stream, always, and hands the text on as it comes. LangChain's own class for this protocol does the same
through OpenAI's client; with it, the app spent twice the processor on a request, and half a second more on importing.
On a machine without a GPU that is the model's own time.
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
"""Of text that comes faster than this, several pieces are handed on as one."""


class EngineChat(BaseChatModel):
    """A chat model served by vLLM, `transformers serve` or any other OpenAI-compatible engine.

    `base_url` ends in /v1; `timeout` bounds each wait for a piece of answer, in seconds. Whatever else is given to a
    call, or bound, goes into the request's body as it is. `traced` False keeps what `app.llm.stream` asks out of
    LangSmith, whatever the environment says. Raises the AppErrors of `app.llm.error_mapping` for what the engine
    refuses, and aiohttp's errors for what the network does.
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
        """False: the engine's address and key belong to this run and must not be written into anybody's file."""
        return False

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "framelens"
        # A model given for one call is the one that is asked, so it is the one to be recorded.
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
        asking = posted(
            f"{self.base_url}/chat/completions",
            api_key=key,
            timeout_seconds=self.timeout_seconds,
            data=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            headers={"Content-Type": "application/json"},
        )
        async with asking as response:
            if response.status != 200:
                text = await response.text(errors="replace")
                raise refused(response.status, response.headers, text, model=self.model_name)
            events, answer, shown = _Events(), _Answer(self.model_name), 0.0
            async for data in response.content.iter_any():
                for event in events.fed(data):
                    answer.add(event)
                if answer.text and time.monotonic() - shown >= _GATHER_SECONDS:
                    yield _chunk(AIMessageChunk(content=answer.taken()))
                    shown = time.monotonic()
            if events.any_came:
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


class _Events:
    """The server-sent events of a stream, each of which is one line of JSON, up to the one that says it is done."""

    def __init__(self) -> None:
        self.any_came = False
        self._rest = b""

    def fed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """What is whole by now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            told = line[5:].strip() if line.startswith(b"data:") else b""
            if told and told != b"[DONE]":
                self.any_came = True
                yield json.loads(told)


class _Answer:
    """What the events of one answer say, of which the text is taken as often as one likes."""

    def __init__(self, model: str) -> None:
        self.text = ""
        self._model = model
        self._reason = ""
        self._usage: UsageMetadata | None = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Raises what an error event means."""
        if error := event.get("error"):
            raise refusal_in_stream(error, model=self._model)
        for choice in event.get("choices") or ():
            self.text += (choice.get("delta") or {}).get("content") or ""
            self._reason = choice.get("finish_reason") or self._reason
        if usage := event.get("usage"):  # of everything until now
            asked, answered = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
            self._usage = UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)

    def taken(self) -> str:
        text, self.text = self.text, ""
        return text

    def last(self) -> AIMessageChunk:
        """What has not been taken, with all that is known at the end."""
        told = {"finish_reason": self._reason} if self._reason else {}
        return AIMessageChunk(
            content=self.taken(),
            response_metadata={**told, "model_name": self._model},
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
    """A chat model for the engine at `base_url` (ending in /v1). `timeout_seconds` bounds each wait for a token.

    `traced`: whether LangSmith may record what is asked and answered, where the environment sets it up.
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
