"""The config.json of a model that is not on this machine, asked of the hub: a few kilobytes, or nothing."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any

from app.engine.download import HUB

_MOST_BYTES = 1_000_000


def hub_config(model_id: str, *, endpoint: str | None = None, timeout_seconds: float = 1.5) -> Mapping[str, Any] | None:
    """What the hub has; None where it does not answer in time, does not have it, or may not give it."""
    place = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(f"{place}/{model_id}/resolve/main/config.json", headers=headers)
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:
            config = json.loads(answer.read(_MOST_BYTES))
    except (OSError, ValueError):  # URLError is an OSError
        return None
    return config if isinstance(config, dict) else None
