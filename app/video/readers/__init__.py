"""From a path to an opened reader: the first of the registry that can decode the file.

A reader is a class that opens a path and offers app.video.readers.base.FrameReader; adding one is a file and a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from app.core.errors import DecodeError
from app.video.readers.base import FrameReader
from app.video.readers.opencv import CvReader
from app.video.readers.pyav import AvReader


class _Opener(Protocol):
    def __call__(self, path: Path, *, every_frame: bool) -> FrameReader: ...


READERS: dict[str, _Opener] = {"pyav": AvReader, "opencv": CvReader}
FIRST_READER = next(iter(READERS))


def open_reader(path: Path, *, every_frame: bool = True) -> FrameReader:
    """The first reader that decodes a frame of `path`. Without `every_frame` it may pass over frames on which no other
    depends, as long as several a second are left.

    Raises InputError at once for what is no video, and the first reader's DecodeError where none can decode it.
    """
    failures: list[DecodeError] = []
    for reader in READERS.values():
        try:
            return reader(path, every_frame=every_frame)
        except DecodeError as error:
            failures.append(error)
    raise failures[0]
