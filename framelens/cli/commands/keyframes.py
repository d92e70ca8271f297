"""Command `framelens keyframes VIDEO…`: prints videos' keyframes as tables or JSON and saves files, without a model.

A second call on the same file with the same options decodes only the pictures that are to be saved. Code that draws
bars, tables and files is imported on first use, so that the decoder worker doesn't wait for the import.
"""

from __future__ import annotations

import json
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
    cancel_on_signals,
    parse_selection,
    quiet_option,
    selection_options,
    use_language,
    worst_exit_code,
)
from framelens.cli.grammar import Options, argument, command, flag, option, parse_path
from framelens.cli.progress_lines import open_progress
from framelens.cli.report_output import (
    check_ending,
    check_output_file,
    check_output_folder,
    overwrite_option,
    typed_output,
)
from framelens.config import Settings
from framelens.core.domain import Keyframe, Notice, VideoInfo
from framelens.core.errors import ConfigError, StorageError, VideoError
from framelens.core.events import KeyframesChosen
from framelens.core.files import fitting_name, name_key, shown_path, unused_name
from framelens.core.units import clock
from framelens.i18n import error_text, notice_text, t
from framelens.jobs.keyframes import consume, frames_that_fit, open_updates
from framelens.reports import files
from framelens.reports.files import TABLE_NAME, atomic_write
from framelens.store.fs_utils import log_to, storage_errors
from framelens.video.extractor import full_pictures
from framelens.video.files import check_file
from framelens.video.inputs import Inputs, resolve
from framelens.video.worker_pool import worker_started

if TYPE_CHECKING:
    from rich.table import Table


@command("keyframes", help="cli.keyframes_command")
@argument("videos", nargs=-1, required=True, metavar="VIDEO", help="cli.videos")
@option("--frames", type=parse_frames, metavar="N", help="cli.keyframes_frames")
@selection_options
@flag("--json", help="cli.keyframes_json")
@option("--zip", type=parse_path, metavar="FILE", help="cli.zip")
@option("--output", type=parse_path, metavar="DIR", help="cli.frames_output")
@option("--sheet", type=parse_path, metavar="FILE", help="cli.sheet")
@overwrite_option
@quiet_option
def run(options: Options) -> int:
    """Choose the keyframes of each video, write them out and return the exit code.

    Raises:
        AppError: An option is wrong, the only video can't be read, or a file can't be written.
    """
    with worker_started():  # starts while settings and cached results are read
        settings = config.load()
        use_language(options, settings)
        log_to(settings.data_dir)
        cancel = cancel_on_signals()
        inputs = resolve(options.videos)
        if not inputs.is_one_file:
            return _run_several(inputs, options, settings, cancel)
        (item,) = inputs.items
        if item.error:
            raise item.error
        check_file(item.path)
        _check_outputs(options, [item.path])
        return _run(item.path, options, settings, cancel)


def _run_several(inputs: Inputs, options: Options, settings: Settings, cancel: threading.Event) -> int:
    """Print the keyframes of each video below its path; save the pictures of each video in a subfolder of --output."""
    if option := next((name for name in ("zip", "sheet") if getattr(options, name)), None):
        raise ConfigError("file_of_several", option=f"--{option}")
    paths, folders, codes = [item.path for item in inputs.items], dict[Path, Path](), [0]
    for path in paths if options.output else ():
        folders[path] = _own_folder(options.output, path, folders.values())
    _check_outputs(options, paths, folders.values())
    for item in inputs.items:
        try:
            if item.error:
                raise item.error
            output = folders.get(item.path)
            if not options.json:
                print(shown_path(item.path))
            own = Options(**{**vars(options), "output": output, "is_listed": True})
            codes.append(_run(item.path, own, settings, cancel))
        except (VideoError, StorageError) as error:
            print(error_text(error), file=sys.stderr)
            codes.append(error.exit_code)
    return worst_exit_code(codes)


def _own_folder(output: Path, video: Path, taken: Collection[Path]) -> Path:
    """Return a folder below `output` for the pictures of a video, different from other videos' folders."""
    return output / unused_name(fitting_name(video.stem, "", output), {name_key(folder.name) for folder in taken})


def _run(path: Path, options: Options, settings: Settings, cancel: threading.Event) -> int:
    selection = parse_selection(options)
    frames = frame_limit(options.frames, selection.strategy, KEYFRAMES, lambda: frames_that_fit(settings, path))
    updates, reused = open_updates(settings, path, frames, selection, cancel)
    if not reused and not options.json:  # the worker needs longer than this to load its libraries
        threading.Thread(target=import_module, args=("rich.console",), daemon=True).start()
    with open_progress(quiet=options.quiet) as progress:
        video, chosen = consume(updates, progress.show)
    sha256 = open_extraction_cache(settings.data_dir).sha256(path, cancel) if options.json else ""
    deliver(path, video, chosen, options, sha256, reused=reused, cancel=cancel)
    return 0


def _check_outputs(options: Options, videos: list[Path], folders: Iterable[Path] = ()) -> None:
    """Check the paths of all outputs before a video is read. Pictures of an earlier run are replaced if allowed.

    Raises:
        ConfigError: A file must not be written to its path.
    """
    files = (("--zip", options.zip, (".zip",)), ("--sheet", options.sheet, (".jpg", ".jpeg")))
    for name, path, endings in ((name, path, endings) for name, path, endings in files if path):
        typed_output(name, path)
        check_output_file(name, path, inputs=videos, overwrites=options.overwrite)
        check_ending(name, path, endings)
    if options.output:
        typed_output("--output", options.output)
        check_output_folder(options.output)
        for folder in (options.output, *folders):
            if (earlier := folder / TABLE_NAME).exists():
                check_output_file("--output", earlier, inputs=videos, overwrites=options.overwrite)


def deliver(
    path: Path,
    video: VideoInfo,
    chosen: KeyframesChosen,
    options: Options,
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
    if options.json:
        from framelens.reports.json.encoding import keyframes_json

        document = keyframes_json(video, sha256, chosen, reused=reused)
        if getattr(options, "is_listed", False):  # an object a line
            document = json.dumps({"path": str(path), **json.loads(document)}, ensure_ascii=False).encode() + b"\n"
    if options.zip or options.output:
        _save(path, chosen, options, cancel)
    if options.sheet:
        from framelens.reports.graphics import contact_sheet

        with storage_errors("sheet_not_written", options.sheet), atomic_write(options.sheet) as target:
            target.write(contact_sheet.sheet_of(video, chosen))
    if options.json:  # last, so that its reader knows that the files exist
        terminal.write_document(document)
    else:
        terminal.console().print(_table(chosen))
    saved = (("frames_written", options.zip), ("frames_written", options.output), ("sheet_written", options.sheet))
    for key, target in saved:
        if target:
            print(t(f"cli.{key}", path=target), file=sys.stderr if options.json else sys.stdout)


def _save(path: Path, chosen: KeyframesChosen, options: Options, cancel: threading.Event) -> None:
    def say(other: Keyframe) -> None:
        notice = Notice("full_size_differs", {"number": other.number})
        print(notice_text(notice), file=sys.stderr)

    pictures = files.frame_entries(full_pictures(path, chosen.keyframes, on_other=say, cancel=cancel))
    with storage_errors("frames_not_written", options.zip or options.output):
        if options.output:
            pictures = files.written_frames(pictures, options.output)
        if options.zip is None:
            for _ in pictures:
                pass
            return
        with files.atomic_write(options.zip) as target:
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
