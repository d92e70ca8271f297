"""Limits of an engine's response, derived from what was requested; `framelens.http_client.limits` keeps to them."""

from collections.abc import Mapping, Sequence

from framelens.http_client.limits import ResponseLimits

_BASE_BYTES = 2**20
"""Bytes for the constant parts of an answer, and for comments that keep a connection alive."""
_TOKEN_BYTES = 1024
"""Bytes of a token on the wire: an event of vLLM with a token has 250."""
_CHOICE_BYTES = 256
"""Bytes of each alternative token with its probability."""
_VECTOR_BYTES = 512 * 2**10
"""Bytes of a vector: 20,000 numbers of 25 characters."""
_MOST_TOKENS = 32_768
"""Tokens of an answer without a stated limit: the largest value that FRAMELENS_ANSWER_TOKENS allows."""
_TOKEN_SECONDS = 3.0
"""Slowest time for a token: a tenth of the speed of a 7B model on eight cores."""


def limits_of(path: str, body: object, timeout_seconds: float) -> ResponseLimits:
    """Derive the limits of a response.

    Args:
        path: Path of the request.
        body: Parsed JSON of the request, if it has a JSON body.
        timeout_seconds: Limit of a single wait; it counts twice, for the queue of the engine and for the prompt.
    """
    asked = body if isinstance(body, Mapping) else {}
    if path.endswith("/embeddings"):
        texts = asked.get("input")
        count = len(texts) if isinstance(texts, Sequence) and not isinstance(texts, str) else 1
        return ResponseLimits(_BASE_BYTES + count * _VECTOR_BYTES, 2 * timeout_seconds)
    if not path.endswith("/completions"):
        return ResponseLimits(most_seconds=2 * timeout_seconds)
    tokens = (_count(asked, "max_completion_tokens") or _count(asked, "max_tokens") or _MOST_TOKENS) * (
        _count(asked, "n") or 1
    )
    choices = max(_count(asked, "top_logprobs"), _count(asked, "logprobs"))
    return ResponseLimits(
        _BASE_BYTES + tokens * (_TOKEN_BYTES + choices * _CHOICE_BYTES),
        2 * timeout_seconds + tokens * min(timeout_seconds, _TOKEN_SECONDS),
        event_seconds=timeout_seconds,
    )


def _count(asked: Mapping[str, object], name: str) -> int:
    value = asked.get(name)
    return value if isinstance(value, int) and value > 0 else 0
