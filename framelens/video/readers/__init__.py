"""Registry of video readers, in the order in which they are tried.

A reader is a class that opens a path and implements framelens.video.readers.base.FrameReader. To add a reader, write
its module and add it to READERS.

What this room does not do:

- Playlists, discs and network addresses: a link is fetched first.
- Files without timestamps, whose times are counted from the rate of frames.
"""

from pathlib import Path
from typing import Protocol

from framelens.core.errors import DecodeError
from framelens.video.readers.base import FrameReader
from framelens.video.readers.opencv import CvReader
from framelens.video.readers.pyav import AvReader


class _Opener(Protocol):
    def __call__(self, path: Path, *, every_frame: bool) -> FrameReader: ...


READERS: dict[str, _Opener] = {"pyav": AvReader, "opencv": CvReader}
FIRST_READER = next(iter(READERS))


def open_reader(path: Path, *, every_frame: bool = True) -> FrameReader:
    """Open `path` with the first reader that decodes a frame of it.

    Args:
        path: The video file.
        every_frame: Decode all frames. Otherwise the reader may skip frames that no other frame depends on, as long as
            several a second are left.

    Raises:
        VideoError: The file is not a video. No other reader is tried.
        DecodeError: No reader can decode it; the error is the first reader's.
    """
    failures: list[DecodeError] = []
    for reader in READERS.values():
        try:
            return reader(path, every_frame=every_frame)
        except DecodeError as error:
            failures.append(error)
    raise failures[0]
