"""Keyframes as files: one JPEG each and times.csv, in a folder or in a ZIP.

Pictures come one by one and go out one by one, so that a whole set at full resolution is never in memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from app.domain import Keyframe, clock

TABLE_NAME = "times.csv"
COLUMNS = ("number", "time_seconds", "clock", "frame_index", "shot", "reason", "file")
_YEAR_ZERO = (1980, 1, 1, 0, 0, 0)
"""The same frames give the same bytes: a ZIP's entries must not carry the time of day."""


@dataclass(frozen=True)
class Entry:
    """One file of the set."""

    name: str
    data: bytes


def entries(pictures: Iterable[Keyframe]) -> Iterator[Entry]:
    """The pictures in their order, then the table of their times."""
    rows = []
    for frame in pictures:
        rows.append(_row(frame))
        yield Entry(file_name(frame), frame.jpeg)
    yield Entry(TABLE_NAME, _table(rows))


def file_name(frame: Keyframe) -> str:
    """ "003_01-15.480.jpg": number and clock, in letters that every file system takes, sorted by time."""
    return f"{frame.number:03d}_{clock(frame.time_seconds).replace(':', '-')}.jpg"


def write_zip(target: BinaryIO, files: Iterable[Entry]) -> None:
    """All files as one ZIP; JPEGs are stored as they are."""
    with ZipFile(target, "w") as archive:
        for file in files:
            info = ZipInfo(file.name, _YEAR_ZERO)
            info.compress_type = ZIP_DEFLATED if file.name == TABLE_NAME else ZIP_STORED
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.data)


def written(files: Iterable[Entry], folder: Path) -> Iterator[Entry]:
    """The same files, each after it was written to `folder`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file.name).write_bytes(file.data)
        yield file


def zipped(pictures: Iterable[Keyframe]) -> bytes:
    """The whole ZIP in memory, for a page to hand out."""
    buffer = BytesIO()
    write_zip(buffer, entries(pictures))
    return buffer.getvalue()


def _row(frame: Keyframe) -> tuple[object, ...]:
    moment = clock(frame.time_seconds)
    return frame.number, frame.time_seconds, moment, frame.frame_index, frame.shot, frame.reason, file_name(frame)


def _table(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(rows)
    return text.getvalue().encode()
