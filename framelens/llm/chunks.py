"""Chunks of an answer in the shape that OpenAI's client declares, whatever an engine has sent.

Engines and gateways send the text as a list of parts, `null` for a delta, a whole message or bare text in its place,
and reasoning under several names; the client accepts all of these and warns when they are used. Reasoning is put under
`reasoning_content`; a model's own refusal becomes the answer; a `function_call` of former versions is a tool call.
"""

from collections.abc import Mapping
from typing import Any

_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Where engines put the text of a model's reasoning; vLLM has used the first two names."""
_REASONING_PARTS = ("thinking", "reasoning", "reasoning.text", "reasoning.summary")


def normal_chunk(data: Mapping[str, Any], *, is_whole: bool = False) -> dict[str, Any]:
    """Return a chunk with at most one choice, the first.

    Args:
        data: JSON of an event, or of an answer that isn't streamed.
        is_whole: The data is a whole answer, which is complete even without a reason for its end.
    """
    choices = data.get("choices")
    listed = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    first = next((one for one in listed if one.get("index") in (None, 0, "", "0")), None)
    created = data.get("created")
    return {
        "id": _text(data.get("id")),
        "object": "chat.completion.chunk",
        "created": created if type(created) is int else 0,
        "model": _text(data.get("model")),
        "choices": [_choice(first or {}, is_whole=is_whole)] if first or is_whole else [],
        **({"usage": usage} if (usage := _usage(data.get("usage"))) else {}),
    }


def _choice(choice: Mapping[str, Any], *, is_whole: bool) -> dict[str, Any]:
    delta = choice.get("delta") or choice.get("message")
    if not isinstance(delta, dict):
        delta = {"content": delta or choice.get("text")}
    text, reasoning = _content(delta.get("content"))
    apart = (delta.get(name) for name in _REASONING)
    reasoning = next((one for one in apart if one and isinstance(one, str)), reasoning)
    reasoning = reasoning or _content(delta.get("reasoning_details"))[1]
    kept = {name: value for name in ("role", "tool_calls") if (value := delta.get(name))}
    if isinstance(called := delta.get("function_call"), dict):
        kept.setdefault("tool_calls", [{"index": 0, "type": "function", "function": called}])
    reason = finish_reason(choice)
    return {
        "index": 0,
        "delta": {
            **kept,
            "content": text or _text(delta.get("refusal")),
            **({"reasoning_content": reasoning} if reasoning else {}),
        },
        "finish_reason": reason or ("stop" if is_whole else None),
        **({"logprobs": logprobs} if isinstance(logprobs := choice.get("logprobs"), dict) else {}),
    }


def finish_reason(choice: Mapping[str, Any]) -> str:
    """Return the reason for the end of an answer; "" (or "null", at some gateways) while it continues."""
    reason = str(choice.get("finish_reason") or "")
    return "" if reason.lower() in ("null", "none") else reason


def _content(content: object) -> tuple[str, str]:
    """Return text and reasoning in the content of a message, which may be a list of parts."""
    if not isinstance(content, list):
        return _text(content), ""
    text, reasoning = "", ""
    for part in content:
        if isinstance(part, dict) and part.get("type") in _REASONING_PARTS:
            thoughts = next((part[name] for name in ("thinking", "reasoning", "text", "summary") if part.get(name)), "")
            reasoning += _content(thoughts)[0]
        else:
            text += _text(part.get("text") if isinstance(part, dict) else part)
    return text, reasoning


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
