"""Writers of report files into a folder or into a reproducible ZIP.

Files are streamed separately, so that a whole set of pictures is never in memory.
"""

import csv
import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from framelens.core.background_task import check_cancelled
from framelens.core.domain import Keyframe
from framelens.core.units import clock, rounded_time

_YEAR_ZERO = (1980, 1, 1, 0, 0, 0)
"""Fixed time of all ZIP entries, so that the same files give the same bytes."""
_COMPRESSED = {".jpg", ".docx", ".pdf"}
TABLE_NAME = "times.csv"
_PICTURE_NAME = re.compile(r"\d{3,}_[\d-]+\.\d{3}\.jpg")
"""Form of the names of `frame_file_name`."""
COLUMNS = ("number", "time_seconds", "clock", "frame_index", "shot", "reason", "file")


@dataclass(frozen=True)
class ReportFile:
    """A file. `name` may begin with folders, separated by "/"."""

    name: str
    data: bytes


def write_zip(target: BinaryIO, files: Iterable[ReportFile]) -> None:
    """Write all files to a ZIP; compressed formats are stored without compressing them again."""
    with ZipFile(target, "w") as archive:
        for file in files:
            check_cancelled()
            info = ZipInfo(file.name, _YEAR_ZERO)
            info.compress_type = ZIP_STORED if PurePosixPath(file.name).suffix in _COMPRESSED else ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.data)


def zipped(files: Iterable[ReportFile]) -> bytes:
    """Return the whole ZIP as bytes, for a download."""
    buffer = BytesIO()
    write_zip(buffer, files)
    return buffer.getvalue()


def written(files: Iterable[ReportFile], folder: Path) -> Iterator[ReportFile]:
    """Write the files to `folder` and yield each file after it was written.

    Raises:
        OSError: The folder or a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        path = folder / file.name
        with atomic_write(path) as target:
            target.write(file.data)
        yield file


def written_frames(files: Iterable[ReportFile], folder: Path) -> Iterator[ReportFile]:
    """Write the files of `frame_entries` to `folder`, yield each, and remove the pictures of an earlier call there.

    Raises:
        OSError: The folder or a file could not be written, or an earlier picture could not be removed.
    """
    earlier = _earlier_pictures(folder)
    for file in written(files, folder):
        earlier.discard(file.name)
        yield file
    for name in earlier:
        (folder / name).unlink(missing_ok=True)


def _earlier_pictures(folder: Path) -> set[str]:
    """Return the names of the pictures that the table in a folder lists, if `frame_entries` made it."""
    try:
        rows = list(csv.reader(StringIO((folder / TABLE_NAME).read_text("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        return set()
    if rows[:1] != [list(COLUMNS)]:
        return set()
    return {row[-1] for row in rows[1:] if row and _PICTURE_NAME.fullmatch(row[-1])}


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when it is complete.

    Raises:
        OSError: The disk refuses, or `path` is a device, a pipe or a socket, which a file would replace.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    check_replaceable(path)
    scratch = path.with_name(f".{secrets.token_hex(6)}.part")  # a longer name might not fit
    try:
        with scratch.open("xb") as target:
            yield target
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raise OSError if this is a device, a pipe or a socket, which a file would replace."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(path))


def frame_entries(pictures: Iterable[Keyframe]) -> Iterator[ReportFile]:
    """Yield the pictures in their order, then a CSV table of their times."""
    rows = []
    for frame in pictures:
        rows.append(_frame_row(frame))
        yield ReportFile(frame_file_name(frame.number, frame.time_seconds), frame.jpeg)
    yield ReportFile(TABLE_NAME, _frame_table(rows))


def frame_file_name(number: int, time_seconds: float) -> str:
    """Return a name such as "003_01-15.480.jpg", which sorts by time and is valid on every file system."""
    return f"{number:03d}_{clock(time_seconds).replace(':', '-')}.jpg"


def _frame_row(frame: Keyframe) -> tuple[object, ...]:
    moment, name = clock(frame.time_seconds), frame_file_name(frame.number, frame.time_seconds)
    return frame.number, rounded_time(frame.time_seconds), moment, frame.frame_index, frame.shot, frame.reason, name


def _frame_table(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows(rows)
    return text.getvalue().encode()
