"""Download worker: a program that downloads a model from a hub and may be killed at any moment.

`python -P -m framelens.engine.downloads.worker ORDER` (JSON, see `Order`) writes JSON lines to standard output:
{"files": [done, all], "bytes": [done, all]}, then {"folder": …} or {"error": kind, "detail": …}.

Hugging Face's client discards an unfinished file when it is killed. So weights are downloaded here, into a `.part` file
that the next attempt resumes, and checked against their SHA-256. They are then moved to where the client finds them;
it downloads the small remaining files and creates the folder. Of ModelScope, all files are downloaded like weights.
"""

import errno
import json
import os
import re
import shutil
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from threading import Lock
from typing import Any

from huggingface_hub import errors as hub_errors
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]
from tqdm import tqdm  # type: ignore[import-untyped]

from framelens.engine.downloads.repositories import (
    FILES_AT_ONCE,
    SMALL_BYTES,
    Order,
    Refused,
    RemoteFile,
    Repository,
    is_safe,
    open_repository,
)

REPORT_SECONDS = 0.25
FRUITLESS_ATTEMPTS = 3
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
WORTH_ANOTHER_ATTEMPT = {"unreachable", "corrupt"}
_SYSTEM_CALL = re.compile(r"^\[Errno -?\d+\] ")


def send(**message: object) -> None:
    """Write a message to the calling program."""
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


class WeightsBar(SilentBar):
    """Progress of a weights file."""

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


def part_path(file: RemoteFile, target_path: Path) -> Path:
    """Return the path of the unfinished `file`; another version of the file has another path."""
    return target_path.with_name(f"{target_path.name}.{file.digest[:12]}.part")


def is_whole(file: RemoteFile, path: Path) -> bool:
    """Check that `path` has the length of `file`; its content was checked when it arrived."""
    return path.is_file() and path.stat().st_size == file.size


def unneeded_files(names: list[str], order: Order) -> list[str]:
    """List the patterns of files to skip; with safetensors, the same weights in older formats are skipped too."""
    if order.only:
        return [name for name in names if name not in order.only]
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    return [*order.unneeded, *order.pickles, *(order.older_weights if has_safetensors else [])]


def refuse_pickles(files: list[RemoteFile], order: Order) -> None:
    """Raise Pickled if the model has pickles and no other weights."""
    pickled = [file.path for file in files if any(fnmatch(file.path, pattern) for pattern in order.pickles)]
    if pickled and not any(file.path.endswith(tuple(order.weights)) for file in files):
        raise Pickled(*pickled)


def refuse_unsafe(files: list[RemoteFile]) -> None:
    """Raise Corrupt if a file would leave the model's folder."""
    for file in files:
        if not is_safe(file.path):
            raise Corrupt(file.path)


def present_bytes(files: list[RemoteFile], repository: Repository, target: Path) -> int:
    """Return the bytes that are already here; raise DiskFull if the missing bytes don't fit on the disk of `target`."""
    paths = {file: repository.target_path(file) for file in files}
    parts = [part_path(file, path) for file, path in paths.items()]
    here = sum(file.size for file, path in paths.items() if is_whole(file, path))
    here += sum(part.stat().st_size for part in parts if part.is_file())
    missing = sum(file.size for file in files) - here
    target.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(target).free) < missing:
        raise DiskFull(missing, free)
    return here


def fetch(order: Order, count: ProgressCounter) -> str:
    """Download the model and return its folder. On failure, the bytes that have arrived are kept."""
    repository = open_repository(order)
    refuse_unsafe(repository.files)
    refuse_pickles(repository.files, order)
    unneeded = unneeded_files([file.path for file in repository.files], order)
    files = [file for file in repository.files if not any(fnmatch(file.path, pattern) for pattern in unneeded)]
    whole = {file for file in files if is_whole(file, repository.target_path(file))}
    count.files_total, count.bytes_total = len(files), sum(file.size for file in files)
    count.bytes_before = present_bytes(files, repository, Path(order.folder or order.cache_dir))
    count.weights, count.rest, count.files = 0, 0, len(whole)
    count.report(at_once=True)
    missing = [file for file in files if repository.is_resumable(file) and file not in whole]
    config = [file for file in missing if file.path == "config.json"]  # last: a folder without it is no model yet
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        for batch in ([file for file in missing if file not in config], config):
            for done in [pool.submit(fetch_file, file, repository, count) for file in batch]:
                done.result()
    folder = repository.finish(unneeded, RestBar)
    check_rest([file for file in files if not file.sha256 or file.size < SMALL_BYTES], folder)
    count.files, count.bytes_before = len(files), count.bytes_total
    count.report(at_once=True)
    return str(folder)


def fetch_file(file: RemoteFile, repository: Repository, count: ProgressCounter) -> None:
    """Download `file`, resuming an earlier attempt. Waits for another program that downloads the same file."""
    target_path = repository.target_path(file)
    part = part_path(file, target_path)
    target_path.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(part.with_suffix(".lock")):
        if not is_whole(file, target_path):
            grow(part, repository.address(file), file.size, repository.headers())
            if not file.matches(part):
                count.add(-part.stat().st_size)
                part.unlink()
                raise Corrupt(file.path)
            part.replace(target_path)
            count.add(0, files=1)
    part.with_suffix(".lock").unlink(missing_ok=True)


def grow(part: Path, url: str, size: int, headers: dict[str, str]) -> None:
    """Download the missing bytes of `part` up to `size`; on failure, the bytes that have arrived are kept."""
    with part.open("ab") as stream:
        have = stream.tell()
        if have < size:
            expected = size if size <= MAX_HTTP_DOWNLOAD_SIZE else None  # the client refuses to expect more
            http_get(url, stream, resume_size=have, headers=headers, expected_size=expected, tqdm_class=WeightsBar)
        os.fsync(stream.fileno())  # later only the length is checked, which must hold after a power cut too


def check_rest(files: list[RemoteFile], folder: Path) -> None:
    """Remove a small file that differs from the hub's, so that it is downloaded again, and raise Corrupt."""
    for file in files:
        path = folder / file.path
        if not file.matches(path):
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise Corrupt(file.path)


def classify(error: BaseException) -> str:
    """Return the kind of failure, from the outermost exception with a kind in the chain of causes."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for cause in chain:
        if (kind := kind_of(cause)) is not None:
            return kind
    return "unreachable" if isinstance(error, hub_errors.LocalEntryNotFoundError) else "failed"


def kind_of(error: BaseException) -> str | None:
    """Return the kind of failure of this exception alone, or None."""
    match error:
        case Refused():
            return error.kind
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


def send_failure(error: Exception, count: ProgressCounter) -> None:
    """Send the kind and the detail of a failure."""
    numbers = dict(zip(("needed", "free"), error.args, strict=True)) if isinstance(error, DiskFull) else {}
    if isinstance(error, Pickled):
        numbers = {"files": list(error.args)}
    kind = classify(error)
    if kind == "disk_full" and not numbers and count.bytes_total:  # it was filled meanwhile
        numbers = {"needed": count.bytes_total - count.arrived}
    send(
        error=kind,
        detail=str(error) if isinstance(error, Corrupt | Refused) else innermost(error),
        **numbers,
    )


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
                send_failure(error, count)
                return 1
            time.sleep(fruitless + 1)
        else:
            send(folder=folder)
            return 0


if __name__ == "__main__":
    sys.exit(main(Order(**json.loads(sys.argv[1]))))
