"""Size of an engine's key-value cache, as vLLM publishes it in its metrics."""

from __future__ import annotations

import httpx

from app.core import prometheus_text
from app.llm.http import authorization, client

_CACHE = "vllm:cache_config_info"


def cache_tokens(base_url: str, api_key: str, *, timeout_seconds: float = 5.0) -> int | None:
    """Get the size in tokens of the key-value cache that all running requests share, or None if not published."""
    try:
        with client(base_url) as http:
            answer = http.get(
                prometheus_text.metrics_url(base_url), headers=authorization(api_key), timeout=timeout_seconds
            )
    except httpx.HTTPError:
        return None
    if answer.status_code != 200:
        return None
    labels = next((labels for _, labels, _ in prometheus_text.read(answer.text, {_CACHE})), {})
    for tokens in (
        labels.get("kv_cache_size_tokens"),
        _product(labels.get("num_gpu_blocks"), labels.get("block_size")),
    ):
        if tokens and tokens.isdecimal() and int(tokens) > 0:
            return int(tokens)
    return None


def _product(blocks: str | None, size: str | None) -> str | None:
    """Return blocks times block size; older versions publish only these."""
    return str(int(blocks) * int(size)) if blocks and size and blocks.isdecimal() and size.isdecimal() else None
