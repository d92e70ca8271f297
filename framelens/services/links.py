"""Videos fetched from links: to the data folder, continued where a fetch ended, and not fetched again while unchanged.

A link leads to a file of a video, or to a page with one; a plugin finds that (the slot "link.page"). A file whose
server names its content (an ETag, or the time of its last change) is continued with a range of it. One that has changed
begins again, so that no two are mixed.
"""

from __future__ import annotations

import mimetypes
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from typing import Literal
from urllib.parse import unquote, urlsplit

from framelens import registry
from framelens.core.errors import InputError
from framelens.core.files import one_line, shown_name
from framelens.core.links import Link, SourceSettings, unsigned
from framelens.core.roles import current_user
from framelens.core.units import human_size
from framelens.http_client.outbound import Outbound, ResponseHead
from framelens.store.arriving_video import ArrivingVideo
from framelens.store.video_repository import VideoRepository

_MOST_ATTEMPTS = 5
"""Of a file whose connection breaks off, each from where the last one ended."""
_BROKEN = ("url_unreachable", "url_silent", "url_cut_off")
_MOST_PAGE_BYTES = 1 << 20
_PACKED = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress")
_PAGES = ("text/html", "application/xhtml+xml")
_PLAYLISTS = (
    *("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"),
    "application/dash+xml",
)
_LIVE = "multipart/x-mixed-replace"
_OTHERS = ("image/", "audio/", "text/css", "text/javascript", "application/json", "application/pdf", "application/zip")
_PICTURES_THAT_MOVE = ("image/gif", "image/webp")
_HEADS: tuple[tuple[re.Pattern[bytes], Literal["html", "playlist"]], ...] = (
    (re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|script|title|meta)\b", re.I | re.S), "html"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:#EXTM3U|(?:<\?xml[^>]*>\s*)?<MPD\b)"), "playlist"),
)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PASSWORD = re.compile(rb"<input[^>]+type\s*=\s*[\"']?password", re.IGNORECASE)


Write = Callable[[bytes], object]


@dataclass(frozen=True)
class RemoteVideo:
    """A file of a video at an address.

    Attributes:
        url: The address of the file.
        headers: Headers that its server wants.
        title: The title that its page gives, "" without a page.
        uploader: Who put it there, "" if the page doesn't say.
        name: Name of the file, "" for what its server says.
        duration_seconds: Length of the video if its page says it.
        stream: Writes the file piece by piece, of a video that has no address for the whole; raises AppError.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    uploader: str = ""
    name: str = ""
    duration_seconds: float | None = None
    stream: Callable[[Write, threading.Event], None] | None = None


@dataclass(frozen=True)
class FetchProgress:
    """Progress of a fetch: the bytes that have arrived, and size and length of the video where they are known."""

    name: str
    received_bytes: int = 0
    size_bytes: int | None = None
    duration_seconds: float | None = None


OnProgress = Callable[[FetchProgress], None]


@dataclass(frozen=True)
class WebPage:
    """A page that a link leads to instead of a video, with the beginning of its text."""

    url: str
    is_playlist: bool
    text: bytes


class LinkFetcher:
    """What fetches videos from links. Safe to use from several threads, not from an event loop.

    Args:
        videos: Where the videos are kept.
        settings: The addresses that may be reached.
        is_open: Every public address may be named, not only listed ones; see `may_name_any`.
    """

    def __init__(self, videos: VideoRepository, settings: SourceSettings, *, is_open: bool = False) -> None:
        self._videos = videos
        self._outbound = Outbound(settings, is_open=is_open)

    def check(self, url: str) -> None:
        """Check that a video may be fetched from this address; nothing is resolved.

        Raises:
            InputError: "url_invalid", "url_none_allowed" or "url_not_allowed".
        """
        self._outbound.check_source(url)

    def fetch(self, url: str, on_progress: OnProgress, cancel: threading.Event, *, name: str = "") -> str:
        """Fetch the video at an address and return its id; an unchanged one isn't fetched again.

        Args:
            url: The address of a file (http, https or s3), or of a page with a video (http or https).
            on_progress: Called before the first bytes, and with each piece.
            cancel: Ends the fetch within 0.1 s once it is set; its bytes are kept if it can be continued.
            name: Name to show, "" for that of the file.

        Raises:
            InputError: What `Outbound.get` raises, "url_cut_off", "url_changes", "url_compressed", "url_empty",
                "url_other", "url_live", "url_is_page", "url_login", or what the finder of a page's video raises.
            StorageError: There is no room for it.
            Cancelled: `cancel` was set.
        """
        self.check(url)
        link = unsigned(url)
        with self._videos.arriving(link, cancel) as part:
            remote = RemoteVideo(url, name=name)
            found = self._received(part, remote, link, on_progress, cancel)
            if isinstance(found, WebPage):
                remote = self._video_of(found, cancel)
                remote = replace(remote, name=name or remote.name)
                found = self._received(part, remote, link, on_progress, cancel)
            if isinstance(found, WebPage):
                raise InputError("url_other", url=link, type="text/html")
            return found

    def _received(
        self, part: ArrivingVideo, remote: RemoteVideo, link: str, on_progress: OnProgress, cancel: threading.Event
    ) -> str | WebPage:
        """Receive a file, in several attempts if need be, and return the id of its video; or the page in its place."""
        if remote.stream:
            return self._streamed(part, remote, link, on_progress, cancel)
        known = self._videos.linked(link)
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            before, transfer = part.offset, _Transfer(part, remote, known, on_progress)
            try:
                self._outbound.get(remote.url, transfer.receive, cancel, headers=transfer.headers)
                transfer.check_whole(link)
            except InputError as error:
                may_continue = part.version and part.offset > before and error.key in _BROKEN
                if may_continue and attempt < _MOST_ATTEMPTS:
                    continue
                raise
            if transfer.unchanged:
                return known[transfer.unchanged]
            if transfer.page:
                return transfer.page
            if transfer.is_stale:  # what has arrived is part of something else
                part.drop()
                continue
            return self._videos.keep_arrived(part, transfer.name, _origin(remote, link), part.version)
        raise InputError("url_changes", url=link)

    def _streamed(
        self, part: ArrivingVideo, remote: RemoteVideo, link: str, on_progress: OnProgress, cancel: threading.Event
    ) -> str:
        """Receive a video that comes in segments; it can't be continued."""
        assert remote.stream
        most_bytes = self._outbound.settings.most_bytes
        part.begin(remote.name, None, "")

        def write(piece: bytes) -> None:
            if part.offset + len(piece) > most_bytes:
                raise InputError("url_too_large", url=link, most=human_size(most_bytes))
            part.write(piece)
            on_progress(FetchProgress(remote.name, part.offset, None, remote.duration_seconds))

        remote.stream(write, cancel)
        if not part.offset:
            raise InputError("url_empty", url=link)
        return self._videos.keep_arrived(part, remote.name, _origin(remote, link), "")

    def _video_of(self, page: WebPage, cancel: threading.Event) -> RemoteVideo:
        """Return the video of a page, as a plugin finds it."""
        if page.is_playlist and b"#EXT-X-TARGETDURATION" in page.text and b"#EXT-X-ENDLIST" not in page.text:
            raise InputError("url_live", url=unsigned(page.url))
        find = next(registry.in_slot("link.page"), None)
        if find is None:
            raise InputError("url_is_page", url=unsigned(page.url))
        try:
            found: RemoteVideo = find(page.url, self._outbound, cancel)
        except InputError as error:
            if error.key == "url_no_video" and _PASSWORD.search(page.text):
                raise InputError("url_login", url=unsigned(page.url)) from error
            raise
        return found


def _origin(remote: RemoteVideo, link: str) -> Link:
    retrieved = datetime.now(UTC).isoformat(timespec="seconds")
    return Link(link, one_line(remote.title), one_line(remote.uploader), retrieved)


def may_name_any(*, is_shared: bool) -> bool:
    """Return whether the user of this context may fetch from every public address, not only from listed ones.

    Args:
        is_shared: Others may use the page although there are no accounts.
    """
    return current_user().role == "administrator" and not is_shared


class _Transfer:
    """One request for a file, and what its answer makes of it.

    Attributes:
        headers: Those of the request.
        name: Name of the file.
        unchanged: The version that the server still has, of those that are known; "" if it has another one.
        is_stale: The part that has arrived can't be continued.
        page: The page in place of a file.
    """

    def __init__(
        self, part: ArrivingVideo, remote: RemoteVideo, known: Mapping[str, str], on_progress: OnProgress
    ) -> None:
        self._part, self._remote, self._known, self._on_progress = part, remote, known, on_progress
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
            self.headers["If-Range"] = _validator(part.version)
        elif tags := [_validator(one) for one in known if one.startswith("etag:")]:
            self.headers["If-None-Match"] = ", ".join(tags)

    def receive(self, answer: ResponseHead) -> Callable[[bytes], object] | None:
        """Take the head of the answer and return what takes its body."""
        self._answer = answer
        self.name = self._remote.name or _name_in(answer)
        match answer.status:
            case 304:
                tag = answer.headers.get("etag", "")
                self.unchanged = f"etag:{tag}" if f"etag:{tag}" in self._known else self._only_known()
                self.is_stale = not self.unchanged
                return None
            case 416:
                self.is_stale = True
                return None
            case 206:
                return self._continue(answer)
        version = _version(answer)
        if version in self._known:
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

    def _only_known(self) -> str:
        return next(iter(self._known)) if len(self._known) == 1 else ""

    def _continue(self, answer: ResponseHead) -> Callable[[bytes], object] | None:
        """Continue what has arrived, if the range is what was asked for, of the same file."""
        part, found = self._part, _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
        total = int(found[3]) if found and found[3] != "*" else None
        is_same = found and int(found[1]) == self._first and total == part.size_bytes
        if not (part.offset and is_same and _version(answer, total) in ("", part.version)):
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
            length = self._answer.headers.get("content-length", "")
            self._part.begin(self.name, int(length) if length.isdecimal() else None, _version(self._answer))
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
        """Raise InputError for a type that is not that of a video, and note a page."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if kind == _LIVE or any(name.startswith("icy-") for name in answer.headers):
            raise InputError("url_live", url=unsigned(answer.url))
        if kind in _PAGES or kind in _PLAYLISTS:
            self._page_type = "html" if kind in _PAGES else "playlist"
        elif kind.startswith(_OTHERS) and kind not in _PICTURES_THAT_MOVE:
            raise InputError("url_other", url=unsigned(answer.url), type=kind)
        if encoding in _PACKED and not self._page_type:
            raise InputError("url_compressed", url=unsigned(answer.url), encoding=encoding)


def _version(answer: ResponseHead, total: int | None = None) -> str:
    """Return what names the content of an answer: its ETag, or the time of its last change with its size; "" if none.

    A weak ETag names what means the same, not the same bytes, and is not used.
    """
    if (tag := answer.headers.get("etag", "").strip()).startswith('"'):
        return f"etag:{tag}"
    changed, size = answer.headers.get("last-modified", "").strip(), total or answer.headers.get("content-length", "")
    return f"date:{changed} {size}" if changed and size else ""


def _validator(version: str) -> str:
    """Return the value of If-Range or If-None-Match for a version."""
    kind, _, value = version.partition(":")
    return value if kind == "etag" else value.rpartition(" ")[0]


def _name_in(answer: ResponseHead) -> str:
    """Return the name of the file that an answer has."""
    header = Message()
    header["content-disposition"] = answer.headers.get("content-disposition", "")
    at = urlsplit(answer.url)
    name = shown_name(header.get_filename() or unquote(at.path.rstrip("/")).rpartition("/")[2] or at.netloc)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_named = "." in name[-5:] or not kind.startswith("video/")
    return name if is_named else f"{name}{mimetypes.guess_extension(kind) or ''}"
