"""How many tokens an engine can hold at the same time, from what it says of itself; vLLM tells it in its metrics."""

from __future__ import annotations

import httpx

from app.core import prometheus_text
from app.llm.http import authorization, client

_CACHE = "vllm:cache_config_info"


def cache_tokens(base_url: str, api_key: str, *, timeout_seconds: float = 5.0) -> int | None:
    """Tokens of the key-value cache, which all requests in flight share; None where the engine does not tell."""
    try:
        with client(base_url) as http:
            answer = http.get(
                prometheus_text.metrics_url(base_url), headers=authorization(api_key), timeout=timeout_seconds
            )
    except httpx.HTTPError:
        return None
    if answer.status_code != 200:
        return None
    told = next((labels for _, labels, _ in prometheus_text.read(answer.text, {_CACHE})), {})
    for tokens in (told.get("kv_cache_size_tokens"), _product(told.get("num_gpu_blocks"), told.get("block_size"))):
        if tokens and tokens.isdecimal() and int(tokens) > 0:
            return int(tokens)
    return None


def _product(blocks: str | None, size: str | None) -> str | None:
    """Older versions tell the blocks alone."""
    return str(int(blocks) * int(size)) if blocks and size and blocks.isdecimal() and size.isdecimal() else None
