"""From a model's id on the hub to its whole folder on this machine, with progress, cancel and resume.

The fetching is done by `hub_fetch.py` as a child process: it can be stopped at once, and what it had so far is used by
the next attempt. The hub's address and the place of its cache come from HF_ENDPOINT and HF_HOME unless given.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from app.domain import EngineProgress
from app.engine.base import ProgressListener
from app.engine.model import OLDER_WEIGHTS, UNNEEDED_FILES, check_model_folder, hub_cache_folder, resolve_model
from app.engine.process import ChildProcess, LogReader
from app.errors import Cancelled, ModelNotFound, StorageError

HUB = "https://huggingface.co"
LOOK_SECONDS = 0.2
FETCHER = Path(__file__).with_name("hub_fetch.py")


def fetch_model(
    model: str,
    on_progress: ProgressListener,
    cancel: threading.Event,
    *,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
    needs_tokenizer: bool = True,
) -> Path:
    """The whole, checked folder of `model` on this machine, downloaded first where it is not here yet."""
    on_progress(EngineProgress("checking", {"model": model}))
    found = resolve_model(model, cache_dir=cache_dir)
    folder = found.folder
    if folder is None:
        assert found.hub_id is not None
        folder = download(found.hub_id, on_progress, cancel, endpoint=endpoint, cache_dir=cache_dir)
    check_model_folder(folder, needs_tokenizer=needs_tokenizer)
    return folder


def download(
    model_id: str,
    on_progress: ProgressListener,
    cancel: threading.Event,
    *,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
) -> Path:
    """Fetch what is missing of `model_id` and return its snapshot folder.

    Progress has the phase "downloading" with files_done, files_total, bytes_done, bytes_total, and done, total as text.
    Raises ModelNotFound (no such model, no access, hub not reachable), StorageError (disk full, cache not writable), or
    Cancelled.
    """
    cache = cache_dir or hub_cache_folder()
    order = {
        "model": model_id,
        "cache_dir": str(cache),
        "endpoint": endpoint,
        "unneeded": UNNEEDED_FILES,
        "older_weights": OLDER_WEIGHTS,
    }
    with tempfile.TemporaryDirectory(prefix="framelens-fetch-") as folder:
        log_path = Path(folder) / "fetch.log"
        command = [sys.executable, "-P", str(FETCHER), json.dumps(order)]
        child = ChildProcess.start(command, environment={"HF_HUB_DISABLE_TELEMETRY": "1"}, log_path=log_path)
        try:
            outcome = _follow(child, LogReader(log_path), model_id, on_progress, cancel)
        finally:
            child.stop()
    if "folder" in outcome:
        return Path(str(outcome["folder"]))
    raise _error(outcome, model_id, endpoint or os.environ.get("HF_ENDPOINT") or HUB, cache)


def _follow(
    child: ChildProcess, reader: LogReader, model_id: str, on_progress: ProgressListener, cancel: threading.Event
) -> Mapping[str, object]:
    """Pass progress on until the child's last word."""
    noise = ""
    while True:
        ended = child.exit_status is not None  # looked at before reading, so that nothing written last is missed
        for line in reader.new_lines():
            message = _message(line)
            if message is None:
                noise = line
            elif "bytes" in message:
                on_progress(_progress(model_id, message))
            else:
                return message
        if ended:
            return {"error": "failed", "detail": noise or f"exit status {child.exit_status}"}
        if cancel.wait(LOOK_SECONDS):
            raise Cancelled


def _message(line: str) -> dict[str, object] | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _progress(model_id: str, message: dict[str, object]) -> EngineProgress:
    files, sizes = message["files"], message["bytes"]
    assert isinstance(files, list) and isinstance(sizes, list)
    values = {"files_done": files[0], "files_total": files[1], "bytes_done": sizes[0], "bytes_total": sizes[1]}
    return EngineProgress(
        "downloading", {"model": model_id, **values, "done": human_bytes(sizes[0]), "total": human_bytes(sizes[1])}
    )


def human_bytes(size: float) -> str:
    """`size` bytes for people, in powers of 1000 as the hub shows them.

    >>> human_bytes(16_580_000_000)
    '16.6 GB'
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _error(outcome: Mapping[str, object], model: str, endpoint: str, cache: Path) -> ModelNotFound | StorageError:
    detail = str(outcome.get("detail", ""))
    match outcome["error"]:
        case "missing":
            return ModelNotFound("model_not_on_hub", model=model, endpoint=endpoint)
        case "gated":
            return ModelNotFound("model_gated", model=model, endpoint=endpoint, reason=detail)
        case "disk_full":
            needed, free = outcome.get("needed"), outcome.get("free")
            return StorageError(
                "model_disk_full",
                model=model,
                folder=str(cache),
                needed=human_bytes(needed) if isinstance(needed, int) else "?",
                free=human_bytes(free) if isinstance(free, int) else "0 B",
            )
        case "unwritable":
            return StorageError("model_cache_unwritable", model=model, folder=str(cache), reason=detail)
        case "offline":
            detail = "HF_HUB_OFFLINE=1"
    short = model.rsplit("/", 1)[-1]
    return ModelNotFound("model_not_local", model=model, short=short, endpoint=endpoint, reason=detail)
