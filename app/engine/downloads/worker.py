"""Fetches one model from the hub; a program of its own, so that it can be stopped at any moment, even by signal 9.

`python -P worker.py ORDER` (JSON, see `Order`) writes JSON lines to standard output: {"files": [done, all],
"bytes": [done, all]}, then {"folder": …} or {"error": kind, "detail": …}. It imports nothing of FrameLens.

The hub's client throws away what it has of a file when it is ended in the middle of it. So weights are fetched here,
into a `.part` file that the next attempt goes on with, and held against their SHA-256; they are then put where the
client finds them, which fetches the small rest and makes the folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from threading import Lock
from typing import Any

import huggingface_hub
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]
from tqdm import tqdm  # type: ignore[import-untyped]

REPORT_SECONDS = 0.25
FRUITLESS_ATTEMPTS = 3
CONNECT_SECONDS = 15.0
FILES_AT_ONCE = 4
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
WORTH_ANOTHER_ATTEMPT = {"unreachable", "corrupt"}
_SYSTEM_CALL = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True)
class Order:
    """What to fetch and where to: `folder`, or the hub's cache where it is None.

    `unneeded` and `older_weights` are patterns of file names.
    """

    model: str
    cache_dir: str
    folder: str | None
    endpoint: str | None
    unneeded: list[str]
    older_weights: list[str]

    def place(self, file: RepoFile) -> Path:
        """Where the content of `file` lies when it is whole; the cache names it by its hash."""
        if self.folder is not None:
            return Path(self.folder) / file.path
        repository = "--".join(["models", *self.model.split("/")])
        return Path(self.cache_dir) / repository / "blobs" / digest_of(file)

    def part(self, file: RepoFile) -> Path:
        """Where the content of `file` grows; another version of the same file has another part."""
        place = self.place(file)
        return place.with_name(f"{place.name}.{digest_of(file)[:12]}.part")


def say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class DiskFull(Exception):
    """The model does not fit: bytes that are still to come, bytes that are free."""


class Corrupt(Exception):
    """What arrived is not what the hub has: the file's name."""


class Count:
    """What is here and what has arrived, told at most four times a second. Several threads count."""

    def __init__(self) -> None:
        self.files_total = self.bytes_total = self.bytes_before = self.files = self.weights = self.rest = 0
        self._told = 0.0
        self._lock = Lock()

    @property
    def arrived(self) -> int:
        """Bytes, never more than there are to come."""
        return min(self.bytes_total, self.bytes_before + self.weights + self.rest)

    def add(self, size: int, files: int = 0) -> None:
        """So much of the weights has arrived; a negative number takes back what has to come again."""
        with self._lock:
            self.weights += size
            self.files += files
        self.tell()

    def tell(self, at_once: bool = False) -> None:
        with self._lock:
            if at_once or time.monotonic() - self._told > REPORT_SECONDS:
                self._told = time.monotonic()
                say(files=[min(self.files, self.files_total), self.files_total], bytes=[self.arrived, self.bytes_total])


class Quiet(tqdm):  # type: ignore[misc]
    """A progress bar that shows nothing and counts."""

    count: Count

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": sys.stderr, "disable": False})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        return None


class WeightsBar(Quiet):
    """Of one file of weights."""

    def update(self, n: float | None = 1) -> None:
        super().update(n)
        self.count.add(int(n or 0))


class RestBar(Quiet):
    """Of the client's own work: one of files, and two of bytes (fetched, and put together)."""

    def update(self, n: float | None = 1) -> None:
        super().update(n)
        if self.unit == "B":
            self.count.rest = max(self.count.rest, int(self.n))
        else:
            self.count.files = max(self.count.files, int(self.n))
        self.count.tell()


def digest_of(file: RepoFile) -> str:
    """The SHA-256 of large files; the hash that git has for small ones."""
    return str(file.lfs.sha256 if file.lfs else file.blob_id)


def is_whole(file: RepoFile, path: Path) -> bool:
    """By its length, which is told in no time; its content was held against the hash when it arrived."""
    return path.is_file() and path.stat().st_size == file.size


def has_arrived(file: RepoFile, path: Path) -> bool:
    """By its content."""
    checked = hashlib.sha256() if file.lfs else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            checked.update(piece)
    return checked.hexdigest() == digest_of(file)


def unneeded_files(names: list[str], order: Order) -> list[str]:
    """Patterns of what to leave out; beside safetensors, the same weights in older formats are not needed either."""
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    return [*order.unneeded, *(order.older_weights if has_safetensors else [])]


def here_already(files: list[RepoFile], order: Order) -> int:
    """Bytes that need not come any more. Raises DiskFull if the others cannot fit."""
    parts = [order.part(file) for file in files]
    here = sum(file.size for file in files if is_whole(file, order.place(file)))
    here += sum(part.stat().st_size for part in parts if part.is_file())
    missing = sum(file.size for file in files) - here
    target = Path(order.folder or order.cache_dir)
    target.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(target).free) < missing:
        raise DiskFull(missing, free)
    return here


def fetch(order: Order, count: Count) -> str:
    """The folder of the whole model. Whatever has arrived stays where it breaks off."""
    api = huggingface_hub.HfApi(endpoint=order.endpoint)
    # Asked once and without the client's retries: who has no network learns it at once instead of after 20 seconds.
    commit = str(api.model_info(order.model, timeout=CONNECT_SECONDS).sha)
    tree = api.list_repo_tree(order.model, recursive=True, revision=commit)
    entries = [entry for entry in tree if isinstance(entry, RepoFile)]
    unneeded = unneeded_files([file.path for file in entries], order)
    files = [file for file in entries if not any(fnmatch(file.path, pattern) for pattern in unneeded)]
    count.files_total, count.bytes_total = len(files), sum(file.size for file in files)
    count.bytes_before, count.weights, count.rest = here_already(files, order), 0, 0
    count.files = sum(is_whole(file, order.place(file)) for file in files)
    count.tell(at_once=True)
    weights = [file for file in files if file.lfs and not is_whole(file, order.place(file))]
    weights = [file for file in weights if file.size <= MAX_HTTP_DOWNLOAD_SIZE]  # larger ones take the client's own way
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for done in [pool.submit(fetch_weights, file, commit, order, count) for file in weights]:
            done.result()
    folder = str(
        huggingface_hub.snapshot_download(
            order.model,
            cache_dir=order.cache_dir,
            local_dir=order.folder,
            endpoint=order.endpoint,
            ignore_patterns=unneeded,
            tqdm_class=RestBar,
            max_workers=FILES_AT_ONCE,
        )
    )
    check_rest([file for file in files if not file.lfs], Path(folder))
    count.files, count.bytes_before = len(files), count.bytes_total
    count.tell(at_once=True)
    return folder


def fetch_weights(file: RepoFile, commit: str, order: Order, count: Count) -> None:
    """Bring `file` to its place, from where it broke off. Another program that fetches the same is waited for."""
    place, part = order.place(file), order.part(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    url = huggingface_hub.hf_hub_url(order.model, file.path, revision=commit, endpoint=order.endpoint)
    with WeakFileLock(part.with_suffix(".lock")):
        if not is_whole(file, place):
            grow(part, url, file.size)
            if not has_arrived(file, part):
                count.add(-part.stat().st_size)
                part.unlink()
                raise Corrupt(file.path)
            part.replace(place)
            count.add(0, files=1)
    part.with_suffix(".lock").unlink(missing_ok=True)


def grow(part: Path, url: str, size: int) -> None:
    """Bring `part` to `size` bytes, or leave in it what came."""
    with part.open("ab") as stream:
        have = stream.tell()
        if have < size:
            headers = build_hf_headers()
            http_get(url, stream, resume_size=have, headers=headers, expected_size=size, tqdm_class=WeightsBar)
        os.fsync(stream.fileno())  # from now on its length alone tells that it is whole, after a power cut, too


def check_rest(files: list[RepoFile], folder: Path) -> None:
    """Raise Corrupt for a small file that is not what the hub has; it is removed, so that it is fetched again."""
    for file in files:
        path = folder / file.path
        if not has_arrived(file, path):
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise Corrupt(file.path)


def classify(error: BaseException) -> str:
    """What kind of failure it is, by the innermost cause that has a name here."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for one in chain:
        if (kind := kind_of(one)) is not None:
            return kind
    return "unreachable" if isinstance(error, LocalEntryNotFoundError) else "failed"


def kind_of(error: BaseException) -> str | None:
    match error:
        case DiskFull():
            return "disk_full"
        case Corrupt():
            return "corrupt"
        case GatedRepoError():
            return "gated"
        case RepositoryNotFoundError() | HFValidationError():
            return "missing"
        case HfHubHTTPError():
            return {401: "token", 403: "gated", 407: "proxy"}.get(error.response.status_code, "unreachable")
        case OfflineModeIsEnabled():
            return "offline"
        case ssl.SSLCertVerificationError():
            return "certificate"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return "disk_full"
        case OSError(errno=number) if number in UNWRITABLE:
            return "unwritable"
    if type(error).__module__.startswith("httpx"):
        return kind_of_connection(error)
    return "unreachable" if isinstance(error, ConnectionError | TimeoutError) else None


def kind_of_connection(error: BaseException) -> str:
    """The client's HTTP library has its own words for proxies, and only words for certificates."""
    if type(error).__name__ == "ProxyError":
        return "proxy"
    return "certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "unreachable"


def innermost(error: BaseException) -> str:
    """Return the innermost cause in words: of the system's own errors their text without class and number."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    if lines and _SYSTEM_CALL.match(lines[0]):  # some libraries hand on the text alone
        return _SYSTEM_CALL.sub("", lines[0])
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def report(error: Exception) -> None:
    numbers = dict(zip(("needed", "free"), error.args, strict=True)) if isinstance(error, DiskFull) else {}
    say(error=classify(error), detail=str(error) if isinstance(error, Corrupt) else innermost(error), **numbers)


def main(order: Order) -> int:
    Quiet.count = count = Count()
    fruitless = 0
    while True:
        before = count.arrived
        try:
            folder = fetch(order, count)
        except Exception as error:  # noqa: BLE001 - every failure is told to the program that started this one
            fruitless = 0 if count.arrived > before else fruitless + 1
            if classify(error) not in WORTH_ANOTHER_ATTEMPT or not count.bytes_total or fruitless >= FRUITLESS_ATTEMPTS:
                report(error)
                return 1
            time.sleep(fruitless + 1)
        else:
            say(folder=folder)
            return 0


if __name__ == "__main__":
    sys.exit(main(Order(**json.loads(sys.argv[1]))))
