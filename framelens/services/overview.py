"""Overview of a video at a link: some of its I-frames as a small video, if its server sends parts of files.

All parts are of the same version of the file; if it changes, nothing is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath

from framelens.core.domain import Notice, NoticeValue
from framelens.core.errors import AppError, InputError
from framelens.core.links import Link
from framelens.core.units import human_size
from framelens.http_client.content_range import ContentRange, version_of, version_validator
from framelens.http_client.outbound import BROKEN, Outbound, ResponseHead
from framelens.i18n import as_notice
from framelens.store.videos.video_repository import VideoRepository
from framelens.video.remux.overview import IframeCopied, OverviewEnd, OverviewPiece, Ranges, copy_iframes

PROBED_BYTES = 64 << 10
"""Size of the first request, which finds out whether parts of the file can be read."""
LEAST_BYTES = 32 << 20
"""A smaller file is fetched whole: that takes seconds."""
_MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class RangedFile:
    """A file whose server sends parts of it.

    Attributes:
        url: Its address, after redirects.
        name: Its name.
        size_bytes: Its size.
        version: The server's name for this content.
        headers: Headers that its server wants.
    """

    url: str
    name: str
    size_bytes: int
    version: str
    headers: dict[str, str]

    def check(self) -> None:
        """Raise InputError if the file is too small for an overview, or parts of two versions could be mixed."""
        if not self.version:
            raise InputError("overview_no_version", name=self.name)
        if self.size_bytes < LEAST_BYTES:
            raise InputError("overview_small", name=self.name, size=human_size(self.size_bytes))


@dataclass
class _Part:
    """Bytes [first, end) of a file, and the bytes that have arrived."""

    first: int
    end: int
    data: bytearray = field(default_factory=bytearray)

    @property
    def num_missing(self) -> int:
        return self.end - self.first - len(self.data)


class RangedReader:
    """Reader of parts of a file, all of the same version.

    Attributes:
        read_bytes: Bytes that were read.
    """

    def __init__(self, outbound: Outbound, file: RangedFile, cancel: threading.Event) -> None:
        self._outbound, self._file, self._cancel = outbound, file, cancel
        self._deadline = time.monotonic() + outbound.settings.most_seconds
        self.read_bytes = 0

    def read(self, ranges: Ranges) -> list[bytes]:
        """Return the bytes of each range [first, end); they are requested together, then separately if that fails.

        Raises:
            InputError: As `Outbound.get`, or "url_changes" or "url_cut_off".
            Cancelled: The reader's `cancel` was set.
        """
        parts = [_Part(first, end) for first, end in ranges]
        try:
            self._get(parts)
        except InputError as error:
            if error.key not in (*BROKEN, "url_busy"):
                raise
            for part in parts:
                self._get_alone(part)
        return [bytes(part.data) for part in parts]

    def _get_alone(self, part: _Part) -> None:
        """Fetch the missing bytes of a part, in several attempts."""
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                return self._get([part] if part.num_missing else [])
            except InputError as error:
                if error.key not in BROKEN or attempt == _MOST_ATTEMPTS:
                    raise

    def _get(self, parts: Sequence[_Part]) -> None:
        """Fetch the missing bytes of the parts."""
        file, settings = self._file, self._outbound.settings
        if time.monotonic() > self._deadline:
            raise InputError("url_too_slow", url=file.url, seconds=round(settings.most_seconds))
        wanted = [(partial(self._receive, part), file.headers | self._asking(part)) for part in parts]
        self._outbound.get_all(file.url, wanted, self._cancel)
        for part in parts:
            if part.num_missing:
                received = part.first + len(part.data)
                raise InputError("url_cut_off", url=file.url, received=received, total=file.size_bytes)

    def _asking(self, part: _Part) -> dict[str, str]:
        """Return the headers that request the missing bytes of a part."""
        start = part.first + len(part.data)
        return {"Range": f"bytes={start}-{part.end - 1}", "If-Range": version_validator(self._file.version)}

    def _receive(self, part: _Part, answer: ResponseHead) -> Callable[[bytes], object]:
        file, found = self._file, ContentRange.of(answer)
        is_same = found and (found.first, found.total) == (part.first + len(part.data), file.size_bytes)
        if not is_same or version_of(answer, file.size_bytes) not in ("", file.version):
            raise InputError("url_changes", url=file.url)

        def add(piece: bytes) -> bool:
            self.read_bytes += len(piece)
            part.data.extend(piece[: part.num_missing])
            return True

        return add


def make_overview(
    videos: VideoRepository,
    outbound: Outbound,
    file: RangedFile,
    link: Link,
    on_progress: Callable[[int, IframeCopied], None],
    cancel: threading.Event,
) -> str:
    """Make an overview of a file and return the id of its video; the overview of an unchanged file isn't made again.

    Args:
        videos: Repository for the overview.
        outbound: Client that reads parts of the file.
        file: The file.
        link: Its source.
        on_progress: Called with the number of bytes read, and the latest I-frame: 0 of 0 while the index is read.
        cancel: Ends the work.

    Raises:
        VideoError: There is no overview of this video.
        InputError: As `RangedReader.read`.
        StorageError: There is no room for it.
        Cancelled: `cancel` was set.
    """
    of = f"overview of {link.url}"
    with videos.arriving(of, cancel) as part, outbound.kept_alive(file.url) as kept:
        if made := videos.linked(of).get(file.version):
            return made
        reader, latest = RangedReader(kept, file, cancel), IframeCopied(0, 0)
        part.begin(file.name, None, "")

        def read(ranges: Ranges) -> list[bytes]:
            data = reader.read(ranges)
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
