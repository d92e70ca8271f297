"""The LangChain chat model over an engine that speaks OpenAI chat completions.

ChatOpenAI does the work; this class fixes what an engine of our own needs: token usage in every stream, no retries
behind the user's back, one name for tracing, and no request to anybody else's server.
"""

from __future__ import annotations

from typing import Any

import httpx
from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from app.llm.http import async_client


class EngineChat(ChatOpenAI):
    """A chat model served by vLLM, `transformers serve` or any other OpenAI-compatible engine.

    Build it with `connect`; every parameter of ChatOpenAI can be given too.
    """

    stream_usage: bool | None = True
    max_retries: int | None = 0
    use_responses_api: bool | None = False
    # LangChain would give up after 120 s without a piece of answer, and a CPU may read a large request for longer; the
    # client's own time limit, which the user sets, bounds each wait.
    stream_chunk_timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "framelens-engine"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """False: the engine's address and key belong to this run and must not be written into anybody's file."""
        return False

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """As ChatOpenAI builds it, but with the name of the length limit that every engine knows."""
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if "max_completion_tokens" in payload:
            payload["max_tokens"] = payload.pop("max_completion_tokens")
        return payload

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "framelens"
        # A model given for one call is the one that is asked, so it is the one to be recorded.
        params["ls_model_name"] = kwargs.get("model") or self.model_name
        return params


def connect(
    base_url: str,
    *,
    api_key: str,
    model: str,
    max_tokens: int = 1024,
    timeout_seconds: float = 600.0,
    temperature: float = 0.0,
    **more: Any,
) -> EngineChat:
    """A chat model for the engine at `base_url` (ending in /v1). `timeout_seconds` bounds each wait for a token."""
    return EngineChat(
        base_url=base_url,
        api_key=SecretStr(api_key or "none"),
        model=model,
        max_tokens=max_tokens,  # type: ignore[call-arg]  # the alias of max_completion_tokens
        temperature=temperature,
        timeout=httpx.Timeout(timeout_seconds, connect=10.0),
        http_async_client=async_client(base_url),
        **more,
    )
