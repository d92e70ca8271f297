"""Chat model for LangChain with the settings and errors of FrameLens."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.outputs import ChatGenerationChunk

from framelens import config
from framelens.core.errors import ConfigError, EngineBrokeOff
from framelens.engine.remote_engine import RemoteEngine, normal_base_url
from framelens.llm.chat import EngineChat
from framelens.llm.error_mapping import engine_error
from framelens.python.messages import checked_language, localised

_NAMES = {"openai_api_base": "base_url", "model_name": "model", "openai_api_key": "api_key"}


class ChatModel(EngineChat):
    """A chat model served by vLLM, `framelens serve` or any other engine with the OpenAI chat completions API.

    Missing arguments come from the settings: `base_url` from FRAMELENS_BASE_URL (of several addresses the first in
    alphabetical order), `api_key` from FRAMELENS_API_KEY and `model` from VLLM_MODEL_PATH, or else the only model that
    the engine serves. Errors are subclasses of AppError and name the address; `str(error)` is a sentence.

    Raises:
        ConfigError: No address is given or set, or the address is malformed.
        EngineError: The engine can't be reached, refuses the request or breaks off.
    """

    def __init__(self, **fields: Any) -> None:
        with localised(checked_language(None)):
            super().__init__(**_complete_fields({_NAMES.get(name, name): value for name, value in fields.items()}))

    def __repr__(self) -> str:
        return f"ChatModel(model={self.model_name!r}, base_url={self.openai_api_base!r})"

    __str__ = __repr__

    async def _astream(self, *arguments: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        has_ended = False
        try:
            async for chunk in super()._astream(*arguments, **options):
                has_ended |= bool((chunk.generation_info or {}).get("finish_reason"))
                yield chunk
        except Exception as error:
            mapped = engine_error(error, base_url=self.openai_api_base, model=self.model_name)
            if mapped is None:
                raise
            with localised(checked_language(None)):
                raise mapped from error
        if not has_ended:  # the connection was closed before the answer's end
            with localised(checked_language(None)):
                raise EngineBrokeOff("engine_broke_off", base_url=self.openai_api_base)


def _complete_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields, with missing fields from the settings and the engine."""
    settings = config.load()
    defaults = {"base_url": next(iter(settings.base_urls), ""), "api_key": settings.api_key}
    fields = {**defaults, **{name: value for name, value in fields.items() if value is not None}}
    if not fields["base_url"]:
        raise ConfigError("chat_model_address")
    fields["base_url"] = normal_base_url(str(fields["base_url"]))
    if not fields.get("model"):
        fields["model"] = settings.requested_model or _served_model(
            fields["base_url"], fields["api_key"], settings.model_path
        )
    return fields


def _served_model(base_url: str, api_key: Any, preferred: str) -> str:
    """Return the only model that an engine serves, or the preferred one of several."""
    key = api_key.get_secret_value() if hasattr(api_key, "get_secret_value") else api_key
    return RemoteEngine(base_url, key, preferred=preferred).ensure_ready(lambda _: None, threading.Event()).model
