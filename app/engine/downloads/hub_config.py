"""The config.json of a model that is not on this machine, asked of the hub: a few kilobytes, or nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from app.engine.downloads.hub import HUB
from app.engine.http_client import NoAnswer, get_json

_MOST_BYTES = 1_000_000


def hub_config(model_id: str, *, endpoint: str | None = None, timeout_seconds: float = 1.5) -> Mapping[str, Any] | None:
    """What the hub has; None where it does not answer in time, does not have it, or may not give it."""
    place = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    url, token = f"{place}/{model_id}/resolve/main/config.json", os.environ.get("HF_TOKEN", "")
    try:
        config = get_json(url, api_key=token, timeout_seconds=timeout_seconds, local=False, most_bytes=_MOST_BYTES)
    except NoAnswer:
        return None
    return config if isinstance(config, dict) else None
