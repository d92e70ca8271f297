"""Request for a file of a video; its result depends on the answer: a file, the rest of a file, or a page."""

from __future__ import annotations

import mimetypes
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal
from urllib.parse import unquote_to_bytes, urlsplit

from framelens.core.errors import InputError
from framelens.core.files import shown_name
from framelens.core.links import media_type, unsigned
from framelens.store.videos.arriving_video import ArrivingVideo
from framelens.store.videos.outbound import ResponseHead

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_MOST_PAGE_BYTES = 1 << 20
_PACKED = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress")
_PAGES = ("text/html", "application/xhtml+xml")
_PLAYLISTS = (
    *("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"),
    "application/dash+xml",
)
_LIVE = "multipart/x-mixed-replace"
_OTHERS = (
    *("image/", "audio/", "text/css", "text/javascript", "application/json", "application/pdf"),
    *("application/zip", "application/gzip", "application/x-gzip"),
)
_PICTURES_THAT_MOVE = ("image/gif", "image/webp")
_HEADS: tuple[tuple[re.Pattern[bytes], Literal["html", "playlist"]], ...] = (
    (re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|script|title|meta)\b", re.I | re.S), "html"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:#EXTM3U|(?:<\?xml[^>]*>\s*)?<MPD\b)"), "playlist"),
)

Write = Callable[[bytes], object]


@dataclass(frozen=True)
class RemoteVideo:
    """A file of a video at an address.

    Attributes:
        url: The address of the file.
        headers: Headers that its server wants.
        title: The title that its page gives, "" without a page.
        uploader: Name of the uploader, "" if the page doesn't have it.
        name: Name of the file, "" for the name that its server gives.
        duration_seconds: Length of the video if its page says it.
        stream: Writes the file piece by piece, of a video that has no address for the whole; raises AppError.
        sound: The file with its sound, if this file has the pictures alone.
        version: Version of pictures and sound together, "" if unknown.
        is_sound: It is the sound of another file.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    uploader: str = ""
    name: str = ""
    duration_seconds: float | None = None
    stream: Callable[[Write, threading.Event], None] | None = None
    sound: RemoteVideo | None = None
    version: str = ""
    is_sound: bool = False


@dataclass(frozen=True)
class FetchProgress:
    """Progress of a fetch: the bytes that have arrived, and size and length of the video where they are known."""

    name: str
    received_bytes: int = 0
    size_bytes: int | None = None
    duration_seconds: float | None = None


OnProgress = Callable[[FetchProgress], None]


@dataclass(frozen=True)
class ArrivedFile:
    """A file that has arrived as a whole, with its name and its version."""

    name: str
    version: str = ""


@dataclass(frozen=True)
class WebPage:
    """A page that a link leads to instead of a video, with the beginning of its text."""

    url: str
    is_playlist: bool
    text: bytes


@dataclass(frozen=True)
class ContentRange:
    """The range of an answer: its first byte, and the size of the whole file, None if the server doesn't give it."""

    first: int
    total: int | None

    @classmethod
    def of(cls, answer: ResponseHead) -> ContentRange | None:
        """Return the range of an answer, None if the answer has the whole file or a malformed range."""
        match = _RANGE.fullmatch(answer.headers.get("content-range", "").strip()) if answer.status == 206 else None
        return cls(int(match[1]), int(match[3]) if match[3] != "*" else None) if match else None


def version_of(answer: ResponseHead, total: int | None = None) -> str:
    """Return the name of an answer's content: its ETag, or the time of its last change with its size; "" if unknown.

    A weak ETag names equivalent content, not the same bytes, and is not used.

    Args:
        answer: The answer.
        total: Size of the whole file, if the answer has a part.
    """
    if (tag := answer.headers.get("etag", "").strip()).startswith('"'):
        return f"etag:{tag}"
    modified, size = answer.headers.get("last-modified", "").strip(), total or answer.headers.get("content-length", "")
    return f"date:{modified} {size}" if modified and size else ""


def version_validator(version: str) -> str:
    """Return the value of `If-Range` or `If-None-Match` for a version."""
    kind, _, value = version.partition(":")
    return value if kind == "etag" else value.rpartition(" ")[0]


class Transfer:
    """One request for a file, and its result by the answer.

    Attributes:
        headers: Headers of the request.
        name: Name of the file.
        unchanged: The version that the server still has, of the known versions; "" if it has another version.
        is_stale: The part that has arrived can't be continued.
        page: The page in place of a file.
    """

    def __init__(
        self,
        part: ArrivingVideo,
        remote: RemoteVideo,
        ids_by_version: Mapping[str, str],
        on_progress: OnProgress,
    ) -> None:
        self._part, self._remote, self._ids_by_version, self._on_progress = part, remote, ids_by_version, on_progress
        self._first = 0
        self._page_type, self._is_file = "", False
        self._text = bytearray()
        self._answer: ResponseHead | None = None
        self.name = ""
        self.unchanged = ""
        self.is_stale = False
        self.page: WebPage | None = None
        self.headers = dict(remote.headers)
        if part.offset:
            self._first = part.offset - (part.offset == part.size_bytes)  # there is no range after the last byte
            self.headers["Range"] = f"bytes={self._first}-"
            self.headers["If-Range"] = version_validator(part.version)
        elif tags := [version_validator(version) for version in ids_by_version if version.startswith("etag:")]:
            self.headers["If-None-Match"] = ", ".join(tags)

    def receive(self, answer: ResponseHead) -> Callable[[bytes], object] | None:
        """Read the head of the answer and return a function that takes the pieces of its body, or None."""
        self._answer = answer
        self.name = self._remote.name or _name_in(answer)
        match answer.status:
            case 304:
                tag = answer.headers.get("etag", "")
                only = next(iter(self._ids_by_version)) if len(self._ids_by_version) == 1 else ""
                self.unchanged = f"etag:{tag}" if f"etag:{tag}" in self._ids_by_version else only
                self.is_stale = not self.unchanged
                return None
            case 416:
                self.is_stale = True
                return None
            case 206 if "Range" in self.headers:
                return self._continue(answer)
        version = version_of(answer)
        if version in self._ids_by_version:
            self.unchanged = version
            return None
        self._check_type(answer)
        return self._begin

    def check_whole(self, link: str) -> None:
        """Check that the file has arrived as a whole.

        Raises:
            InputError: "url_cut_off" or "url_empty".
        """
        if self._text:
            assert self._answer
            self.page = WebPage(self._answer.url, self._page_type == "playlist", bytes(self._text))
        if self.page or self.unchanged or self.is_stale:
            return
        part = self._part
        if part.size_bytes is not None and part.offset < part.size_bytes:
            raise InputError("url_cut_off", url=link, received=part.offset, total=part.size_bytes)
        if not part.offset:
            raise InputError("url_empty", url=link)

    def _continue(self, answer: ResponseHead) -> Callable[[bytes], object] | None:
        """Continue the part if the answer has the requested range of the same file."""
        part, content_range = self._part, ContentRange.of(answer)
        is_same = content_range and (content_range.first, content_range.total) == (self._first, part.size_bytes)
        if not (part.offset and is_same and version_of(answer, part.size_bytes) in ("", part.version)):
            self.is_stale = True
            return None
        part.proceed(self._first)
        self._say()
        return self._write

    def _begin(self, piece: bytes) -> object:
        """Take bytes of a new file, or of a page in its place."""
        if not (self._is_file or self._page_type):
            self._page_type = next((kind for head, kind in _HEADS if head.match(piece[:4096])), "")
        if self._page_type:
            self._text += piece
            return len(self._text) < _MOST_PAGE_BYTES
        if not self._is_file:
            assert self._answer
            length, content_range = self._answer.headers.get("content-length", ""), ContentRange.of(self._answer)
            size = content_range.total if content_range else int(length) if length.isdecimal() else None
            self._part.begin(self.name, size, version_of(self._answer, size))
            self._is_file = True
            self._say()
        return self._write(piece)

    def _write(self, piece: bytes) -> object:
        self._part.write(piece)
        self._say()
        return True

    def _say(self) -> None:
        part = self._part
        self._on_progress(FetchProgress(self.name, part.offset, part.size_bytes, self._remote.duration_seconds))

    def _check_type(self, answer: ResponseHead) -> None:
        """Raise InputError for a type that is not a video's, and note a page."""
        kind = media_type(answer.headers)
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if kind == _LIVE or any(name.startswith("icy-") for name in answer.headers):
            raise InputError("url_live", url=unsigned(answer.url))
        if kind in _PAGES or kind in _PLAYLISTS:
            self._page_type = "html" if kind in _PAGES else "playlist"
        elif kind.startswith("audio/") and self._remote.is_sound:
            pass
        elif kind.startswith(_OTHERS) and kind not in _PICTURES_THAT_MOVE:
            raise InputError("url_other", url=unsigned(answer.url), type=kind)
        if encoding in _PACKED and not self._page_type:
            raise InputError("url_compressed", url=unsigned(answer.url), encoding=encoding)


def _decode_path(path: str) -> str:
    """Return a path without percent signs; older Chinese servers write names in GBK."""
    data = unquote_to_bytes(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def _name_in(answer: ResponseHead) -> str:
    """Return the name of the file that an answer has."""
    header = Message()
    header["content-disposition"] = answer.headers.get("content-disposition", "")
    at = urlsplit(answer.url)
    name = shown_name(header.get_filename() or _decode_path(at.path.rstrip("/")).rpartition("/")[2] or at.netloc)
    kind = media_type(answer.headers)
    is_named = "." in name[-5:] or not kind.startswith("video/")
    return name if is_named else f"{name}{mimetypes.guess_extension(kind) or ''}"
