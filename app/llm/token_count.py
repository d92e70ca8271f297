"""How many tokens a request costs: asked from the engine where it tells, estimated elsewhere.

What estimates is used by the page before a start: nothing heavy is imported before an engine is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

# Qwen2.5-VL: one token per 28 x 28 pixels, plus a start and an end mark per picture (its processor's factor).
_PIXELS_PER_TOKEN = 28 * 28
_MARKS_PER_PICTURE = 2
_TOKENS_PER_MARK_LINE = 24
_CHARACTERS_PER_TOKEN = 2.5  # a cautious mean over English (4) and Chinese (1.5)


@dataclass(frozen=True)
class TokenCount:
    """The prompt's exact length, and the model's limit, in tokens."""

    count: int
    max_model_len: int


def count_tokens(
    base_url: str, api_key: str, model: str, messages: Sequence[BaseMessage], *, timeout_seconds: float = 60.0
) -> TokenCount | None:
    """vLLM's POST /tokenize with the real messages: acceptance, count and limit without generating.

    None where the engine has no such route or does not answer it. Raises the AppErrors of `refusal` where the engine
    refuses the messages.
    """
    import httpx
    from langchain_core.messages import convert_to_openai_messages

    from app.llm.error_mapping import refused
    from app.llm.http import authorization, client

    body = {"model": model, "messages": convert_to_openai_messages(list(messages)), "add_generation_prompt": True}
    try:
        with client(base_url) as http:
            answer = http.post(
                base_url.removesuffix("/v1") + "/tokenize",
                json=body,
                headers=authorization(api_key),
                timeout=timeout_seconds,
            )
    except httpx.HTTPError:
        return None  # the request itself will say what is wrong
    if answer.status_code == 400:
        raise refused(400, answer.headers, answer.text)
    if answer.status_code != 200:
        return None
    told = answer.json()
    return TokenCount(int(told["count"]), int(told["max_model_len"])) if "count" in told else None


def estimate_frame_tokens(width: int, height: int, side: int) -> int:
    """Tokens of one frame of `width` x `height` pixels sent with its longer side at most `side`, and its mark."""
    scale = min(1.0, side / max(width, height, 1))
    pictures = round(width * scale) * round(height * scale) / _PIXELS_PER_TOKEN
    return int(pictures) + 1 + _MARKS_PER_PICTURE + _TOKENS_PER_MARK_LINE


def estimate_text_tokens(text: str) -> int:
    """A cautious estimate for text."""
    return int(len(text) / _CHARACTERS_PER_TOKEN) + 1
