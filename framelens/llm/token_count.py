"""Token count of a request, exact, from an engine that can count. framelens.llm.token_estimate needs no engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from langchain_core.messages import BaseMessage, convert_to_openai_messages

from framelens.core.errors import EngineError, ImageRejected, PicturesRefused, RequestTooLarge
from framelens.http_client import short_request
from framelens.llm.messages import media_options
from framelens.llm.refusals import is_refusal, read_json, refused


@dataclass(frozen=True)
class TokenCount:
    """Exact length of a prompt and the model's limit, in tokens."""

    count: int
    max_model_len: int


def count_tokens(
    base_url: str,
    api_key: str,
    model: str,
    messages: Sequence[BaseMessage],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    timeout_seconds: float = 60.0,
) -> TokenCount | None:
    """Count the tokens of real messages with vLLM's POST /tokenize, without generating.

    Returns:
        The count and the limit, or None if the engine has no such route or doesn't answer.

    Raises:
        EngineError: The engine refuses the messages for their length or their pictures.
    """
    body = {"model": model, "messages": convert_to_openai_messages(list(messages)), "add_generation_prompt": True}
    body |= media_options(messages)
    if tools:
        body["tools"] = list(tools)
    counted = _tokenize(base_url, api_key, body, timeout_seconds)
    count, most = counted.get("count"), counted.get("max_model_len")
    is_count = isinstance(count, int) and isinstance(most, int) and count > 0 and most > 0
    return TokenCount(count, most) if is_count else None  # type: ignore[arg-type]  # mypy doesn't see through the flag


def token_ids(base_url: str, api_key: str, model: str, text: str, *, timeout_seconds: float = 60.0) -> list[int] | None:
    """Return the tokens of a text, or None if the engine can't list them; raises as `count_tokens`."""
    body = {"model": model, "prompt": text, "add_special_tokens": False}
    tokens = _tokenize(base_url, api_key, body, timeout_seconds).get("tokens")
    return tokens if isinstance(tokens, list) and all(isinstance(token, int) for token in tokens) else None


def _tokenize(base_url: str, api_key: str, body: Mapping[str, Any], timeout_seconds: float) -> Mapping[str, Any]:
    """Return the answer of POST /tokenize; empty if the engine lacks the route, doesn't answer, or refuses otherwise.

    Raises:
        EngineError: The engine refuses the messages for their length or their pictures.
    """
    url = base_url.removesuffix("/v1") + "/tokenize"
    try:
        answer = short_request(base_url, "POST", url, api_key=api_key, timeout_seconds=timeout_seconds, body=body)
    except (httpx.HTTPError, EngineError):
        return {}  # the request itself will report the cause
    document = read_json(answer.text)
    if not answer.is_success or is_refusal(document):
        error = refused(answer.status_code, answer.headers, answer.text)
        if isinstance(error, RequestTooLarge | PicturesRefused | ImageRejected):
            raise error
        return {}
    return document if isinstance(document, dict) else {}
