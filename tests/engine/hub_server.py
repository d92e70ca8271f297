"""A model hub on loopback: the part of the protocols of Hugging Face and ModelScope that is used to fetch a model.

As Hugging Face, it answers the model's description, its tree, and HEAD and GET of files with ETag, X-Repo-Commit and
byte ranges, and names large files by their SHA-256, small files by git's hash. As ModelScope, it lists the files with
their SHA-256 and hands them out. It can be set to break a transfer off, to hand out something else, to wait, to demand
permission, to refuse a token, or to know nothing.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import starmap
from urllib.parse import parse_qs, urlsplit

from framelens.core.engines.model_hub import HubKind, ModelHub
from tests import loopback

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE = 64 * 1024


@dataclass
class Hub:
    """What the hub holds and how it behaves. `files` maps a path in the model to its bytes."""

    model: str
    files: dict[str, bytes]
    others: dict[str, dict[str, bytes]] = field(default_factory=dict)  # the files of further models, by their names
    drop_after: int | None = None  # break the first transfer of each weights file off after so many bytes
    gated: bool = False
    refuses_token: bool = False
    corrupt: dict[str, int] = field(default_factory=dict)  # how often a file is handed out with a changed byte
    declared_sizes: dict[str, int] = field(default_factory=dict)
    gate: threading.Event | None = None  # hold every transfer back until it is set
    hold_after: int = 0  # let so many bytes of each weights file through before the gate
    hung_up: threading.Event | None = None  # instead of the gate: hold weights until the client hangs up, then set it
    kind: HubKind = "huggingface"
    url: str = ""
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def address(self) -> ModelHub:
        """The hub as the product names it."""
        return ModelHub(self.kind, self.url)


class _Handler(loopback.Handler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        self.hub.headers.append(dict(self.headers))
        self._route()

    def _route(self) -> None:
        path = self.path.partition("?")[0]
        name = next((one for one in self.hub.others if f"/{one}" in path), self.hub.model)
        files, model = self.hub.others.get(name, self.hub.files), re.escape(name)
        if self.hub.gated:
            self._json(403, {"error": "Access is restricted"}, {"X-Error-Code": "GatedRepo"})
        elif self.hub.refuses_token and "Authorization" in self.headers:
            self._json(401, {}, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif re.fullmatch(f"/api/models/{model}(/revision/[^/]+)?", path):
            self._json(200, {"id": name, "modelId": name, "sha": COMMIT, "siblings": []})
        elif re.fullmatch(f"/api/models/{model}/tree/[^/]+", path):
            self._json(200, [self._entry(one, data) for one, data in files.items()])
        elif (found := re.fullmatch(f"/{model}/resolve/[^/]+/(.+)", path)) and found[1] in files:
            self._file(found[1], files[found[1]])
        else:
            self._json(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    def _entry(self, name: str, data: bytes) -> dict[str, object]:
        size = self.hub.declared_sizes.get(name, len(data))
        entry: dict[str, object] = {"type": "file", "path": name, "size": size, "oid": git_hash(data)}
        if name.endswith(".safetensors"):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 130}
        return entry

    def _file(self, name: str, data: bytes) -> None:
        weights = name.endswith(".safetensors")
        etag = hashlib.sha256(data).hexdigest() if weights else git_hash(data)
        start = 0
        if given := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(given[1])
            self.hub.ranges.append(f"{name} {start}")
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            if self.hub.corrupt.get(name, 0) > 0:
                self.hub.corrupt[name] -= 1
                data = data[:-1] + bytes([data[-1] ^ 1])
            self._send(name, data[start:], weights)

    def _send(self, name: str, data: bytes, weights: bool) -> None:
        if weights and self.hub.hung_up is not None and not self.hub.hung_up.is_set():
            with suppress(ConnectionError):  # the client may hang up while it is still being sent to
                self.wfile.write(data[: self.hub.hold_after])
                self.connection.recv(1)  # returns when the connection ends: a client sends nothing in mid-answer
            self.hub.hung_up.set()
            self.close_connection = True
            return
        if self.hub.gate is not None:
            first = self.hub.hold_after if weights else 0
            self.wfile.write(data[:first])
            data = data[first:]
            self.hub.gate.wait(30)
        if weights and self.hub.drop_after is not None and name not in self.hub.dropped:
            self.hub.dropped.add(name)
            self.wfile.write(data[: self.hub.drop_after])
            self.close_connection = True
            return
        for offset in range(0, len(data), PIECE):
            self.wfile.write(data[offset : offset + PIECE])

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)


class _ModelScope(_Handler):
    """The messages are ModelScope's own."""

    def _route(self) -> None:
        parts, base = urlsplit(self.path), f"/api/v1/models/{self.hub.model}/repo"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "")
        if self.hub.gated:
            self._refuse(403, 10010205001, "无访问权限")
        elif self.hub.refuses_token and token:
            self._refuse(401, 10010201001, "token 无效")
        elif parts.path == f"{base}/files" and query == {"Revision": "master", "Recursive": "True"}:
            files = [
                {"Path": "assets", "Name": "assets", "Type": "tree", "Size": 0},
                *starmap(self._entry, self.hub.files.items()),
            ]
            self._json(200, {"Code": 200, "Data": {"Files": files}, "Message": "success", "Success": True})
        elif parts.path == base and query.get("FilePath") in self.hub.files:
            self._file(query["FilePath"], self.hub.files[query["FilePath"]])
        else:
            self._refuse(404, 10010205001, "获取模型失败，信息：record not found")

    def _refuse(self, status: int, code: int, words: str) -> None:
        self._json(status, {"Code": code, "Message": words, "RequestId": "c0ffee", "Success": False})

    def _entry(self, name: str, data: bytes) -> dict[str, object]:
        size = self.hub.declared_sizes.get(name, len(data))
        about = {"Path": name, "Name": name.rsplit("/", 1)[-1], "Type": "blob", "Revision": COMMIT, "Size": size}
        return {**about, "Sha256": hashlib.sha256(data).hexdigest(), "IsLFS": name.endswith(".safetensors")}


_HANDLERS: dict[HubKind, type[_Handler]] = {"huggingface": _Handler, "modelscope": _ModelScope}


def git_hash(data: bytes) -> str:
    """How git, and so the hub, names the content of a small file."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` until the block ends; its `url` is filled in."""
    with loopback.listening(type("Handler", (_HANDLERS[hub.kind],), {"hub": hub})) as hub.url:
        yield hub
