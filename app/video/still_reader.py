"""Reader of single pictures of an opened video, for a player. Runs in the decoder worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av.error

from app.core.domain import Keyframe, KeyframeFound, VideoInfo
from app.video.readers.base import FrameReader, Picture, as_jpeg
from app.video.seeking import AccurateSeeker, InaccurateSeekError, pictures_at

_QUALITY = 80
"""JPEG quality of pictures that are seen for a moment; half the size of a keyframe. Chosen by hand; not tuned."""


class StillReader:
    """Random access to the pictures of a video; the list of packets is kept between requests."""

    def __init__(self, video: VideoInfo, reader: str) -> None:
        self._video = video
        self._reader = reader
        self._jumper: AccurateSeeker | None = None
        if reader == "pyav":
            self._open()

    def at(self, seconds: float) -> Picture | None:
        """Return the picture shown at `seconds`, or None for a file without one."""
        if self._jumper is not None:
            try:
                return self._jumper.at(seconds)
            except (InaccurateSeekError, av.error.FFmpegError):
                self._open()  # decoder state from a damaged place must not affect the next request
        return next(pictures_at(self._video, self._reader, [seconds]), None)

    def _open(self) -> None:
        self.close()
        try:
            self._jumper = AccurateSeeker(self._video)
        except (InaccurateSeekError, av.error.FFmpegError):
            self._jumper = None

    def close(self) -> None:
        """Release the file."""
        if self._jumper is not None:
            self._jumper.close()
            self._jumper = None


def stills(reader: FrameReader, requests: Iterable[tuple[float, int]]) -> Iterator[KeyframeFound]:
    """Yield the picture for each request (seconds, longest side in pixels), numbered in the order of the requests.

    A Keyframe without a JPEG means that there is no picture.
    """
    source = StillReader(reader.info, reader.name)
    try:
        for number, (seconds, side) in enumerate(requests, 1):
            picture = source.at(seconds)
            if picture is None:
                yield KeyframeFound(Keyframe(number, 0, seconds, "asked", 1, 0, 0, b""))
                continue
            jpeg, width, height = as_jpeg(picture.upright(side), _QUALITY)
            yield KeyframeFound(Keyframe(number, picture.index, picture.time_seconds, "asked", 1, width, height, jpeg))
    finally:
        source.close()
