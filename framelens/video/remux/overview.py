"""Overview of a video that is read in parts: some of its I-frames, copied with their times to a small video of its own.

The worker (`framelens.video.remux.overview_worker`) decides which bytes it needs, and has neither a file nor a network.
The caller of `copy_iframes` reads the bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framelens.core.codec import Failure
from framelens.core.errors import VideoError
from framelens.video.limits import MEMORY_BYTES
from framelens.video.worker_pool import DecoderWorker

WORKER = "framelens.video.remux.overview_worker"
MOST_IFRAMES = 720
"""One in 10 s of two hours, as many as thumbnails of a video."""
MOST_SHARE = 0.25
"""Of the bytes of the video, which are read on purpose."""
_ALLOWED_SHARE = 0.3
"""Of the bytes that a worker may ask for, rounded to whole blocks; a worker that asks for more is ended."""
_MOST_BYTES_AT_ONCE = 64 << 20
"""Asked for by a worker: more than any I-frame or index."""
_STUCK_SECONDS = 900.0
"""A worker waits for the network, which has time limits of its own."""


@dataclass(frozen=True)
class OverviewRequest:
    """Request to copy I-frames, with its limits.

    Attributes:
        path: Name of the video, for errors.
        size_bytes: Its size.
        most_iframes: I-frames to copy, at most.
        most_bytes: Bytes to read, at most.
    """

    path: Path
    size_bytes: int
    most_iframes: int = MOST_IFRAMES
    most_bytes: int = 0
    confined: tuple[Path, ...] = ()
    memory_bytes: int = MEMORY_BYTES
    stuck_seconds: float = _STUCK_SECONDS


@dataclass(frozen=True)
class WantedBytes:
    """Ranges [first, end) of the video's bytes that the worker waits for."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class IframeCopied:
    """Another I-frame was copied: `number` of `wanted`."""

    number: int
    wanted: int


@dataclass(frozen=True)
class OverviewPiece:
    """The next bytes of the small video."""

    data: bytes


@dataclass(frozen=True)
class OverviewEnd:
    """The end of the small video.

    Attributes:
        suffix: Suffix of its file, ".mp4" or ".mkv".
        num_iframes: I-frames that were copied.
        num_iframes_from_index: I-frames of the video.
        widest_seconds: Longest time between two copied I-frames.
    """

    suffix: str
    num_iframes: int
    num_iframes_from_index: int
    widest_seconds: float


MESSAGES = (WantedBytes, IframeCopied, OverviewPiece, OverviewEnd, Failure)
Ranges = Sequence[tuple[int, int]]
Read = Callable[[Ranges], list[bytes]]


def copy_iframes(
    name: str, size_bytes: int, read: Read, cancel: threading.Event
) -> Iterator[IframeCopied | OverviewPiece | OverviewEnd]:
    """Copy I-frames of a video to a small video, and yield its bytes, with OverviewEnd as the last event.

    Args:
        name: Name of the video, for errors.
        size_bytes: Its size.
        read: read(ranges) returns the bytes of each range [first, end) of it.
        cancel: Setting it raises Cancelled.

    Raises:
        VideoError: "overview_format", "overview_sparse" or "overview_share" for a video that has no such overview.
        DecodeError: The worker failed.
        Cancelled: `cancel` was set.
    """
    request = OverviewRequest(Path(name), size_bytes, most_bytes=int(MOST_SHARE * size_bytes))
    left = int(_ALLOWED_SHARE * size_bytes)
    with DecoderWorker(request, module=WORKER, messages=MESSAGES) as worker:
        for message in worker.events(cancel):
            match message:
                case WantedBytes(ranges):
                    wanted = sum(end - first for first, end in ranges)
                    left -= wanted
                    are_inside = all(0 <= first < end <= size_bytes for first, end in ranges)
                    if not are_inside or wanted > _MOST_BYTES_AT_ONCE or left < 0:
                        raise VideoError("overview_share", name=name)
                    worker.ask(read(ranges))
                case IframeCopied() | OverviewPiece() | OverviewEnd():
                    yield message
