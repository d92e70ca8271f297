"""Errors of model downloads: the worker's last message mapped to an error with its cause and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from app.core.errors import ModelNotFound, StorageError
from app.core.redaction import redact


def human_bytes(size: float) -> str:
    """Format `size` bytes in powers of 1000, as the hub does.

    >>> human_bytes(16_580_000_000)
    '16.6 GB'
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def failure(outcome: Mapping[str, object], model: str, endpoint: str, folder: Path) -> ModelNotFound | StorageError:
    """Build the error for the worker's `outcome`.

    Args:
        outcome: {"error": kind, "detail": …}, with "needed" and "free" bytes for a full disk.
        model: Hub id.
        endpoint: The hub's address.
        folder: Folder into which the model was to be downloaded.
    """
    detail = redact(str(outcome.get("detail", "")))
    match outcome["error"]:
        case "missing":
            return ModelNotFound("model_not_on_hub", model=model, endpoint=endpoint)
        case "gated":
            return ModelNotFound("model_gated", model=model, endpoint=endpoint, reason=detail)
        case "token":
            return ModelNotFound("model_token_refused", model=model, endpoint=endpoint, reason=detail)
        case "certificate":
            return ModelNotFound("model_hub_untrusted", model=model, endpoint=endpoint, reason=detail)
        case "corrupt":
            return ModelNotFound("model_download_corrupt", model=model, endpoint=endpoint, file=detail)
        case "disk_full":
            needed, free = outcome.get("needed"), outcome.get("free")
            return StorageError(
                "model_disk_full",
                model=model,
                folder=str(folder),
                needed=human_bytes(needed) if isinstance(needed, int) else "?",
                free=human_bytes(free) if isinstance(free, int) else "0 B",
            )
        case "unwritable":
            return StorageError("model_cache_unwritable", model=model, folder=str(folder), reason=detail)
        case "offline":
            return _unreachable(model, endpoint, "HF_HUB_OFFLINE=1")
    if outcome["error"] in ("proxy", "unreachable") and (proxy := proxy_for(endpoint)):
        return ModelNotFound("model_proxy_failed", model=model, endpoint=endpoint, proxy=proxy, reason=detail)
    return _unreachable(model, endpoint, detail)


def proxy_for(endpoint: str) -> str:
    """Return the environment's proxy for `endpoint` with secrets redacted, "" if there is none."""
    address = urlsplit(endpoint)
    proxies = getproxies()
    if not address.hostname or proxy_bypass(address.hostname):
        return ""
    return redact(proxies.get(address.scheme) or proxies.get("all") or "")


def _unreachable(model: str, endpoint: str, reason: str) -> ModelNotFound:
    short = model.rsplit("/", 1)[-1]
    return ModelNotFound("model_not_local", model=model, short=short, endpoint=endpoint, reason=reason)
