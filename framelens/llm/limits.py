"""Deadline of a request to an engine, derived from what is requested; `framelens.http_client` keeps to it."""

from collections.abc import Mapping

from framelens.http_client import ResponseLimits

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
    seconds = 2 * timeout_seconds
    if path.endswith("/completions"):
        options = body if isinstance(body, Mapping) else {}
        tokens = _count(options, "max_completion_tokens") or _count(options, "max_tokens") or _MOST_TOKENS
        seconds += tokens * (_count(options, "n") or 1) * min(timeout_seconds, _TOKEN_SECONDS)
    return ResponseLimits(seconds, event_seconds=timeout_seconds)


def _count(options: Mapping[str, object], name: str) -> int:
    value = options.get(name)
    return value if isinstance(value, int) and value > 0 else 0
