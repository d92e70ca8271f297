"""From a model's id on the hub to its whole folder on this machine, with progress, cancel and resume.

The fetching is done by `worker.py` as a child process: it can be stopped at once, and what it had so far is used by
the next attempt. The hub's address and the place of its cache come from HF_ENDPOINT and HF_HOME unless given.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.child_environment import hub_environment
from app.domain import EngineProgress
from app.engine.base import ProgressListener
from app.engine.child_process import ChildProcess, LogReader
from app.engine.downloads.errors import failure, human_bytes
from app.engine.http_client import NoAnswer, get_json
from app.engine.model_resolution import (
    OLDER_WEIGHTS,
    UNNEEDED_FILES,
    check_model_folder,
    hub_cache_folder,
    resolve_model,
)
from app.errors import Cancelled

HUB = "https://huggingface.co"
MIRROR = "https://hf-mirror.com"
"""Has what the hub has, and is quick where that one is slow or not to be reached, as in mainland China."""
LOOK_SECONDS = 0.2
_PACE_SECONDS = 10.0
FETCHER = Path(__file__).with_name("worker.py")
_MOST_BYTES = 1_000_000


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
    folder: Path | None = None,
) -> Path:
    """Fetch what is missing of `model_id` into the hub's cache, or into `folder`, and return the model's folder.

    Nothing is fetched unless the disk has room for all of it. Weights go on where an earlier attempt stopped, however
    that one ended; every file is held against the hash that the hub names for it.

    Progress has the phase "downloading" with numbers (files_done, files_total, bytes_done, bytes_total,
    bytes_per_second, and seconds_left, both None until there is a pace) and words (done, total, pace). Raises
    ModelNotFound (no such model, no access, hub not reachable, files not those of the hub), StorageError (disk full,
    folder not writable), or Cancelled.
    """
    cache = cache_dir or hub_cache_folder()
    order = {
        "model": model_id,
        "cache_dir": str(cache),
        "folder": str(folder) if folder else None,
        "endpoint": endpoint,
        "unneeded": UNNEEDED_FILES,
        "older_weights": OLDER_WEIGHTS,
    }
    with tempfile.TemporaryDirectory(prefix="framelens-fetch-") as place:
        log_path = Path(place) / "fetch.log"
        command = [sys.executable, "-P", str(FETCHER), json.dumps(order)]
        environment = {**hub_environment(), "HF_HUB_DISABLE_TELEMETRY": "1"}
        child = ChildProcess.start(command, environment=environment, log_path=log_path)
        try:
            outcome = _follow(child, LogReader(log_path), model_id, on_progress, cancel)
        finally:
            child.stop()
    if "folder" in outcome:
        return Path(str(outcome["folder"]))
    raise failure(outcome, model_id, endpoint or os.environ.get("HF_ENDPOINT") or HUB, folder or cache)


def _follow(
    child: ChildProcess, reader: LogReader, model_id: str, on_progress: ProgressListener, cancel: threading.Event
) -> Mapping[str, object]:
    """Pass progress on until the child's last word."""
    noise, pace = "", Pace()
    while True:
        ended = child.exit_status is not None  # looked at before reading, so that nothing written last is missed
        for line in reader.new_lines():
            message = _message(line)
            if message is None:
                noise = line
            elif "bytes" in message:
                on_progress(_progress(model_id, message, pace))
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


class Pace:
    """How fast bytes arrive, over the last ten seconds: what came before says little about what is to come."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, arrived: int, now: float) -> float | None:
        """Bytes a second with `arrived` bytes here at second `now`; None while too little has been seen to tell."""
        if self._seen and arrived < self._seen[-1][1]:  # a broken file is fetched anew
            self._seen.clear()
        self._seen.append((now, arrived))
        while now - self._seen[0][0] > _PACE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        then, before = self._seen[0]
        return (arrived - before) / (now - then) if now - then >= 1.0 and arrived > before else None


def _progress(model_id: str, message: dict[str, object], pace: Pace) -> EngineProgress:
    files, sizes = message["files"], message["bytes"]
    assert isinstance(files, list) and isinstance(sizes, list)
    rate = pace.note(sizes[0], time.monotonic())
    left = round((sizes[1] - sizes[0]) / rate) if rate else None
    numbers = {"files_done": files[0], "files_total": files[1], "bytes_done": sizes[0], "bytes_total": sizes[1]}
    words = {"done": human_bytes(sizes[0]), "total": human_bytes(sizes[1]), "pace": _in_words(rate, left)}
    return EngineProgress(
        "downloading", {"model": model_id, **numbers, "bytes_per_second": rate, "seconds_left": left, **words}
    )


def _in_words(rate: float | None, seconds_left: int | None) -> str:
    """Pace and remaining time, in figures that need no language; "" while there is no pace."""
    if rate is None or seconds_left is None:
        return ""
    minutes, seconds = divmod(seconds_left, 60)
    clock = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
    return f" · {human_bytes(rate)}/s · {clock}"


def hub_config(model_id: str, *, endpoint: str | None = None, timeout_seconds: float = 1.5) -> Mapping[str, Any] | None:
    """What the hub has; None where it does not answer in time, does not have it, or may not give it."""
    place = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    url, token = f"{place}/{model_id}/resolve/main/config.json", os.environ.get("HF_TOKEN", "")
    try:
        config = get_json(url, api_key=token, timeout_seconds=timeout_seconds, local=False, most_bytes=_MOST_BYTES)
    except NoAnswer:
        return None
    return config if isinstance(config, dict) else None
