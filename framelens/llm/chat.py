"""LangChain chat model for engines with the OpenAI chat completions API: langchain-openai's base class, adapted.

The base class reads settings for OpenAI's own service from the environment. Here all settings come from the fields.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Self, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai.lib._parsing import type_to_response_format_param
from pydantic import Field, SecretStr, model_validator

from framelens.http_client import on_request_loop
from framelens.llm.client import EngineClient
from framelens.llm.messages import media_options
from framelens.llm.reasoning import split_reasoning
from framelens.llm.refusals import read_json
from framelens.llm.token_count import count_tokens, token_ids

T = TypeVar("T")


class EngineChat(BaseChatOpenAI):
    """A chat model served by vLLM, `transformers serve` or any other OpenAI-compatible engine.

    Every request is streamed, so that the time limit bounds a single wait. Retries are left to the caller.
    Reasoning text is in `additional_kwargs["reasoning_content"]`, apart from the content.

    Attributes:
        openai_api_base: Address, ending in /v1; `base_url` when created.
        request_timeout: Bounds each wait for a piece of the answer, in seconds; `timeout` when created.
    """

    openai_api_base: str = Field(alias="base_url")
    model_name: str = Field(alias="model")
    openai_api_key: SecretStr = Field(default=SecretStr(""), alias="api_key")
    request_timeout: float = Field(default=600.0, alias="timeout")
    max_retries: int | None = 0
    stream_usage: bool | None = True
    stream_chunk_timeout: float | None = Field(default=None, exclude=True)
    use_responses_api: bool | None = False

    def __init__(self, **fields: Any) -> None:
        # The base class checks only whether `streaming` was given, not its value.
        super().__init__(**{"streaming": True, **fields})

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Create the client; the base class would read variables meant for OpenAI's own service."""
        self.root_async_client = EngineClient(
            self.openai_api_base,
            self.openai_api_key.get_secret_value(),
            timeout_seconds=self.request_timeout,
            headers=self.default_headers,
            query=self.default_query,
        )
        self.async_client = self.root_async_client.chat.completions
        return self

    @property
    def _llm_type(self) -> str:
        return "framelens-engine"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Return the parameters that answers depend on, which LangChain's caches use as a key."""
        return {**super()._identifying_params, "base_url": self.openai_api_base}

    def _resolve_model_profile(self) -> ModelProfile | None:
        return None  # the base class has profiles of OpenAI's models, by name

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "framelens"
        return params

    # ---- requests

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        extra_body = media_options(self._convert_input(input_).to_messages())
        if form := payload.pop("response_format", None):
            # In the extra body, so that OpenAI's client doesn't parse every piece of the answer into an object of the
            # caller's class, in a field without a declared type, which Pydantic warns of.
            extra_body["response_format"] = type_to_response_format_param(form)
        if extra_body:
            payload["extra_body"] = {**(payload.get("extra_body") or {}), **extra_body}
        return payload

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
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with closing(on_request_loop(self._astream(messages, stop, stream_usage=stream_usage, **kwargs))) as chunks:
            for chunk in chunks:
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        """Yield the chunks; if the answer is to be an object of a class, the last chunk has its values as `parsed`."""
        text = ""
        async for chunk in super()._astream(*args, **kwargs):
            text += chunk.text
            yield chunk
        if isinstance(kwargs.get("response_format"), type) and (values := read_json(split_reasoning(text).answer)):
            yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={"parsed": values}))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, **kwargs))

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        choices = chunk.get("choices")
        if converted and choices and (reasoning := (choices[0].get("delta") or {}).get("reasoning_content")):
            converted.message.additional_kwargs["reasoning_content"] = reasoning
        return converted

    # ---- token counts

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, from the engine.

        Raises:
            NotImplementedError: The engine has no /tokenize, or doesn't answer.
        """
        tokens = token_ids(self.openai_api_base, self.openai_api_key.get_secret_value(), self.model_name, text)
        return self._require_count(tokens)

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
        **kwargs: Any,
    ) -> int:
        """Count the tokens of messages with their images and tools, by the engine; raises as `get_token_ids`."""
        key, tool_forms = self.openai_api_key.get_secret_value(), [convert_to_openai_tool(tool) for tool in tools or ()]
        count = count_tokens(self.openai_api_base, key, self.model_name, messages, tools=tool_forms)
        return self._require_count(count).count

    def _require_count(self, counted: T | None) -> T:
        if counted is None:
            raise NotImplementedError(f"{self.openai_api_base} has no /tokenize, so tokens can't be counted")
        return counted


def connect(
    base_url: str,
    *,
    api_key: str,
    model: str,
    max_tokens: int = 1024,
    timeout_seconds: float = 600.0,
    temperature: float = 0.0,
    headers: Mapping[str, str] | None = None,
) -> EngineChat:
    """Create a chat model for an engine.

    Args:
        base_url: Address, ending in /v1.
        api_key: Sent as a bearer token; "" sends no token.
        model: Name by which the engine serves the model.
        max_tokens: Longest answer.
        timeout_seconds: Bounds each wait for a token.
        temperature: 0 for the likeliest answer.
        headers: More headers of every request.
    """
    return EngineChat(
        base_url=base_url,
        model=model,
        api_key=SecretStr(api_key),
        max_tokens=max_tokens,
        temperature=temperature,
        timeout=timeout_seconds,
        default_headers=headers,
    )
