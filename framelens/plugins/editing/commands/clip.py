"""Command `framelens clip VIDEO`: writes ranges of a video, or what its report is about, as files of their own.

It prints where each clip really begins and ends, and how many frames it has.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from framelens import ConfigError, InputError, error_text, load_reports, notice_text
from framelens.plugin import language, load, t
from framelens.plugin.command_line import (
    Choice,
    Options,
    ProgressLine,
    argument,
    cancel_on_signals,
    command,
    flag,
    option,
    parse_output,
    parse_path,
    parse_seconds,
    print_json,
    subtitles_option,
    together,
    use_language,
    worst_exit_code,
)
from framelens.plugin.files import absolute, check_file, file_of, shown_path, typed_path
from framelens.plugin.outputs import (
    atomic_write,
    check_output_file,
    check_output_folder,
    fitting_name,
    free_path,
    names_folder,
    overwrite_option,
    storage_errors,
    typed_output,
)
from framelens.plugin.processes import probe
from framelens.plugin.storage import log_to, open_extraction_cache
from framelens.plugin.texts import attributed, clock
from framelens.plugins.editing.clips import edit_list
from framelens.plugins.editing.clips.cutter import (
    CutPiece,
    VideoClip,
    check_clip_suffix,
    clip_name,
    cut_clip,
    cut_pieces,
    cut_reel,
)
from framelens.plugins.editing.clips.pieces import MARGIN_SECONDS, Piece, PieceKind, chosen, parse_numbers, pieces_of
from framelens.plugins.editing.clips.plan import ClipMode

if TYPE_CHECKING:
    from framelens import Analysis, Cue

_KINDS: tuple[PieceKind, ...] = get_args(PieceKind)


_kind_options = together(
    *(
        decorator
        for kind in _KINDS
        for decorator in (
            option(f"--{kind}", type=parse_numbers, multiple=True, metavar="N,N…", help=f"cli.clip_{kind}"),
            flag(f"--all-{kind}s", help=f"cli.clip_all_{kind}s"),
        )
    )
)


@command("clip", help="cli.clip_command")
@argument("video", metavar="VIDEO", help="cli.clip_video")
@option("--from", "--start", "start", type=parse_seconds, metavar="T", help="cli.clip_from")
@option("--to", "--end", "end", type=parse_seconds, metavar="T", help="cli.clip_to")
@_kind_options
@option("--report", type=parse_path, metavar="FILE", help="cli.clip_report")
@option("--list", type=parse_path, metavar="FILE", help="cli.clip_list")
@option("--reel", is_flag=False, flag_value="", metavar="LIST", help="cli.clip_reel")
@flag("--chapters", help="cli.clip_chapters")
@flag("--burn-subtitles", help="cli.clip_burn_subtitles")
@subtitles_option
@option(
    "--margin",
    type=parse_seconds,
    metavar="S",
    help=lambda: t("cli.clip_margin", seconds=f"{MARGIN_SECONDS:g}"),
)
@option("--mode", type=Choice(get_args(ClipMode)), default="exact", help="cli.clip_mode")
@option("--output", type=parse_output, metavar="FILE|DIR", help="cli.clip_output")
@flag("--json", help="cli.clip_json")
@overwrite_option
@flag("--quiet", help="cli.clip_quiet")
def run(options: Options) -> int:
    """Cut the clips, print what they hold and return the exit code.

    Raises:
        AppError: An option is wrong, the report can't be read, the range can't be cut out, or a clip can't be written.
    """
    settings = load()
    use_language(options, settings)
    log_to(settings.data_dir)
    _check_options(options)
    cancel = cancel_on_signals()
    path = absolute(Path(typed_path(file_of(options.video))))
    check_file(path)
    asks_pieces = any(_is_asked(options, kind) for kind in _KINDS)
    if not asks_pieces and options.reel is None and options.start is options.end is None:
        raise ConfigError("clip_range_missing")
    if options.list:
        return _write_list(_pieces(options, path, cancel), path, options)
    if options.reel is not None:
        return _cut_reel(path, options, cancel)
    if asks_pieces:
        return _cut_pieces(_pieces(options, path, cancel), path, options, cancel)
    output = _output(options, path)
    edges, cues = (options.start or 0.0, options.end), _cues(options, path)
    with _CutLine(quiet=options.quiet) as line:
        clip = cut_clip(path, *edges, output, mode=options.mode, cues=cues, on_progress=line.show_time, cancel=cancel)
    if options.json:
        print_json(_document(clip, options.start or 0.0, options.end))
    else:
        print(_result_line(clip))
    return 0


class _CutLine(ProgressLine):
    """Line that says which time of the clip has been reached."""

    def show_time(self, seconds: float) -> None:
        """Show a time."""
        self.show(t("cli.clip_progress", time=clock(seconds, digits=0)))


def _is_asked(options: Options, kind: PieceKind) -> bool:
    return bool(getattr(options, kind) or getattr(options, f"all_{kind}s"))


def _check_options(options: Options) -> None:
    """Raise ConfigError if options contradict each other."""
    from_report = [
        f"--all-{kind}s" if getattr(options, f"all_{kind}s") else f"--{kind}"
        for kind in _KINDS
        if _is_asked(options, kind)
    ]
    if from_report and not (options.start is None and options.end is None):
        raise ConfigError("clip_range_and_report", option=from_report[0])
    if options.reel and (others := [*from_report, *_typed_of_ranges(options)]):
        raise ConfigError("clip_list_has_ranges", option=others[0], list=options.reel)
    if not from_report and not options.reel and (options.report or options.list or options.reel == ""):
        option = "--report" if options.report else "--list" if options.list else "--reel"
        raise ConfigError("clip_report_alone", option=option)
    if options.reel is not None and (options.list or options.mode != "exact"):
        raise ConfigError("clip_reel_with", option="--list" if options.list else "--mode fast")
    if options.margin is not None and not _is_asked(options, "finding"):
        raise ConfigError("clip_margin_alone")
    if options.list and (others := _typed_of_clips(options)):
        raise ConfigError("clip_list_with", option=others[0])
    if options.chapters and options.reel is None:
        raise ConfigError("clip_chapters_alone")
    if options.burn_subtitles and options.mode != "exact":
        raise ConfigError("clip_subtitles_fast")
    if options.subtitles and not options.burn_subtitles:
        raise ConfigError("clip_subtitles_alone")


def _typed_of_ranges(options: Options) -> list[str]:
    """Return the options given that say what is cut out, without those that choose from a report."""
    edges = {"--from": options.start, "--to": options.end}
    report = options.report if not options.burn_subtitles else None  # its subtitles are drawn
    return [name for name, value in {**edges, "--report": report}.items() if value is not None]


def _typed_of_clips(options: Options) -> list[str]:
    """Return the options given that say how clips are written."""
    is_given = {
        "--output": options.output is not None,
        "--mode fast": options.mode != "exact",
        "--burn-subtitles": options.burn_subtitles,
    }
    return [name for name, is_set in is_given.items() if is_set]


def _read_files(options: Options) -> list[Path]:
    """Return the files that the command reads in addition to the video."""
    return [path for path in (options.report, options.subtitles) if path]


def _output(options: Options, path: Path) -> Path:
    """Return the path of the clip, by default in the working directory and named after its video and range.

    Raises:
        ConfigError: A file must not be written there, or clips of this mode don't have its ending.
    """
    named = options.output or os.curdir
    output = typed_output("--output", named)
    if names_folder(named):
        name = clip_name(path, options.mode, options.start or 0.0, options.end, output)
        output = free_path(output / name, [path], overwrites=options.overwrite)
    check_clip_suffix(output, options.mode)
    check_output_file("--output", output, inputs=[path, *_read_files(options)], overwrites=options.overwrite)
    return output


# ---- what a report is about


def _pieces(options: Options, path: Path, cancel: threading.Event) -> list[Piece]:
    """Return the pieces that are asked for, findings with their margin.

    Raises:
        InputError: There is no report on this video, or it doesn't have them.
    """
    analysis = _analysis(options, path, cancel)
    available = list(pieces_of(analysis, MARGIN_SECONDS if options.margin is None else options.margin))
    return [
        piece
        for kind in _KINDS
        if _is_asked(options, kind)
        for piece in chosen(
            available, kind, None if getattr(options, f"all_{kind}s") else getattr(options, kind), path.name
        )
    ]


def _analysis(options: Options, path: Path, cancel: threading.Event, *, has_same_words: bool = False) -> Analysis:
    """Return the report in the file given, which must be on this video, or the video's newest in the data folder.

    With `has_same_words`, a report made with other subtitles doesn't count.
    """
    if options.report:
        analysis = load_reports(absolute(options.report))[0]
        if analysis.sha256 and analysis.sha256 != open_extraction_cache(load().data_dir).sha256(path, cancel):
            raise InputError("clip_other_video", report=shown_path(options.report), name=path.name)
        return analysis
    from framelens.plugin import open_library

    with open_library(load()) as services:
        extractions = services.switcher.session.extractions
        ids = services.jobs.reports_on_file(extractions, path, cancel, has_same_words=has_same_words)
        newest = services.reports.get(ids[0]) if ids else None
    if newest is None:
        raise InputError("clip_without_report", name=path.name)
    return newest


def _cut_pieces(pieces: list[Piece], path: Path, options: Options, cancel: threading.Event) -> int:
    folder, line = _folder(options, pieces), _CutLine(quiet=options.quiet)
    cuts = (
        cut_pieces(
            path,
            pieces,
            folder,
            mode=options.mode,
            cues=_cues(options, path),
            overwrites=options.overwrite,
            on_progress=line.show_time,
            cancel=cancel,
        )
        if folder
        else _cut_one(pieces[0], path, options, line, cancel)
    )
    codes, rows = [0], []
    with line:
        for number, cut in enumerate(cuts, start=1):
            line.clear()
            codes += [cut.error.exit_code] if cut.error else []
            rows.append(_row(cut))
            if cut.error:
                name = t(f"clip.kind_{cut.piece.kind}"), cut.piece.number
                print(f"{name[0]} {name[1]}: {error_text(cut.error)}", file=sys.stderr, flush=True)
            elif cut.clip and not options.json:
                with suppress(BrokenPipeError):
                    print(f"{number}/{len(pieces)} {_result_line(cut.clip)}", flush=True)
    if options.json:
        print_json(rows)
    return worst_exit_code(codes)


def _folder(options: Options, pieces: list[Piece]) -> Path | None:
    """Return the folder for the clips, or None if --output names a file for a single clip.

    Raises:
        ConfigError: --output names a file for several clips.
    """
    named = options.output or os.curdir
    path = typed_output("--output", named)
    if len(pieces) == 1 and path.suffix and not names_folder(named):
        return None
    check_output_folder(path)
    if path.suffix and not path.is_dir():
        raise ConfigError("output_not_folder", option="--output", given=shown_path(path))
    return path


def _cut_one(piece: Piece, path: Path, options: Options, line: _CutLine, cancel: threading.Event) -> Iterator[CutPiece]:
    edges = (piece.start_seconds, piece.end_seconds)
    yield CutPiece(
        piece,
        cut_clip(
            path,
            *edges,
            _output(options, path),
            mode=options.mode,
            cues=_cues(options, path),
            on_progress=line.show_time,
            cancel=cancel,
        ),
    )


# ---- lists and reels


def _write_list(pieces: list[Piece], path: Path, options: Options) -> int:
    target = typed_output("--list", options.list)
    check_output_file("--list", target, inputs=[path, *_read_files(options)], overwrites=options.overwrite)
    data = edit_list.write(pieces, target, path, probe(path).player_start_seconds)
    with storage_errors("clip_not_written", target), atomic_write(target) as file:
        file.write(data)
    print(t("cli.clip_listed", path=shown_path(target), count=len(pieces)))
    return 0


def _cut_reel(path: Path, options: Options, cancel: threading.Event) -> int:
    named = options.output or os.curdir
    output = typed_output("--output", named)
    if names_folder(named):
        name = fitting_name(path.stem, ".reel.mp4", output)
        output = free_path(output / name, [path], overwrites=options.overwrite)
    check_output_file("--output", output, inputs=[path, *_read_files(options)], overwrites=options.overwrite)
    listed = absolute(Path(typed_path(options.reel))) if options.reel else None
    pieces = (
        edit_list.read(listed, path, probe(path).player_start_seconds) if listed else _pieces(options, path, cancel)
    )
    inputs = [*(piece.video or path for piece in pieces), *_read_files(options)]
    check_output_file("--output", output, inputs=inputs, overwrites=options.overwrite)
    if options.subtitles and any(piece.video for piece in pieces):
        raise ConfigError("clip_subtitles_several")
    cues_of, has_chapters = cache(lambda video: _cues(options, video)), options.chapters
    with _CutLine(quiet=options.quiet) as line:
        show = line.show_time
        reel = cut_reel(
            path, pieces, output, cues_of=cues_of, has_chapters=has_chapters, on_progress=show, cancel=cancel
        )
    seconds = sum(reel.lengths_seconds)
    if options.json:
        names = ("name", "start_seconds", "end_seconds")
        rows = [
            {**{name: getattr(piece, name) for name in names}, "video": str(piece.video or path)} for piece in pieces
        ]
        head = {"path": str(output), "seconds": seconds, "num_frames": reel.num_frames}
        print_json({**head, "pieces": rows})
    else:
        values = {"count": len(pieces), "time": clock(seconds), "frames": reel.num_frames}
        print(t("cli.clip_reeled", path=shown_path(output), **values))
    return 0


def _cues(options: Options, path: Path) -> tuple[Cue, ...]:
    """Return the subtitles to draw, if asked for: from the given file, else from the report or the video."""
    if not options.burn_subtitles:
        return ()
    from framelens.plugin.analyses import transcript_of

    analysis = None
    if not options.subtitles:
        with suppress(InputError):
            analysis = _analysis(options, path, threading.Event(), has_same_words=True)
    transcript, notices = transcript_of(path, analysis, language(), options.subtitles)
    for notice in notices:
        print(notice_text(notice), file=sys.stderr)
    return attributed(transcript)


# ---- what is printed


def _row(cut: CutPiece) -> dict[str, object]:
    piece = cut.piece
    head = {"kind": piece.kind, "number": piece.number, "name": piece.name}
    if cut.clip is None:
        return {**head, "error": error_text(cut.error) if cut.error else ""}
    return head | _document(cut.clip, piece.start_seconds, piece.end_seconds)


def _document(clip: VideoClip, start_seconds: float, end_seconds: float | None) -> dict[str, object]:
    times = {"start_seconds": clip.start_seconds, "end_seconds": clip.end_seconds}
    requested = {"asked_start_seconds": start_seconds, "asked_end_seconds": end_seconds}
    return {"path": str(clip.path), "mode": clip.mode, **times, **requested, "num_frames": clip.num_frames}


def _result_line(clip: VideoClip) -> str:
    values = {"start": clock(clip.start_seconds), "end": clock(clip.end_seconds), "count": clip.num_frames}
    return t(f"cli.clip_done_{clip.mode}", path=shown_path(clip.path), **values)
