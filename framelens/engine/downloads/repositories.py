"""Repositories of models on a hub, as the download worker needs them: files with sizes and hashes, and addresses.

A new hub is a class with the interface of `Repository` and a line in `_REPOSITORIES`.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote

import huggingface_hub
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]

from framelens.core.units import foreign_number

CONNECT_SECONDS = 15.0
FILES_AT_ONCE = 4
SMALL_BYTES = 10_000_000
"""Size from which a file is not read again to compare it."""
_MASTER = "master"
_LEFT_OUT = {".gitattributes", ".gitignore"}
_ABSENT = ("not found", "not exist", "不存在", "获取模")


@dataclass(frozen=True)
class Order:
    """A download job. It goes to `folder`, or to the hub's cache if that is None.

    With `only`, no other files are downloaded.

    `unneeded`, `older_weights` and `pickles` are patterns of file names; `pickles` are never downloaded, and `weights`
    are the endings of weights that can be loaded without pickles. `target` is the folder in the cache of a hub that
    keeps plain folders.
    """

    model: str
    hub: str
    endpoint: str
    cache_dir: str
    target: str
    folder: str | None
    unneeded: list[str]
    older_weights: list[str]
    pickles: list[str]
    weights: list[str]
    only: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository. `sha256` is known of large files, of small files perhaps only git's hash."""

    path: str
    size: int
    sha256: str = ""
    git_hash: str = ""

    @property
    def digest(self) -> str:
        """Return the hash that is known."""
        return self.sha256 or self.git_hash

    def matches(self, path: Path) -> bool:
        """Check the content of `path` against the hash; without a hash, check its length."""
        if not self.digest:
            return path.stat().st_size == self.size
        is_git = not self.sha256
        checked = hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False) if is_git else hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                checked.update(piece)
        return checked.hexdigest() == self.digest.lower()


class Refused(Exception):
    """A hub's refusal to list a model: its kind, as the worker reports it, and the hub's words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Repository(Protocol):
    """A revision of a model's files on a hub."""

    files: list[RemoteFile]

    def address(self, file: RemoteFile) -> str:
        """Return the address of a file."""

    def headers(self) -> dict[str, str]:
        """Return the headers to request a file with."""

    def target_path(self, file: RemoteFile) -> Path:
        """Return the path of the complete file."""

    def is_resumable(self, file: RemoteFile) -> bool:
        """Return whether the worker downloads the file by itself; otherwise `finish` does."""

    def finish(self, skipped: list[str], bar: type[Any]) -> Path:
        """Download the files that aren't resumable, except for the patterns `skipped`; return the model's folder."""


class HuggingFaceRepository:
    """A repository of Hugging Face or a mirror. Its client downloads small files and lays out the cache."""

    def __init__(self, order: Order) -> None:
        self._order = order
        api = huggingface_hub.HfApi(endpoint=order.endpoint)
        # One request without the client's retries: a missing network is reported at once instead of after 20 seconds.
        self._commit = str(api.model_info(order.model, timeout=CONNECT_SECONDS).sha)
        tree = api.list_repo_tree(order.model, recursive=True, revision=self._commit)
        self.files = [_as_remote(entry) for entry in tree if isinstance(entry, RepoFile)]

    def address(self, file: RemoteFile) -> str:
        """Return the address of a file at the commit that was listed."""
        order = self._order
        return huggingface_hub.hf_hub_url(order.model, file.path, revision=self._commit, endpoint=order.endpoint)

    def headers(self) -> dict[str, str]:
        """Return the client's headers with the user's token."""
        return build_hf_headers()

    def target_path(self, file: RemoteFile) -> Path:
        """Return the path of the complete file; the cache names it by its hash."""
        if self._order.folder is not None:
            return Path(self._order.folder) / file.path
        repository = "--".join(["models", *self._order.model.split("/")])
        return Path(self._order.cache_dir) / repository / "blobs" / file.digest

    def is_resumable(self, file: RemoteFile) -> bool:
        """Return whether a file is large, but not so large that the hub gives it to its own client only."""
        return bool(file.sha256) and file.size <= MAX_HTTP_DOWNLOAD_SIZE

    def finish(self, skipped: list[str], bar: type[Any]) -> Path:
        """Let the hub's client download the rest and create the folder."""
        order = self._order
        folder = huggingface_hub.snapshot_download(
            order.model,
            cache_dir=order.cache_dir,
            local_dir=order.folder,
            endpoint=order.endpoint,
            ignore_patterns=skipped,
            tqdm_class=bar,
            max_workers=FILES_AT_ONCE,
        )
        return Path(str(folder))


def _as_remote(entry: RepoFile) -> RemoteFile:
    return RemoteFile(entry.path, entry.size, str(entry.lfs.sha256) if entry.lfs else "", str(entry.blob_id or ""))


class ModelScopeRepository:
    """A repository of ModelScope, whose tools keep plain folders. Every file has a SHA-256."""

    def __init__(self, order: Order) -> None:
        self._folder = Path(order.folder or order.target)
        self._base = f"{order.endpoint}/api/v1/models/{quote(order.model)}/repo"
        self.files = list(map(_of_modelscope, self._list()))

    def _list(self) -> list[dict[str, Any]]:
        """List the repository. Raises Refused."""
        parameters = {"Revision": _MASTER, "Recursive": "True"}
        answer = get_session().get(
            f"{self._base}/files", params=parameters, headers=self.headers(), timeout=CONNECT_SECONDS
        )
        try:
            document = json.loads(answer.text)
            files = (document.get("Data") or {}).get("Files") or []
        except (ValueError, AttributeError) as error:
            if answer.status_code in (401, 403, 404, 407):
                raise Refused(_kind(answer.status_code, ""), f"HTTP {answer.status_code}") from error
            raise Refused("unreachable", f"HTTP {answer.status_code}, {answer.text[:80]!r}") from error
        message = str(document.get("Message") or document.get("message") or "")
        code = document.get("Code", answer.status_code)
        if answer.status_code != 200 or code not in (200, "200") or document.get("Success") is False:
            status = answer.status_code if answer.status_code != 200 else code
            raise Refused(_kind(status, message), " ".join(filter(None, (f"HTTP {answer.status_code}", message))))
        return [file for file in files if file.get("Type") != "tree" and file.get("Path") not in _LEFT_OUT]

    def address(self, file: RemoteFile) -> str:
        """Return the address of a file."""
        return f"{self._base}?Revision={_MASTER}&FilePath={quote(file.path, safe='')}"

    def headers(self) -> dict[str, str]:
        """Return the headers with the user's token, in both forms that ModelScope's own tools send."""
        plain = {"User-Agent": "framelens", "Accept-Encoding": "identity"}
        token = os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
        return {**plain, "Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else plain

    def target_path(self, file: RemoteFile) -> Path:
        """Return the path of the complete file."""
        return self._folder / file.path

    def is_resumable(self, file: RemoteFile) -> bool:
        """Return True: no other program downloads a part of it."""
        return True

    def finish(self, skipped: list[str], bar: type[Any]) -> Path:
        """Return the folder, which is complete."""
        return self._folder


def _of_modelscope(entry: dict[str, Any]) -> RemoteFile:
    size = foreign_number(entry.get("Size"), most=1e15) or 0
    return RemoteFile(str(entry.get("Path", "")), round(size), str(entry.get("Sha256") or ""))


def _kind(status: object, message: str) -> str:
    """Return the kind of a refusal: 403 is also the answer to a name that doesn't exist, if no token was sent."""
    if status in (401, "401"):
        return "token" if os.environ.get("MODELSCOPE_API_TOKEN") else "gated"
    if status in (403, 407, "403"):
        return "proxy" if status == 407 else "gated"
    is_absent = status in (404, "404") or any(word in message.lower() for word in _ABSENT)
    return "missing" if is_absent else "unreachable"


_REPOSITORIES: dict[str, Callable[[Order], Repository]] = {
    "huggingface": HuggingFaceRepository,
    "modelscope": ModelScopeRepository,
}


def open_repository(order: Order) -> Repository:
    """List the model's repository on the hub of `order`.

    Raises:
        Refused: ModelScope doesn't list it; Hugging Face's client raises its own errors.
    """
    return _REPOSITORIES[order.hub](order)


def is_safe(path: str) -> bool:
    """Return whether a file called `path` stays in the model's folder, on every system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and parts[0] != "/" and "\\" not in path and "\0" not in path
