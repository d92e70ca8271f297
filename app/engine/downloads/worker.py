"""Download worker: a program that downloads one model from the hub and may be killed at any moment.

`python -P worker.py ORDER` (JSON, see `Order`) writes JSON lines to standard output: {"files": [done, all],
"bytes": [done, all]}, then {"folder": …} or {"error": kind, "detail": …}. It imports nothing of FrameLens.

The hub's client discards an unfinished file when it is killed. So weights are downloaded here, into a `.part` file
that the next attempt resumes, and checked against their SHA-256. They are then moved to where the client finds them;
it downloads the small remaining files and creates the folder.
"""

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
from huggingface_hub import errors as hub_errors
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]
from tqdm import tqdm  # type: ignore[import-untyped]

REPORT_SECONDS = 0.25
FRUITLESS_ATTEMPTS = 3
CONNECT_SECONDS = 15.0
FILES_AT_ONCE = 4
"""This and the three above were chosen by hand; not tuned."""
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
WORTH_ANOTHER_ATTEMPT = {"unreachable", "corrupt"}
_SYSTEM_CALL = re.compile(r"^\[Errno -?\d+\] ")


@dataclass(frozen=True)
class Order:
    """A download job. It goes to `folder`, or to the hub's cache if that is None.

    `unneeded`, `older_weights` and `pickles` are patterns of file names; `pickles` are never downloaded, and `weights`
    are the endings of those that can be loaded without them.
    """

    model: str
    cache_dir: str
    folder: str | None
    endpoint: str | None
    unneeded: list[str]
    older_weights: list[str]
    pickles: list[str]
    weights: list[str]

    def target_path(self, file: RepoFile) -> Path:
        """Return the path of the complete `file`; the cache names it by its hash."""
        if self.folder is not None:
            return Path(self.folder) / file.path
        repository = "--".join(["models", *self.model.split("/")])
        return Path(self.cache_dir) / repository / "blobs" / digest_of(file)

    def part_path(self, file: RepoFile) -> Path:
        """Return the path of the unfinished `file`; another version of the file has another path."""
        target_path = self.target_path(file)
        return target_path.with_name(f"{target_path.name}.{digest_of(file)[:12]}.part")


def send(**message: object) -> None:
    """Write one message to the calling program."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class DiskFull(Exception):
    """The model doesn't fit on the disk; the arguments are the missing and the free bytes."""


class Corrupt(Exception):
    """A file differs from the hub's; the argument is its name."""


class Pickled(Exception):
    """The model has weights in pickles alone; the arguments are their names."""


class ProgressCounter:
    """Thread-safe counter of files and bytes, reported at most four times a second."""

    def __init__(self) -> None:
        self.files_total = self.bytes_total = self.bytes_before = self.files = self.weights = self.rest = 0
        self._reported_at = 0.0
        self._lock = Lock()

    @property
    def arrived(self) -> int:
        """Return the bytes that have arrived, at most the total."""
        return min(self.bytes_total, self.bytes_before + self.weights + self.rest)

    def add(self, size: int, files: int = 0) -> None:
        """Count `size` bytes of weights; a negative size removes bytes that must be downloaded again."""
        with self._lock:
            self.weights += size
            self.files += files
        self.report()

    def report(self, at_once: bool = False) -> None:
        """Send the numbers, unless the last report was less than REPORT_SECONDS ago."""
        with self._lock:
            if at_once or time.monotonic() - self._reported_at > REPORT_SECONDS:
                self._reported_at = time.monotonic()
                send(
                    files=[min(self.files, self.files_total), self.files_total], bytes=[self.arrived, self.bytes_total]
                )


class SilentBar(tqdm):  # type: ignore[misc]
    """A progress bar that only counts."""

    count: ProgressCounter

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "file": sys.stderr, "disable": False})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Do nothing instead of drawing the bar."""
        return None


class WeightsBar(SilentBar):
    """Progress of one weights file."""

    def update(self, n: float | None = 1) -> None:
        """Count `n` bytes."""
        super().update(n)
        self.count.add(int(n or 0))


class RestBar(SilentBar):
    """Progress of the client's own downloads: one bar of files and two of bytes (downloaded, reconstructed)."""

    def update(self, n: float | None = 1) -> None:
        """Count `n` files or bytes."""
        super().update(n)
        if self.unit == "B":
            self.count.rest = max(self.count.rest, int(self.n))
        else:
            self.count.files = max(self.count.files, int(self.n))
        self.count.report()


def digest_of(file: RepoFile) -> str:
    """Return the SHA-256 of a large file, the git hash of a small one."""
    return str(file.lfs.sha256 if file.lfs else file.blob_id)


def is_whole(file: RepoFile, path: Path) -> bool:
    """Check that `path` has the length of `file`; its content was checked when it arrived."""
    return path.is_file() and path.stat().st_size == file.size


def has_arrived(file: RepoFile, path: Path) -> bool:
    """Check the content of `path` against the hash of `file`."""
    checked = hashlib.sha256() if file.lfs else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            checked.update(piece)
    return checked.hexdigest() == digest_of(file)


def unneeded_files(names: list[str], order: Order) -> list[str]:
    """List the patterns of files to skip; with safetensors, the same weights in older formats are skipped too."""
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    return [*order.unneeded, *order.pickles, *(order.older_weights if has_safetensors else [])]


def refuse_pickles(files: list[RepoFile], order: Order) -> None:
    """Raise Pickled if the model has pickles and no other weights."""
    pickled = [file.path for file in files if any(fnmatch(file.path, pattern) for pattern in order.pickles)]
    if pickled and not any(file.path.endswith(tuple(order.weights)) for file in files):
        raise Pickled(*pickled)


def present_bytes(files: list[RepoFile], order: Order) -> int:
    """Return the bytes that are already here; raise DiskFull if the missing ones don't fit on the disk."""
    parts = [order.part_path(file) for file in files]
    here = sum(file.size for file in files if is_whole(file, order.target_path(file)))
    here += sum(part_path.stat().st_size for part_path in parts if part_path.is_file())
    missing = sum(file.size for file in files) - here
    target = Path(order.folder or order.cache_dir)
    target.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(target).free) < missing:
        raise DiskFull(missing, free)
    return here


def fetch(order: Order, count: ProgressCounter) -> str:
    """Download the model and return its folder. On failure, the bytes that have arrived are kept."""
    api = huggingface_hub.HfApi(endpoint=order.endpoint)
    # One request without the client's retries: a missing network is reported at once instead of after 20 seconds.
    commit = str(api.model_info(order.model, timeout=CONNECT_SECONDS).sha)
    tree = api.list_repo_tree(order.model, recursive=True, revision=commit)
    entries = [entry for entry in tree if isinstance(entry, RepoFile)]
    refuse_pickles(entries, order)
    unneeded = unneeded_files([file.path for file in entries], order)
    files = [file for file in entries if not any(fnmatch(file.path, pattern) for pattern in unneeded)]
    count.files_total, count.bytes_total = len(files), sum(file.size for file in files)
    count.bytes_before, count.weights, count.rest = present_bytes(files, order), 0, 0
    count.files = sum(is_whole(file, order.target_path(file)) for file in files)
    count.report(at_once=True)
    weights = [file for file in files if file.lfs and not is_whole(file, order.target_path(file))]
    weights = [file for file in weights if file.size <= MAX_HTTP_DOWNLOAD_SIZE]  # the client downloads larger ones
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
    count.report(at_once=True)
    return folder


def fetch_weights(file: RepoFile, commit: str, order: Order, count: ProgressCounter) -> None:
    """Download `file`, resuming an earlier attempt. Waits for another program that downloads the same file."""
    target_path, part_path = order.target_path(file), order.part_path(file)
    target_path.parent.mkdir(parents=True, exist_ok=True)
    url = huggingface_hub.hf_hub_url(order.model, file.path, revision=commit, endpoint=order.endpoint)
    with WeakFileLock(part_path.with_suffix(".lock")):
        if not is_whole(file, target_path):
            grow(part_path, url, file.size)
            if not has_arrived(file, part_path):
                count.add(-part_path.stat().st_size)
                part_path.unlink()
                raise Corrupt(file.path)
            part_path.replace(target_path)
            count.add(0, files=1)
    part_path.with_suffix(".lock").unlink(missing_ok=True)


def grow(part_path: Path, url: str, size: int) -> None:
    """Download the missing bytes of `part_path` up to `size`; on failure, the bytes that have arrived are kept."""
    with part_path.open("ab") as stream:
        have = stream.tell()
        if have < size:
            headers = build_hf_headers()
            http_get(url, stream, resume_size=have, headers=headers, expected_size=size, tqdm_class=WeightsBar)
        os.fsync(stream.fileno())  # later only the length is checked, which must hold after a power cut too


def check_rest(files: list[RepoFile], folder: Path) -> None:
    """Remove a small file that differs from the hub's, so that it is downloaded again, and raise Corrupt."""
    for file in files:
        path = folder / file.path
        if not has_arrived(file, path):
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise Corrupt(file.path)


def classify(error: BaseException) -> str:
    """Return the kind of failure, from the outermost exception in the chain of causes that has one."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for one in chain:
        if (kind := kind_of(one)) is not None:
            return kind
    return "unreachable" if isinstance(error, hub_errors.LocalEntryNotFoundError) else "failed"


def kind_of(error: BaseException) -> str | None:
    """Return the kind of failure of this exception alone, or None if it has none."""
    match error:
        case DiskFull():
            return "disk_full"
        case Corrupt():
            return "corrupt"
        case Pickled():
            return "pickled"
        case hub_errors.GatedRepoError():
            return "gated"
        case hub_errors.RepositoryNotFoundError() | hub_errors.HFValidationError():
            return "missing"
        case hub_errors.HfHubHTTPError():
            return {401: "token", 403: "gated", 407: "proxy"}.get(error.response.status_code, "unreachable")
        case hub_errors.OfflineModeIsEnabled():
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
    """Return the kind of an httpx error: proxies have their own class, certificates only a message."""
    if type(error).__name__ == "ProxyError":
        return "proxy"
    return "certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "unreachable"


def innermost(error: BaseException) -> str:
    """Return the message of the innermost cause; for system errors, without class and number."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    lines = str(error).strip().splitlines()
    if lines and _SYSTEM_CALL.match(lines[0]):  # some libraries forward the text alone
        return _SYSTEM_CALL.sub("", lines[0])
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def send_failure(error: Exception) -> None:
    """Send the kind and the detail of a failure."""
    numbers = dict(zip(("needed", "free"), error.args, strict=True)) if isinstance(error, DiskFull) else {}
    if isinstance(error, Pickled):
        numbers = {"files": list(error.args)}
    send(error=classify(error), detail=str(error) if isinstance(error, Corrupt) else innermost(error), **numbers)


def main(order: Order) -> int:
    """Download, with further attempts while bytes keep arriving, and return the exit status."""
    SilentBar.count = count = ProgressCounter()
    fruitless = 0
    while True:
        before = count.arrived
        try:
            folder = fetch(order, count)
        except Exception as error:  # noqa: BLE001 - every failure is reported to the calling program
            fruitless = 0 if count.arrived > before else fruitless + 1
            if classify(error) not in WORTH_ANOTHER_ATTEMPT or not count.bytes_total or fruitless >= FRUITLESS_ATTEMPTS:
                send_failure(error)
                return 1
            time.sleep(fruitless + 1)
        else:
            send(folder=folder)
            return 0


if __name__ == "__main__":
    sys.exit(main(Order(**json.loads(sys.argv[1]))))
