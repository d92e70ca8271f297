"""From a path to an opened reader: the first of the registry that can decode the file.

A reader is a class that takes a path and offers app.video.readers.base.FrameReader; adding one is a file and a line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.errors import DecodeError
from app.video.readers.base import FrameReader
from app.video.readers.opencv import CvReader
from app.video.readers.pyav import AvReader

READERS: dict[str, Callable[[Path], FrameReader]] = {"pyav": AvReader, "opencv": CvReader}
FIRST_READER = next(iter(READERS))


def open_reader(path: Path) -> FrameReader:
    """The first reader that decodes a frame of `path`.

    Raises InputError at once for what is no video, and the first reader's DecodeError where none can decode it.
    """
    failures: list[DecodeError] = []
    for reader in READERS.values():
        try:
            return reader(path)
        except DecodeError as error:
            failures.append(error)
    raise failures[0]
