"""Overview of a video at a link: I-frames of it as a small video, read in parts, where its server allows that.

All parts are of one version of the file; if it changes, nothing is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from framelens.core.domain import Notice, NoticeValue
from framelens.core.errors import AppError, InputError
from framelens.core.links import Link
from framelens.core.units import human_size
from framelens.http_client.content_range import ContentRange, version_of, version_validator
from framelens.http_client.outbound import Outbound, ResponseHead
from framelens.i18n import as_notice
from framelens.store.video_repository import VideoRepository
from framelens.video.remux.overview import IframeCopied, OverviewEnd, OverviewPiece, copy_iframes

PROBED_BYTES = 64 << 10
"""Of the first request, which finds out whether parts of the file can be read."""
LEAST_BYTES = 32 << 20
"""A smaller file is fetched whole: that takes seconds."""
_MOST_ATTEMPTS = 3
_BROKEN = ("url_unreachable", "url_silent", "url_cut_off")


@dataclass(frozen=True)
class RangedFile:
    """A file whose server sends parts of it.

    Attributes:
        url: Its address, after redirects.
        name: Its name.
        size_bytes: Its size.
        version: What its server calls this content.
        headers: Headers that its server wants.
    """

    url: str
    name: str
    size_bytes: int
    version: str
    headers: dict[str, str]

    def check(self) -> None:
        """Raise InputError if an overview of it isn't worth while, or parts of two versions could be mixed."""
        if not self.version:
            raise InputError("overview_no_version", name=self.name)
        if self.size_bytes < LEAST_BYTES:
            raise InputError("overview_small", name=self.name, size=human_size(self.size_bytes))


class RangedReader:
    """Reader of parts of a file, all of one version.

    Attributes:
        read_bytes: Bytes that were read.
    """

    def __init__(self, outbound: Outbound, file: RangedFile, cancel: threading.Event) -> None:
        self._outbound, self._file, self._cancel = outbound, file, cancel
        self._deadline = time.monotonic() + outbound.settings.most_seconds
        self.read_bytes = 0

    def read(self, first: int, end: int) -> bytes:
        """Return bytes [first, end).

        Raises:
            InputError: What `Outbound.get` raises, "url_changes" or "url_cut_off".
            Cancelled: The reader's `cancel` was set.
        """
        data = bytearray()
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                self._get(first, end, data)
                return bytes(data)
            except InputError as error:
                if error.key not in _BROKEN or attempt == _MOST_ATTEMPTS:
                    raise
        raise AssertionError

    def _get(self, first: int, end: int, data: bytearray) -> None:
        """Add to `data` what is missing of bytes [first, end)."""
        file, settings = self._file, self._outbound.settings
        if time.monotonic() > self._deadline:
            raise InputError("url_too_slow", url=file.url, seconds=round(settings.most_seconds))
        start = first + len(data)
        wanted = {"Range": f"bytes={start}-{end - 1}", "If-Range": version_validator(file.version)}

        def receive(answer: ResponseHead) -> Callable[[bytes], object]:
            found = ContentRange.of(answer)
            is_same = found and (found.first, found.total) == (start, file.size_bytes)
            if not is_same or version_of(answer, file.size_bytes) not in ("", file.version):
                raise InputError("url_changes", url=file.url)
            return add

        def add(piece: bytes) -> bool:
            data.extend(piece[: end - first - len(data)])
            self.read_bytes += len(piece)
            return len(data) < end - first

        self._outbound.get(file.url, receive, self._cancel, headers=file.headers | wanted)
        if len(data) < end - first:
            raise InputError("url_cut_off", url=file.url, received=first + len(data), total=file.size_bytes)


def make_overview(
    videos: VideoRepository,
    outbound: Outbound,
    file: RangedFile,
    link: Link,
    on_progress: Callable[[int, IframeCopied], None],
    cancel: threading.Event,
) -> str:
    """Make an overview of a file and return the id of its video; that of an unchanged file isn't made again.

    Args:
        videos: Where it is kept.
        outbound: What reads parts of the file.
        file: The file.
        link: Where it is from.
        on_progress: Called with the bytes that were read, and the latest I-frame; it is 0 of 0 while the index is read.
        cancel: Ends the work.

    Raises:
        VideoError: There is no overview of this video.
        InputError: What `RangedReader.read` raises.
        StorageError: There is no room for it.
        Cancelled: `cancel` was set.
    """
    of = f"overview of {link.url}"
    with videos.arriving(of, cancel) as part, outbound.kept_alive(file.url) as kept:
        if made := videos.linked(of).get(file.version):
            return made
        reader, latest = RangedReader(kept, file, cancel), IframeCopied(0, 0)
        part.begin(file.name, None, "")

        def read(first: int, end: int) -> bytes:
            data = reader.read(first, end)
            on_progress(reader.read_bytes, latest)
            return data

        for event in copy_iframes(file.name, file.size_bytes, read, cancel):
            match event:
                case IframeCopied():
                    latest = event
                    on_progress(reader.read_bytes, latest)
                case OverviewPiece(data):
                    part.write(data)
                case OverviewEnd():
                    name = f"{PurePath(file.name).stem}{event.suffix}"
                    notice = _overview_notice(event, reader.read_bytes, file.size_bytes)
                    return videos.keep_arrived(part, name, link, file.version, notice)
    raise AssertionError


def whole_notice(reason: AppError) -> Notice:
    """Return the notice of a video that was fetched whole, although an overview was wanted."""
    return Notice("overview_whole", {"reason": as_notice(reason)}, "info")


def _overview_notice(made: OverviewEnd, read_bytes: int, size_bytes: int) -> Notice:
    values: dict[str, NoticeValue] = {
        "iframes": made.num_iframes,
        "of": made.num_iframes_from_index,
        "widest": round(made.widest_seconds, 1),
        "read": human_size(read_bytes),
        "size": human_size(size_bytes),
        "percent": round(100 * read_bytes / size_bytes, 1),
    }
    return Notice("overview", values)
