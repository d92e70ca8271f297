"""Model downloads from a hub into a local folder, with progress, cancelling and resuming.

The download runs in `worker.py` as a child process: it can be stopped at once, and the next attempt continues with the
bytes that have arrived. The environment chooses the hub, its address and its cache unless they are given.
"""

import json
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from framelens.core.child_environment import hub_environment, with_package
from framelens.core.engines.model_hub import HubKind, ModelHub, chosen_hub
from framelens.core.errors import Cancelled, ModelNotFound, StorageError
from framelens.core.events import EngineProgress, ProgressListener
from framelens.core.installation import require
from framelens.core.redaction import redact
from framelens.core.units import clock, foreign_number, human_size
from framelens.engine import hub_cache, model_resolution
from framelens.engine.local.child_process import ChildProcess, LogReader
from framelens.engine.short_requests import NoAnswer, get_json

LOOK_SECONDS = 0.2
"""Interval between looks at the worker's messages."""
_RATE_SECONDS = 10.0
"""Window of the download rate."""
WORKER = (sys.executable, "-P", "-m", "framelens.engine.downloads.worker")


def fetch_model(
    model: str,
    on_progress: ProgressListener,
    cancel: threading.Event,
    *,
    needs_tokenizer: bool = True,
    allow_pickle: bool = False,
) -> Path:
    """Return the checked folder of `model` on this machine, downloading it first if needed.

    Pickles are neither downloaded nor accepted unless `allow_pickle` is set.

    Raises:
        ModelNotFound: It doesn't exist, can't be downloaded, or is incomplete.
        StorageError: The disk is full or the folder not writable.
        Cancelled: `cancel` was set.
    """
    on_progress(EngineProgress("checking", {"model": model}))
    reference = model_resolution.resolve_model(model)
    folder = reference.folder
    if folder is None:
        assert reference.hub_id is not None
        folder = download(reference.hub_id, on_progress, cancel, allow_pickle=allow_pickle)
    model_resolution.check_model_folder(folder, needs_tokenizer=needs_tokenizer, allow_pickle=allow_pickle)
    return folder


def download(
    model_id: str,
    on_progress: ProgressListener,
    cancel: threading.Event,
    *,
    hub: ModelHub | None = None,
    cache_dir: Path | None = None,
    folder: Path | None = None,
    allow_pickle: bool = False,
    only: Sequence[str] = (),
) -> Path:
    """Download the missing files of `model_id` and return the model's folder.

    Nothing is downloaded unless the disk has room for all of it. Weights resume where an earlier attempt stopped,
    however it ended; every file is checked against the hub's hash.

    Progress has the phase "downloading" with numbers (files_done, files_total, bytes_done, bytes_total,
    bytes_per_second and seconds_left, both None until the rate is known) and texts (done, total, pace).

    Args:
        model_id: Hub id.
        on_progress: Called in the caller's own thread.
        cancel: Stops the download; the bytes that have arrived are kept.
        hub: The hub; None uses the environment's.
        cache_dir: The hub's cache; None uses the environment's.
        folder: Destination instead of the cache.
        allow_pickle: Whether pickles may be downloaded, which can run any code while they are loaded.
        only: Paths of the files to download; empty for all.

    Raises:
        ModelNotFound: No such model, no access, hub unreachable, weights in pickles alone, or files that differ from
            the hub's.
        StorageError: The disk is full or the folder not writable.
        ConfigError: The hub's client is not installed.
        Cancelled: `cancel` was set.
    """
    require("huggingface_hub")
    hub = hub or chosen_hub()
    cache = cache_dir or hub_cache.hub_cache_folder(hub)
    order = {
        "model": model_id,
        "hub": hub.kind,
        "endpoint": hub.endpoint,
        "cache_dir": str(cache),
        "target": str(hub_cache.modelscope_folder(cache, model_id)),
        "folder": str(folder) if folder else None,
        "unneeded": model_resolution.UNNEEDED_FILES,
        "older_weights": model_resolution.OLDER_WEIGHTS,
        "pickles": [] if allow_pickle else model_resolution.PICKLES,
        "weights": model_resolution.SAFE_WEIGHTS,
        "only": list(only),
    }
    with tempfile.TemporaryDirectory(prefix="framelens-fetch-") as temporary_folder:
        log_path = Path(temporary_folder) / "fetch.log"
        environment = {**with_package(hub_environment()), "HF_HUB_DISABLE_TELEMETRY": "1"}
        child = ChildProcess.start([*WORKER, json.dumps(order)], environment=environment, log_path=log_path)
        try:
            outcome = _follow(child, LogReader(log_path), model_id, on_progress, cancel)
        finally:
            child.stop()
    if "folder" in outcome:
        return Path(str(outcome["folder"]))
    raise failure(outcome, model_id, hub, folder or cache)


def _follow(
    child: ChildProcess, reader: LogReader, model_id: str, on_progress: ProgressListener, cancel: threading.Event
) -> Mapping[str, object]:
    """Forward progress until the worker's final message, and return that."""
    last_noise, rate = "", DownloadRate()
    while True:
        ended = child.exit_status is not None  # checked before reading, so that the last lines aren't missed
        for line in reader.new_lines():
            message = _message(line)
            if message is None:
                last_noise = line
            elif "bytes" in message:
                on_progress(_progress(model_id, message, rate))
            else:
                return message
        if ended:
            return {"error": "failed", "detail": last_noise or f"exit status {child.exit_status}"}
        if cancel.wait(LOOK_SECONDS):
            raise Cancelled


def _message(line: str) -> dict[str, object] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


class DownloadRate:
    """Rate at which bytes arrive, over the last ten seconds: older data predicts little."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, arrived: int, now: float) -> float | None:
        """Add a sample and return the rate.

        Args:
            arrived: Total bytes that have arrived.
            now: Time in seconds.

        Returns:
            Bytes per second, or None while there are too few samples.
        """
        if self._seen and arrived < self._seen[-1][1]:  # a broken file is downloaded again
            self._seen.clear()
        self._seen.append((now, arrived))
        while now - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        then, before = self._seen[0]
        return (arrived - before) / (now - then) if now - then >= 1.0 and arrived > before else None


def _progress(model_id: str, message: dict[str, object], rate: DownloadRate) -> EngineProgress:
    files, sizes = message["files"], message["bytes"]
    assert isinstance(files, list) and isinstance(sizes, list)
    per_second = rate.update(sizes[0], time.monotonic())
    seconds_left = round((sizes[1] - sizes[0]) / per_second) if per_second else None
    numbers = {"files_done": files[0], "files_total": files[1], "bytes_done": sizes[0], "bytes_total": sizes[1]}
    texts = {
        "done": human_size(sizes[0]),
        "total": human_size(sizes[1]),
        "pace": _format_rate(per_second, seconds_left),
    }
    return EngineProgress(
        "downloading",
        {"model": model_id, **numbers, "bytes_per_second": per_second, "seconds_left": seconds_left, **texts},
    )


def _format_rate(rate: float | None, seconds_left: int | None) -> str:
    """Format rate and remaining time without words; "" while the rate is unknown."""
    if rate is None or seconds_left is None:
        return ""
    return f" · {human_size(rate)}/s · {clock(seconds_left, digits=0, form='m')}"


def hub_config(model_id: str, *, hub: ModelHub | None = None) -> Mapping[str, Any] | None:
    """Get a model's config.json from the hub; None if it is unreachable, missing or gated."""
    return _hub_object(model_id, "config.json", hub)


def hub_weights_bytes(model_id: str, *, hub: ModelHub | None = None) -> int:
    """Get the size of a model's weights from the index of its safetensors on the hub; 0 without an index."""
    metadata = (_hub_object(model_id, "model.safetensors.index.json", hub) or {}).get("metadata")
    return round(foreign_number(metadata.get("total_size"), most=1e15) or 0) if isinstance(metadata, Mapping) else 0


def _hub_object(model_id: str, name: str, hub: ModelHub | None) -> Mapping[str, Any] | None:
    hub = hub or chosen_hub()
    try:
        value = get_json(hub.file_url(model_id, name), api_key=hub.token, timeout_seconds=1.5)
    except NoAnswer:
        return None
    return value if isinstance(value, dict) else None


def failure(outcome: Mapping[str, object], model: str, hub: ModelHub, folder: Path) -> ModelNotFound | StorageError:
    """Build the error for the worker's `outcome`.

    Args:
        outcome: {"error": kind, "detail": …}, with "needed" and "free" bytes for a full disk.
        model: Hub id.
        hub: The hub.
        folder: Folder into which the model was to be downloaded.
    """
    detail = redact(str(outcome.get("detail", "")))
    match outcome["error"]:
        case "pickled":
            files = outcome.get("files")
            return model_resolution.pickle_error(model, files if isinstance(files, list) else [])
        case "missing" | "gated" | "token" as kind:
            return ModelNotFound(_REFUSALS[hub.kind][kind], model=model, endpoint=hub.endpoint, reason=detail)
        case "certificate":
            return ModelNotFound("model_hub_untrusted", model=model, endpoint=hub.endpoint, reason=detail)
        case "corrupt":
            values = {"model": model, "endpoint": hub.endpoint, "file": detail, "setting": hub.endpoint_setting}
            return ModelNotFound("model_download_corrupt", **values)
        case "disk_full" | "unwritable":
            return _disk_error(outcome, model, hub, folder)
        case "offline":
            return _unreachable(model, hub, "HF_HUB_OFFLINE=1")
    if outcome["error"] in ("proxy", "unreachable") and (proxy := proxy_for(hub.endpoint)):
        key = "model_proxy_failed" if hub.kind == "huggingface" else "model_proxy_failed_modelscope"
        return ModelNotFound(key, model=model, endpoint=hub.endpoint, proxy=proxy, reason=detail)
    return _unreachable(model, hub, detail)


_REFUSALS: dict[HubKind, dict[str, str]] = {
    "huggingface": {"missing": "model_not_on_hub", "gated": "model_gated", "token": "model_token_refused"},
    "modelscope": {
        "missing": "model_not_on_modelscope",
        "gated": "model_gated_on_modelscope",
        "token": "model_token_refused_by_modelscope",
    },
}


def _disk_error(outcome: Mapping[str, object], model: str, hub: ModelHub, folder: Path) -> StorageError:
    values = {"model": model, "folder": str(folder), "setting": hub.cache_setting}
    if outcome["error"] == "unwritable":
        return StorageError("model_cache_unwritable", **values, reason=redact(str(outcome["detail"])))
    needed, free = outcome.get("needed"), outcome.get("free")
    sizes = {
        "needed": human_size(needed) if isinstance(needed, int) else "?",
        "free": human_size(free) if isinstance(free, int) else "0 B",
    }
    return StorageError("model_disk_full", **values, **sizes)


def proxy_for(endpoint: str) -> str:
    """Return the environment's proxy for `endpoint` with secrets redacted, or ""."""
    address = urlsplit(endpoint)
    proxies = getproxies()
    if not address.hostname or proxy_bypass(address.hostname):
        return ""
    return redact(proxies.get(address.scheme) or proxies.get("all") or "")


def _unreachable(model: str, hub: ModelHub, reason: str) -> ModelNotFound:
    key = "model_not_local" if hub.kind == "huggingface" else "model_not_local_modelscope"
    short = model.rsplit("/", 1)[-1]
    return ModelNotFound(key, model=model, short=short, endpoint=hub.endpoint, reason=reason)
