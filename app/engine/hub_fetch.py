"""Fetches one model from the hub into its cache; a program of its own, so that it can be stopped at any moment.

`python -P hub_fetch.py ORDER` (JSON, see `Order`) writes JSON lines to standard output: {"files": [done, all],
"bytes": [done, all]}, then {"folder": …} or {"error": kind, "detail": …}. What is there already is not fetched again,
and a file that broke off goes on where it was. It imports nothing of FrameLens.
"""

from __future__ import annotations

import errno
import json
import shutil
import sys
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from tqdm import tqdm  # type: ignore[import-untyped]

REPORT_SECONDS = 0.25
FRUITLESS_ATTEMPTS = 3
CONNECT_SECONDS = 15.0
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@dataclass(frozen=True)
class Order:
    """What to fetch and where to; `unneeded` and `older_weights` are patterns of file names."""

    model: str
    cache_dir: str
    endpoint: str | None
    unneeded: list[str]
    older_weights: list[str]


def say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class DiskFull(Exception):
    """The model does not fit: bytes that are still to come, bytes that are free."""


class Count:
    """What has arrived, gathered from the hub client's progress bars and told at most four times a second."""

    def __init__(self) -> None:
        self.files_total = self.bytes_total = self.bytes_before = self.files = self.bytes = 0
        self._told = 0.0

    def tell(self, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._told > REPORT_SECONDS:
            self._told = time.monotonic()
            arrived = min(self.bytes_total, self.bytes_before + self.bytes)
            say(files=[min(self.files, self.files_total), self.files_total], bytes=[arrived, self.bytes_total])


class Bar(tqdm):  # type: ignore[misc]
    """A progress bar that shows nothing and counts: one of files, and two of bytes (fetched, and put together)."""

    count: Count

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": sys.stderr, "disable": False})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        return None

    def update(self, n: float | None = 1) -> None:
        super().update(n)
        if self.unit == "B":
            self.count.bytes = max(self.count.bytes, int(self.n))
        else:
            self.count.files = int(self.n)
        self.count.tell()


def unneeded_files(names: list[str], order: Order) -> list[str]:
    """Patterns of what to leave out; beside safetensors, the same weights in older formats are not needed either."""
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    return [*order.unneeded, *(order.older_weights if has_safetensors else [])]


def missing_bytes(files: list[RepoFile], order: Order) -> int:
    """What is not in the cache yet, where a blob is named by its content's hash. Raises DiskFull if it cannot fit."""
    repository = Path(order.cache_dir) / "--".join(["models", *order.model.split("/")])
    names = [(file.lfs.sha256 if file.lfs else file.blob_id, file.size) for file in files]
    missing = sum(size for name, size in names if not (repository / "blobs" / name).is_file())
    partial = sum(file.stat().st_size for file in repository.glob("blobs/*.incomplete"))
    Path(order.cache_dir).mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(order.cache_dir).free) < missing - partial:
        raise DiskFull(missing - partial, free)
    return missing


def fetch(order: Order, count: Count) -> str:
    api = huggingface_hub.HfApi(endpoint=order.endpoint)
    # Asked once and without the client's retries: who has no network learns it at once instead of after 20 seconds.
    api.model_info(order.model, timeout=CONNECT_SECONDS)
    tree = [entry for entry in api.list_repo_tree(order.model, recursive=True) if isinstance(entry, RepoFile)]
    unneeded = unneeded_files([file.path for file in tree], order)
    files = [file for file in tree if not any(fnmatch(file.path, pattern) for pattern in unneeded)]
    missing = missing_bytes(files, order)
    count.files_total, count.bytes_total = len(files), sum(file.size for file in files)
    count.bytes_before, count.bytes = count.bytes_total - missing, 0
    count.tell(at_once=True)
    folder = huggingface_hub.snapshot_download(
        order.model,
        cache_dir=order.cache_dir,
        endpoint=order.endpoint,
        ignore_patterns=unneeded,
        tqdm_class=Bar,
        max_workers=4,
    )
    count.files, count.bytes = len(files), missing
    count.tell(at_once=True)
    return folder


def classify(error: BaseException) -> str:
    """What kind of failure it is, by the innermost cause that has a name here."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for one in chain:
        if isinstance(one, DiskFull) or (isinstance(one, OSError) and one.errno in {errno.ENOSPC, errno.EDQUOT}):
            return "disk_full"
        if isinstance(one, OSError) and one.errno in UNWRITABLE:
            return "unwritable"
        if isinstance(one, GatedRepoError):
            return "gated"
        if isinstance(one, RepositoryNotFoundError | HFValidationError):
            return "missing"
        if isinstance(one, HfHubHTTPError):
            return "gated" if one.response.status_code in {401, 403} else "unreachable"
        if isinstance(one, OfflineModeIsEnabled):
            return "offline"
        if type(one).__module__.startswith("httpx") or isinstance(one, ConnectionError | TimeoutError):
            return "unreachable"
    return "unreachable" if isinstance(error, LocalEntryNotFoundError) else "failed"


def innermost(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def report(error: Exception) -> None:
    numbers = dict(zip(("needed", "free"), error.args, strict=True)) if isinstance(error, DiskFull) else {}
    say(error=classify(error), detail=innermost(error), **numbers)


def main(order: Order) -> int:
    Bar.count = count = Count()
    fruitless = 0
    while True:
        before = count.bytes_before + count.bytes
        try:
            folder = fetch(order, count)
        except Exception as error:  # noqa: BLE001 - every failure is told to the program that started this one
            fruitless = 0 if count.bytes_before + count.bytes > before else fruitless + 1
            if classify(error) != "unreachable" or not count.bytes_total or fruitless >= FRUITLESS_ATTEMPTS:
                report(error)
                return 1
            time.sleep(fruitless + 1)
        else:
            say(folder=folder)
            return 0


if __name__ == "__main__":
    sys.exit(main(Order(**json.loads(sys.argv[1]))))
