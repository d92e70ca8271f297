"""Command `framelens keyframes VIDEO…`: prints videos' keyframes as tables or JSON and saves files, without a model.

A second call on the same file with the same options decodes only the pictures that are to be saved. Code that draws
bars, tables and files is imported on first use, so that the decoder worker doesn't wait for the import.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Collection, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from framelens import config
from framelens.analysis.inputs.extraction_cache import open_extraction_cache
from framelens.analysis.planning.frame_budget import KEYFRAMES, frame_limit, parse_frames
from framelens.cli import terminal
from framelens.cli.common import (
    add_selection_options,
    cancel_on_signals,
    parse_selection,
    use_language,
    worst_exit_code,
)
from framelens.cli.progress_lines import open_progress
from framelens.cli.report_output import (
    ROOM_FOR_NUMBER,
    add_overwrite_option,
    check_ending,
    check_output_file,
    check_output_folder,
    check_typed_output,
)
from framelens.config import Settings
from framelens.core.domain import Keyframe, Notice, VideoInfo
from framelens.core.errors import ConfigError, StorageError, VideoError
from framelens.core.events import KeyframesChosen
from framelens.core.files import absolute, cut_to_bytes, name_key, name_limit, numbered, shown_path, typed_path
from framelens.core.units import clock
from framelens.i18n import LANGUAGES, error_text, notice_text, t
from framelens.reports import files
from framelens.reports.files import TABLE_NAME, atomic_write
from framelens.services.keyframes import consume, frames_that_fit, open_updates
from framelens.store.fs_utils import log_to, storage_errors
from framelens.video.extractor import full_pictures
from framelens.video.files import check_file
from framelens.video.worker_pool import worker_started

if TYPE_CHECKING:
    from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help=t("cli.videos"))
    parser.add_argument("--frames", type=parse_frames, metavar="N", help=t("cli.keyframes_frames"))
    add_selection_options(parser)
    parser.add_argument("--json", action="store_true", help=t("cli.keyframes_json"))
    parser.add_argument("--zip", type=Path, metavar="FILE", help=t("cli.zip"))
    parser.add_argument("--output", type=Path, metavar="DIR", help=t("cli.frames_output"))
    parser.add_argument("--sheet", type=Path, metavar="FILE", help=t("cli.sheet"))
    add_overwrite_option(parser)
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet"))
    parser.set_defaults(is_listed=False)  # the video of several


def run(given: argparse.Namespace) -> int:
    """Choose the keyframes of each video, write them out and return the exit code.

    Raises:
        AppError: An option is wrong, the only video can't be read, or a file can't be written.
    """
    with worker_started():  # starts while settings and cached results are read
        settings = config.load()
        use_language(given, settings)
        log_to(settings.data_dir)
        cancel = cancel_on_signals()
        path = absolute(Path(typed_path(given.videos[0])))
        if len(given.videos) == 1 and os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name too long
            _check_outputs(given, [path])
            return _run(path, given, settings, cancel)
        return _run_several(given, settings, cancel)


def _run_several(given: argparse.Namespace, settings: Settings, cancel: threading.Event) -> int:
    """Print the keyframes of each video below its path; save the pictures of each video in a subfolder of --output."""
    from framelens.video.inputs import resolve

    found = resolve(given.videos)
    if found.is_one_file:
        (item,) = found.items
        if item.error:
            raise item.error
        check_file(item.path)
        _check_outputs(given, [item.path])
        return _run(item.path, given, settings, cancel)
    if option := next((name for name in ("zip", "sheet") if getattr(given, name)), None):
        raise ConfigError("file_of_several", option=f"--{option}")
    paths, folders, codes = [item.path for item in found.items], dict[Path, Path](), [0]
    for path in paths if given.output else ():
        folders[path] = _own_folder(given.output, path, folders.values())
    _check_outputs(given, paths, folders.values())
    for item in found.items:
        try:
            if item.error:
                raise item.error
            output = folders.get(item.path)
            if not given.json:
                print(shown_path(item.path))
            own = argparse.Namespace(**{**vars(given), "output": output, "is_listed": True})
            codes.append(_run(item.path, own, settings, cancel))
        except (VideoError, StorageError) as error:
            print(error_text(error), file=sys.stderr)
            codes.append(error.exit_code)
    return worst_exit_code(codes)


def _own_folder(output: Path, video: Path, taken: Collection[Path]) -> Path:
    """Return a folder below `output` for the pictures of a video, different from other videos' folders."""
    stem = cut_to_bytes(video.stem, name_limit(output) - ROOM_FOR_NUMBER)
    names = {name_key(folder.name) for folder in taken}
    return output / next(name for name in numbered(stem) if name_key(name) not in names)


def _run(path: Path, given: argparse.Namespace, settings: Settings, cancel: threading.Event) -> int:
    selection = parse_selection(given)
    frames = frame_limit(given.frames, selection.strategy, KEYFRAMES, lambda: frames_that_fit(settings, path))
    updates, reused = open_updates(settings, path, frames, selection, cancel)
    if not reused and not given.json:  # the worker needs longer than this to load its libraries
        threading.Thread(target=import_module, args=("rich.console",), daemon=True).start()
    with open_progress(quiet=given.quiet) as progress:
        video, chosen = consume(updates, progress.show)
    sha256 = open_extraction_cache(settings.data_dir).sha256(path, cancel) if given.json else ""
    deliver(path, video, chosen, given, sha256, reused=reused, cancel=cancel)
    return 0


def _check_outputs(given: argparse.Namespace, videos: list[Path], folders: Iterable[Path] = ()) -> None:
    """Check the paths of all outputs before a video is read. Pictures of an earlier run are replaced if allowed.

    Raises:
        ConfigError: A file must not be written to its path.
    """
    files = (("--zip", given.zip, (".zip",)), ("--sheet", given.sheet, (".jpg", ".jpeg")))
    for option, path, endings in ((option, path, endings) for option, path, endings in files if path):
        check_typed_output(option, path)
        check_output_file(option, path, inputs=videos, overwrites=given.overwrite)
        check_ending(option, path, endings)
    if given.output:
        check_typed_output("--output", given.output)
        check_output_folder(given.output)
        for folder in (given.output, *folders):
            if (earlier := folder / TABLE_NAME).exists():
                check_output_file("--output", earlier, inputs=videos, overwrites=given.overwrite)


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
        from framelens.reports.json.encoding import keyframes_json

        document = keyframes_json(video, sha256, chosen, reused=reused)
        if given.is_listed:  # an object a line
            document = json.dumps({"path": str(path), **json.loads(document)}, ensure_ascii=False).encode() + b"\n"
    if given.zip or given.output:
        _save(path, chosen, given, cancel)
    if given.sheet:
        from framelens.reports.graphics import contact_sheet

        with storage_errors("sheet_not_written", given.sheet), atomic_write(given.sheet) as target:
            target.write(contact_sheet.sheet_of(video, chosen))
    if given.json:  # last, so that its reader knows that the files exist
        terminal.write_document(document)
    else:
        terminal.console().print(_table(chosen))
    saved = (("frames_written", given.zip), ("frames_written", given.output), ("sheet_written", given.sheet))
    for key, place in saved:
        if place:
            print(t(f"cli.{key}", path=place), file=sys.stderr if given.json else sys.stdout)


def _save(path: Path, chosen: KeyframesChosen, given: argparse.Namespace, cancel: threading.Event) -> None:
    def say(other: Keyframe) -> None:
        notice = Notice("full_size_differs", {"number": other.number})
        print(notice_text(notice), file=sys.stderr)

    pictures = files.frame_entries(full_pictures(path, chosen.keyframes, on_other=say, cancel=cancel))
    with storage_errors("frames_not_written", given.zip or given.output):
        if given.output:
            pictures = files.written_frames(pictures, given.output)
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
        table.add_column(t(f"cli.column_{name}"), justify="right", no_wrap=True)
    table.add_column(t("report.shot"), justify="right", no_wrap=True)
    table.add_column(t("cli.column_reason"))
    for frame in chosen.keyframes:
        cells = (str(frame.number), clock(frame.time_seconds), str(frame.frame_index), str(frame.shot))
        table.add_row(*cells, t(f"reason.{frame.reason}"))
    return table
