"""Chunks of an answer in the shape that OpenAI's client declares; what else an engine sends is left out.

The client accepts any shape, and warns when it is used. Reasoning is put under `reasoning_content`; a model's own
refusal becomes the answer.
"""

from collections.abc import Mapping
from typing import Any

from framelens.llm.dialects import StreamDialect


def normal_chunk(data: Mapping[str, Any], dialect: StreamDialect, *, is_whole: bool = False) -> dict[str, Any]:
    """Return a chunk with at most one choice, the first.

    Args:
        data: JSON of an event, or of an answer that isn't streamed.
        dialect: Dialect of the stream.
        is_whole: The data is a whole answer, which is complete even without a reason for its end.
    """
    choices = data.get("choices")
    forms = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    first = next((choice for choice in forms if choice.get("index") in (None, 0, "", "0")), None)
    created = data.get("created")
    return {
        "id": _text(data.get("id")),
        "object": "chat.completion.chunk",
        "created": created if type(created) is int else 0,
        "model": _text(data.get("model")),
        "choices": [_choice(dialect.choice(first or {}), is_whole=is_whole)] if first or is_whole else [],
        **({"usage": usage} if (usage := _usage(data.get("usage"))) else {}),
    }


def _choice(choice: Mapping[str, Any], *, is_whole: bool) -> dict[str, Any]:
    delta = choice.get("delta") or choice.get("message")
    delta = delta if isinstance(delta, dict) else {}
    reasoning = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))  # vLLM has used both
    reason = finish_reason(choice)
    return {
        "index": 0,
        "delta": {
            **{name: value for name in ("role", "tool_calls") if (value := delta.get(name))},
            "content": _text(delta.get("content")) or _text(delta.get("refusal")),
            **({"reasoning_content": reasoning} if reasoning else {}),
        },
        "finish_reason": reason or ("stop" if is_whole else None),
        **({"logprobs": logprobs} if isinstance(logprobs := choice.get("logprobs"), dict) else {}),
    }


def finish_reason(choice: Mapping[str, Any]) -> str:
    """Return the reason for the end of an answer; "" (or "null", at some gateways) while it continues."""
    reason = str(choice.get("finish_reason") or "")
    return "" if reason.lower() in ("null", "none") else reason


def _usage(usage: object) -> dict[str, Any] | None:
    """Return the counts of tokens; None if a count is missing, since a missing count isn't zero."""
    if not isinstance(usage, dict):
        return None
    counts = {name: count for name in ("prompt_tokens", "completion_tokens") if type(count := usage.get(name)) is int}
    if len(counts) < 2:
        return None
    details = {name: value for name, value in usage.items() if name.endswith("_details") and isinstance(value, dict)}
    return {**counts, "total_tokens": sum(counts.values()), **details}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
