"""Command `framelens keyframes VIDEO`: prints a video's keyframes as a table or JSON and saves files, without a model.

A second call on the same file with the same options decodes only the pictures that are to be saved. Code that draws
bars, tables and files is imported when it is needed: the decoder worker shouldn't wait for it.
"""

from __future__ import annotations

import argparse
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from app import config
from app.cli.common import add_selection_options, cancel_on_signals, parse_selection, use_language
from app.cli.progress_lines import open_progress
from app.cli.report_output import add_overwrite_option, check_ending, check_output_file, check_output_folder
from app.core import Keyframe, KeyframesChosen, Notice, StageStarted, VideoInfo, clock
from app.i18n import LANGUAGES, notice_text, t
from app.services import KEYFRAMES, frame_limit, parse_frames
from app.store import log_to, storage_errors
from app.video import worker_started

if TYPE_CHECKING:
    from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("video", type=Path, help=t("cli.video"))
    parser.add_argument("--frames", type=parse_frames, metavar="N", help=t("cli.keyframes_frames"))
    add_selection_options(parser)
    parser.add_argument("--json", action="store_true", help=t("cli.keyframes_json"))
    parser.add_argument("--zip", type=Path, metavar="FILE", help=t("cli.zip"))
    parser.add_argument("--output", type=Path, metavar="DIR", help=t("cli.frames_output"))
    parser.add_argument("--sheet", type=Path, metavar="FILE", help=t("cli.sheet"))
    add_overwrite_option(parser)
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))


def run(given: argparse.Namespace) -> int:
    """Choose the keyframes, write them out and return the exit code.

    Raises:
        AppError: An option is wrong, the video can't be read, or a file can't be written.
    """
    with worker_started():  # starts while settings and cached results are read
        return _run(given)


def _run(given: argparse.Namespace) -> int:
    # Imported here: the slower decoder worker has started by now.
    from app.analysis import open_extraction_cache
    from app.services import consume, frames_that_fit, open_events

    settings = config.load()
    use_language(given, settings)
    selection = parse_selection(given)
    log_to(settings.data_dir)
    cancel = cancel_on_signals()
    path = given.video.expanduser().absolute()
    _check_outputs(given, path)
    frames = frame_limit(given.frames, selection.strategy, KEYFRAMES, lambda: frames_that_fit(settings, path))
    events, reused = open_events(settings, path, frames, selection, cancel)
    if not reused and not given.json:  # the worker needs longer than this to load its libraries
        threading.Thread(target=import_module, args=("rich.console",), daemon=True).start()
    with open_progress(quiet=given.quiet) as progress:
        if not reused:
            progress.show(StageStarted("survey"))
        video, chosen = consume(events, progress.show)

    sha256 = open_extraction_cache(settings.data_dir).sha256(path, cancel) if given.json else ""
    deliver(path, video, chosen, given, sha256, reused=reused, cancel=cancel)
    return 0


def _check_outputs(given: argparse.Namespace, video: Path) -> None:
    """Check all places for files before the video is read. Pictures of an earlier run are replaced if that is allowed.

    Raises:
        ConfigError: A file must not be written there.
    """
    files = (("--zip", given.zip, (".zip",)), ("--sheet", given.sheet, (".jpg", ".jpeg")))
    for option, path, endings in ((option, path, endings) for option, path, endings in files if path):
        check_output_file(option, path, inputs=[video], overwrites=given.overwrite)
        check_ending(option, path, endings)
    if given.output:
        from app.reports import TABLE_NAME  # rarely needed

        check_output_folder("--output", given.output)
        if (earlier := given.output / TABLE_NAME).exists():
            check_output_file("--output", earlier, inputs=[video], overwrites=given.overwrite)


def deliver(
    path: Path,
    video: VideoInfo,
    chosen: KeyframesChosen,
    given: argparse.Namespace,
    sha256: str,
    *,
    reused: bool,
    cancel: threading.Event,
) -> None:
    """Print the keyframes in the requested form and write the requested files.

    Raises:
        StorageError: A file can't be written.
        AppError: The video can't be read again for its pictures.
    """
    for notice in chosen.decode.notices:
        print(notice_text(notice), file=sys.stderr)
    document = b""
    if given.json:
        from app.reports import keyframes_json

        document = keyframes_json(video, sha256, chosen, reused=reused)
    if given.zip or given.output:
        _save(path, chosen, given, cancel)
    if given.sheet:
        from app.reports import atomic_write
        from app.reports.graphics import contact_sheet

        with storage_errors("sheet_not_written", given.sheet), atomic_write(given.sheet) as target:
            target.write(contact_sheet.sheet_of(video, chosen))
    if given.json:  # last, so that its reader knows that the files exist
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    else:
        from rich.console import Console

        Console(highlight=False).print(_table(chosen))
    saved = (("frames_written", given.zip), ("frames_written", given.output), ("sheet_written", given.sheet))
    for key, place in saved:
        if place:
            print(t(f"cli.{key}", path=place), file=sys.stderr if given.json else sys.stdout)


def _save(path: Path, chosen: KeyframesChosen, given: argparse.Namespace, cancel: threading.Event) -> None:
    from app.reports import files
    from app.video import full_pictures

    def say(other: Keyframe) -> None:
        notice = Notice("full_size_differs", {"number": other.number})
        print(notice_text(notice), file=sys.stderr)

    pictures = files.frame_entries(full_pictures(path, chosen.keyframes, on_other=say, cancel=cancel))
    with storage_errors("frames_not_written", given.zip or given.output):
        if given.output:
            pictures = files.written(pictures, given.output)
        if given.zip is None:
            for _ in pictures:
                pass
            return
        with files.atomic_write(given.zip) as target:
            files.write_zip(target, pictures)


def _table(chosen: KeyframesChosen) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("number", "time", "frame_index"):
        table.add_column(t(f"cli.column_{name}"), justify="right")
    table.add_column(t("report.shot"), justify="right")
    table.add_column(t("cli.column_reason"))
    for frame in chosen.keyframes:
        cells = (str(frame.number), clock(frame.time_seconds), str(frame.frame_index), str(frame.shot))
        table.add_row(*cells, t(f"reason.{frame.reason}"))
    return table
