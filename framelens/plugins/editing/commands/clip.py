"""Command `framelens clip VIDEO`: writes a range of a video as a file of its own.

It prints where the clip really begins and ends, and how many frames it has.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from framelens import config
from framelens.cli.common import cancel_on_signals, use_language
from framelens.cli.progress_lines import Throttle
from framelens.cli.report_output import add_overwrite_option, check_output_file, check_typed_output, names_folder
from framelens.core.files import absolute, shown_path, typed_path
from framelens.core.units import clock
from framelens.i18n import LANGUAGES, t
from framelens.plugins.editing.clips.messages import ClipMode
from framelens.services.keyframes import parse_seconds
from framelens.store.fs_utils import log_to
from framelens.video.files import check_file

if TYPE_CHECKING:
    from framelens.plugins.editing.clips.cutter import VideoClip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("video", metavar="VIDEO", help=t("cli.clip_video"))
    parser.add_argument("--from", dest="start", type=parse_seconds, default=0.0, metavar="T", help=t("cli.clip_from"))
    parser.add_argument("--to", dest="end", type=parse_seconds, metavar="T", help=t("cli.clip_to"))
    parser.add_argument("--mode", choices=get_args(ClipMode), default="exact", help=t("cli.clip_mode"))
    parser.add_argument("--output", type=Path, metavar="FILE", help=t("cli.clip_output"))
    parser.add_argument("--json", action="store_true", help=t("cli.clip_json"))
    add_overwrite_option(parser)
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))
    parser.add_argument("--quiet", action="store_true", help=t("cli.clip_quiet"))


def run(given: argparse.Namespace) -> int:
    """Cut the clip, print what it holds and return the exit code.

    Raises:
        AppError: An option is wrong, the range can't be cut out, or the clip can't be written.
    """
    from framelens.plugins.editing.clips.cutter import cut_clip

    settings = config.load()
    use_language(given, settings)
    log_to(settings.data_dir)
    cancel = cancel_on_signals()
    path = absolute(Path(typed_path(given.video)))
    check_file(path)
    output = _output(given, path)
    throttle = Throttle()

    def show(seconds: float) -> None:
        if not given.quiet and throttle.is_due():
            print(t("cli.clip_progress", time=clock(seconds, digits=0)), file=sys.stderr, flush=True)

    clip = cut_clip(path, given.start, given.end, output, mode=given.mode, on_progress=show, cancel=cancel)
    _say(clip, given)
    return 0


def _output(given: argparse.Namespace, path: Path) -> Path:
    """Return the path of the clip, in the working directory and named after its video and range if none is given.

    Raises:
        ConfigError: A file must not be written there, or its ending isn't one of clips.
    """
    from framelens.plugins.editing.clips.cutter import check_clip_suffix, clip_name

    named = given.output or Path.cwd()
    check_typed_output("--output", named)
    output = absolute(Path(typed_path(str(named))))
    if names_folder(str(named)):
        output /= clip_name(path, given.mode, given.start, given.end, output)
    check_clip_suffix(output, given.mode)
    check_output_file("--output", output, inputs=[path], overwrites=given.overwrite)
    return output


def _say(clip: VideoClip, given: argparse.Namespace) -> None:
    if given.json:
        times = {"start_seconds": clip.start_seconds, "end_seconds": clip.end_seconds}
        asked = {"asked_start_seconds": given.start, "asked_end_seconds": given.end}
        document = {"path": str(clip.path), "mode": clip.mode, **times, **asked, "num_frames": clip.num_frames}
        print(json.dumps(document, ensure_ascii=False, indent=2))
        return
    values = {"start": clock(clip.start_seconds), "end": clock(clip.end_seconds), "count": clip.num_frames}
    print(t(f"cli.clip_done_{clip.mode}", path=shown_path(clip.path), **values))
