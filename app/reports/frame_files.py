"""Keyframes as files: one JPEG each and times.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

from app.domain import Keyframe, clock
from app.reports.files import Entry

TABLE_NAME = "times.csv"
COLUMNS = ("number", "time_seconds", "clock", "frame_index", "shot", "reason", "file")


def entries(pictures: Iterable[Keyframe]) -> Iterator[Entry]:
    """The pictures in their order, then the table of their times."""
    rows = []
    for frame in pictures:
        rows.append(_row(frame))
        yield Entry(file_name(frame.number, frame.time_seconds), frame.jpeg)
    yield Entry(TABLE_NAME, _table(rows))


def file_name(number: int, time_seconds: float) -> str:
    """ "003_01-15.480.jpg": number and clock, in letters that every file system takes, sorted by time."""
    return f"{number:03d}_{clock(time_seconds).replace(':', '-')}.jpg"


def _row(frame: Keyframe) -> tuple[object, ...]:
    moment, name = clock(frame.time_seconds), file_name(frame.number, frame.time_seconds)
    return frame.number, frame.time_seconds, moment, frame.frame_index, frame.shot, frame.reason, name


def _table(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(rows)
    return text.getvalue().encode()
