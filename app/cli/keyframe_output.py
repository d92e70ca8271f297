"""From chosen keyframes to what was asked for: a table or JSON on standard output, and files.

What draws and writes is imported where it is used: a table needs no picture library, and JSON needs no table.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.cli.common import not_written
from app.domain import KeyframesChosen, Language, VideoInfo, clock
from app.i18n import notice_text, t

if TYPE_CHECKING:
    from rich.table import Table


def deliver(
    path: Path,
    video: VideoInfo,
    chosen: KeyframesChosen,
    given: argparse.Namespace,
    language: Language,
    sha256: str,
    *,
    reused: bool,
    cancel: threading.Event,
) -> None:
    """Print the keyframes as `given` asks and write the files it names. Raises StorageError and what reading raises."""
    for notice in chosen.decode.notices:
        print(notice_text(notice, language), file=sys.stderr)
    document = b""
    if given.json:
        from app.reports.json import keyframes

        document = keyframes.write(video, sha256, chosen, reused=reused, language=language)
    if given.zip or given.output:
        _save(path, chosen, given, cancel)
    if given.sheet:
        from app.reports.graphics import contact_sheet

        with not_written("sheet_not_written", given.sheet), _replacing(given.sheet) as target:
            target.write(contact_sheet.sheet_of(video, chosen, language))
    if given.json:  # last, so that a script that got it knows that the files are there
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    else:
        from rich.console import Console

        Console(highlight=False).print(_table(chosen, language))
    saved = (("frames_written", given.zip), ("frames_written", given.output), ("sheet_written", given.sheet))
    for key, place in saved:
        if place:
            print(t(f"cli.{key}", language, path=place), file=sys.stderr if given.json else sys.stdout)


def _save(path: Path, chosen: KeyframesChosen, given: argparse.Namespace, cancel: threading.Event) -> None:
    from app.reports import files
    from app.video import full_pictures

    pictures = files.frame_entries(full_pictures(path, chosen.keyframes, cancel=cancel))
    with not_written("frames_not_written", given.zip or given.output):
        if given.output:
            pictures = files.written(pictures, given.output)
        if given.zip is None:
            for _ in pictures:
                pass
            return
        with _replacing(given.zip) as target:
            files.write_zip(target, pictures)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place only when it is whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".part")
    try:
        with scratch.open("wb") as target:
            yield target
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _table(chosen: KeyframesChosen, language: Language) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("number", "time", "frame_index"):
        table.add_column(t(f"cli.column_{name}", language), justify="right")
    table.add_column(t("report.shot", language), justify="right")
    table.add_column(t("cli.column_reason", language))
    for frame in chosen.keyframes:
        cells = (str(frame.number), clock(frame.time_seconds), str(frame.frame_index), str(frame.shot))
        table.add_row(*cells, t(f"reason.{frame.reason}", language))
    return table
