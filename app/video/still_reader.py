"""Single pictures of an opened video for a player, at times that come one by one. Runs in the decoding child."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av.error

from app.core.domain import Keyframe, KeyframeFound, VideoInfo
from app.video.readers.base import FrameReader, Picture, as_jpeg
from app.video.seeking import AccurateSeeker, InaccurateSeekError, pictures_at

_QUALITY = 80
"""Of pictures that are looked at for a moment; half the size of a keyframe's."""


class StillReader:
    """The picture on show at any time; the list of packets is kept from one time to the next."""

    def __init__(self, video: VideoInfo, reader: str) -> None:
        self._video = video
        self._reader = reader
        self._jumper: AccurateSeeker | None = None
        if reader == "pyav":
            self._open()

    def at(self, seconds: float) -> Picture | None:
        """Return the picture on show at `seconds`, or None for a file without one."""
        if self._jumper is not None:
            try:
                return self._jumper.at(seconds)
            except (InaccurateSeekError, av.error.FFmpegError):
                self._open()  # what was read of a damaged place is not carried on to the next time
        return next(pictures_at(self._video, self._reader, [seconds]), None)

    def _open(self) -> None:
        self.close()
        try:
            self._jumper = AccurateSeeker(self._video)
        except (InaccurateSeekError, av.error.FFmpegError):
            self._jumper = None

    def close(self) -> None:
        if self._jumper is not None:
            self._jumper.close()
            self._jumper = None


def stills(reader: FrameReader, wishes: Iterable[tuple[float, int]]) -> Iterator[KeyframeFound]:
    """For each (seconds, longest side in pixels) the picture on show then, numbered in the order of the wishes.

    A Keyframe without a picture stands for one that cannot be had.
    """
    source = StillReader(reader.info, reader.name)
    try:
        for number, (seconds, side) in enumerate(wishes, 1):
            picture = source.at(seconds)
            if picture is None:
                yield KeyframeFound(Keyframe(number, 0, seconds, "asked", 1, 0, 0, b""))
                continue
            jpeg, width, height = as_jpeg(picture.upright(side), _QUALITY)
            yield KeyframeFound(Keyframe(number, picture.index, picture.time_seconds, "asked", 1, width, height, jpeg))
    finally:
        source.close()
