"""`framelens keyframes VIDEO`: from a video to its keyframes, as a table, as JSON and as files, without any model.

A second call on the same file with the same wishes decodes nothing again but the pictures that are to be saved.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table

from app import config
from app.analysis.recall import Recall
from app.commands.common import cancel_on_signals, frame_count, interval, seconds, times
from app.commands.progress import Progress
from app.domain import (
    KeyframesChosen,
    Language,
    Probed,
    Selection,
    StageStarted,
    Strategy,
    SurveyProgress,
    VideoEvent,
    VideoInfo,
    clock,
)
from app.errors import ConfigError, StorageError
from app.i18n import LANGUAGES, notice_text, t
from app.reports import frames_zip, keyframes_json
from app.video import full_pictures
from app.wiring import log_to, open_recall

_BUDGETED = ("auto", "uniform")
_BUDGET, _LIMIT = 16, 256


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], language: Language) -> None:
    """The grammar of this command."""
    parser = commands.add_parser("keyframes", help=t("cli.keyframes_command", language))
    parser.set_defaults(command=run)
    parser.add_argument("video", type=Path, help=t("cli.video", language))
    parser.add_argument("--frames", type=frame_count, metavar="N", help=t("cli.keyframes_frames", language))
    parser.add_argument("--strategy", choices=get_args(Strategy), help=t("cli.strategy", language))
    parser.add_argument("--every", type=interval, metavar="SECONDS", help=t("cli.every", language))
    parser.add_argument("--at", type=times, metavar="T,T,…", help=t("cli.at", language))
    parser.add_argument("--start", type=seconds, default=0.0, metavar="T", help=t("cli.start", language))
    parser.add_argument("--end", type=seconds, metavar="T", help=t("cli.end", language))
    parser.add_argument("--json", action="store_true", help=t("cli.keyframes_json", language))
    parser.add_argument("--zip", type=Path, metavar="FILE", help=t("cli.zip", language))
    parser.add_argument("--output", type=Path, metavar="DIR", help=t("cli.frames_output", language))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language", language))
    parser.add_argument("--quiet", action="store_true", help=t("cli.quiet", language))


def run(given: argparse.Namespace, language: Language) -> int:
    """Choose the keyframes and deliver them; the exit code. Raises AppErrors."""
    settings = config.load()
    language = given.language or settings.language or language
    selection = _selection(given)
    frames = given.frames or (_BUDGET if selection.strategy in _BUDGETED else _LIMIT)
    log_to(settings.data_dir)
    cancel = cancel_on_signals()
    path = given.video.expanduser().absolute()
    recall = open_recall(settings)
    known = recall.find(path, frames=frames, selection=selection, facts=False, cancel=cancel)
    events = recall.make(path, frames=frames, selection=selection, facts=False, cancel=cancel)
    with Progress(language, quiet=given.quiet or not sys.stderr.isatty()) as progress:
        video, chosen = _followed(events if known is None else iter(known), progress)
    _deliver(path, video, chosen, given, language, recall, reused=known is not None, cancel=cancel)
    return 0


def _selection(given: argparse.Namespace) -> Selection:
    """The strategy may be left out where --every or --at names it. Raises ConfigError for what does not go together."""
    implied: Strategy = "times" if given.at else "every" if given.every else "auto"
    strategy: Strategy = given.strategy or implied
    if strategy == "every" and not given.every:
        raise ConfigError("option_missing", strategy=strategy, option="--every 5")
    if strategy == "times" and not given.at:
        raise ConfigError("option_missing", strategy=strategy, option="--at 1.5,3,7.25")
    for option, value, owner in (("--every", given.every, "every"), ("--at", given.at, "times")):
        if value and strategy != owner:
            raise ConfigError("option_unused", option=option, strategy=strategy, owner=owner)
    if given.end is not None and given.end <= given.start:
        raise ConfigError("range_reversed", start=f"{given.start:g}", end=f"{given.end:g}")
    return Selection(strategy, given.every, given.at or (), given.start, given.end)


def _followed(events: Iterator[VideoEvent], progress: Progress) -> tuple[VideoInfo, KeyframesChosen]:
    video, chosen = None, None
    progress.show(StageStarted("survey"))
    for event in events:
        match event:
            case Probed():
                video = event.video
            case KeyframesChosen():
                chosen = event
            case SurveyProgress():
                progress.show(event)
            case _:
                pass
    assert video and chosen
    return video, chosen


def _deliver(
    path: Path,
    video: VideoInfo,
    chosen: KeyframesChosen,
    given: argparse.Namespace,
    language: Language,
    recall: Recall,
    *,
    reused: bool,
    cancel: threading.Event,
) -> None:
    for notice in chosen.decode.notices:
        print(notice_text(notice, language), file=sys.stderr)
    document = b""
    if given.json:
        sha256 = recall.sha256(path, cancel)
        document = keyframes_json.write(video, sha256, chosen, reused=reused, language=language)
    if given.zip or given.output:
        _save(path, chosen, given, cancel)
    if given.json:  # last, so that a script that got it knows that the files are there
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    else:
        Console(highlight=False).print(_table(chosen, language))
    for saved in filter(None, (given.zip, given.output)):
        print(t("cli.frames_written", language, path=saved), file=sys.stderr if given.json else sys.stdout)


def _save(path: Path, chosen: KeyframesChosen, given: argparse.Namespace, cancel: threading.Event) -> None:
    files = frames_zip.entries(full_pictures(path, chosen.keyframes, cancel=cancel))
    with _not_written(given.zip or given.output):
        if given.output:
            files = frames_zip.written(files, given.output)
        if given.zip is None:
            for _ in files:
                pass
            return
        given.zip.parent.mkdir(parents=True, exist_ok=True)
        scratch = given.zip.with_name(given.zip.name + ".part")
        try:
            with scratch.open("wb") as target:
                frames_zip.write_zip(target, files)
            scratch.replace(given.zip)
        finally:
            scratch.unlink(missing_ok=True)


@contextmanager
def _not_written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError("frames_not_written", path=str(path), reason=error.strerror or str(error)) from error


def _table(chosen: KeyframesChosen, language: Language) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("number", "time", "frame_index"):
        table.add_column(t(f"cli.column_{name}", language), justify="right")
    table.add_column(t("report.shot", language), justify="right")
    table.add_column(t("cli.column_reason", language))
    for frame in chosen.keyframes:
        cells = (str(frame.number), clock(frame.time_seconds), str(frame.frame_index), str(frame.shot))
        table.add_row(*cells, t(f"reason.{frame.reason}", language))
    return table
