"""Cutter of clips: checks requests, has the ffmpeg program write the files, and checks the times of their frames.

A clip begins and ends with the frames asked for, and each frame keeps its time; sound is cut to a few milliseconds.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Self

from framelens import AppError, Cancelled, ConfigError, Cue, DecodeError, StorageError, VideoError
from framelens.plugin.files import check_file, printable_path
from framelens.plugin.outputs import (
    check_replaceable,
    cut_to_bytes,
    fitting_name,
    free_path,
    safe_file_name,
    storage_errors,
)
from framelens.plugin.processes import FfmpegError, TimedVideo, TimesReader, run_ffmpeg
from framelens.plugin.reports import one_line
from framelens.plugin.texts import clock, rounded_time
from framelens.plugins.editing.clips import arguments, captions
from framelens.plugins.editing.clips.arguments import Canvas
from framelens.plugins.editing.clips.pieces import Piece
from framelens.plugins.editing.clips.plan import ClipMode, ClipPlan, exact_plan, fast_plan
from framelens.plugins.editing.clips.scratch import scratch_folder
from framelens.plugins.editing.timeline.markers import escape_ffmetadata

_log = logging.getLogger(__name__)
FORMATS: dict[str, str] = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's names of the containers of clips, by the ending of a file."""
ENCODED_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
"""Containers that take H.264 and AAC."""
_PART_FORM = "mov"
"""Of a part of a reel: it takes uncompressed sound, and times to the tick."""
_TITLE_BYTES = 80
"""Of a title in a name, so that it fits with its times into 140 bytes, which every file system allows."""


@dataclass(frozen=True)
class VideoClip:
    """A clip that was cut.

    Attributes:
        path: Its file.
        mode: How it was cut.
        start_seconds: Time of the video at which its first picture begins; sooner than asked for in a fast clip.
        end_seconds: Time of the video at which its last picture ends.
        num_frames: Number of its pictures.
    """

    path: Path
    mode: ClipMode
    start_seconds: float
    end_seconds: float
    num_frames: int


@dataclass(frozen=True)
class Reel:
    """A file of several clips: the length of each in seconds, and the number of all its pictures."""

    path: Path
    lengths_seconds: tuple[float, ...]
    num_frames: int


def suffix_of(path: Path, mode: ClipMode) -> str:
    """Return the ending of a clip: .mp4 if exact; if fast, the video's where possible, else .mkv, which takes all."""
    if mode == "exact":
        return ".mp4"
    suffix = path.suffix.lower()
    return suffix if suffix in FORMATS else ".mkv"


def clip_name(
    path: Path, mode: ClipMode, start_seconds: float, end_seconds: float | None, folder: Path, *, title: str = ""
) -> str:
    """Return the name of a clip that fits in a folder, such as "talk_00-12.500_00-20.000.mp4".

    Args:
        path: The video.
        mode: How it is cut.
        start_seconds: Start of the range.
        end_seconds: Its end, None for the end of the video.
        folder: The folder.
        title: The piece's name, in place of the video's.
    """
    times = (start_seconds, end_seconds)
    start, end = ("end" if time is None else clock(time).replace(":", "-") for time in times)
    rest = f"_{start}_{end}{suffix_of(path, mode)}"
    if stem := re.sub(r"[/\\]", "_", one_line(title)):
        return safe_file_name(cut_to_bytes(stem, _TITLE_BYTES).strip() + rest)
    return fitting_name(path.stem, rest, folder)


@dataclass(frozen=True)
class CutPiece:
    """A piece of a video, and its clip or the error that kept it from being cut."""

    piece: Piece
    clip: VideoClip | None
    error: AppError | None = None


def cut_pieces(
    path: Path,
    pieces: Iterable[Piece],
    folder: Path,
    *,
    mode: ClipMode = "exact",
    cues: Iterable[Cue] = (),
    overwrites: bool = False,
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> Iterator[CutPiece]:
    """Cut several clips into a folder and yield each; a piece that can't be cut doesn't keep the others from it.

    A clip whose name an earlier clip or a file in the folder has gets a number.

    Args:
        path: The video.
        pieces: The pieces.
        folder: The folder; it is made.
        mode: How they are cut.
        cues: Subtitles that are drawn into the pictures of exact clips, at times of the video.
        overwrites: Files in the folder are replaced; never the video.
        on_progress: Called with the seconds of the video that were written.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        StorageError: A clip can't be written.
        Cancelled: `cancel` was set.
    """
    taken: set[str] = set()
    all_pieces, all_cues = list(pieces), tuple(cues)
    with _Cutter([path], len(all_pieces), folder, on_progress, cancel) as cutter:
        for piece in all_pieces:
            edges = (piece.start_seconds, piece.end_seconds)
            named = folder / clip_name(path, mode, *edges, folder, title=piece.name)
            target = free_path(named, [path], overwrites=overwrites, taken=taken)
            try:
                clip = cutter.cut(_request(path, edges, target, mode, all_cues), target)
            except (Cancelled, StorageError):
                raise
            except AppError as error:
                yield CutPiece(piece, None, error)
            else:
                yield CutPiece(piece, clip)


def cut_clip(
    path: Path,
    start_seconds: float,
    end_seconds: float | None,
    output: Path,
    *,
    mode: ClipMode = "exact",
    cues: Iterable[Cue] = (),
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> VideoClip:
    """Cut a clip, check the times of its frames, and return what it holds. An existing file is replaced.

    Args:
        path: The video.
        start_seconds: Start of the range, from the first picture of the video; the picture shown then is the clip's
            first.
        end_seconds: End of the range; the last picture begins before it. None is the end of the video.
        output: The clip, with an ending of FORMATS.
        mode: "exact" encodes again; "fast" copies from the key frame before the start on, without loss.
        cues: Subtitles that are drawn into the pictures, at times of the video; for "exact" alone.
        on_progress: Called with the seconds of the video that were written.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        ConfigError: The range is empty, this mode doesn't have the ending, subtitles can't be drawn in it, or there is
            no ffmpeg program.
        VideoError: The file is not a readable video, or the range can't be cut out of it.
        DecodeError: The pictures of the range can't be decoded, or the clip has other times.
        StorageError: The clip can't be written.
        Cancelled: `cancel` was set.
    """
    request = _request(path, (start_seconds, end_seconds), output, mode, cues)
    with _Cutter([path], 1, output.parent, on_progress, cancel) as cutter:
        return cutter.cut(request, output)


@dataclass(frozen=True)
class _Request:
    """A clip to cut; times in seconds of the video.

    Attributes:
        path: The video.
        mode: How it is cut.
        start_seconds: Start of the range.
        end_seconds: End of the range, None for the end of the video.
        form: FFmpeg's name of the container.
        cues: Subtitles to draw.
        canvas: What pictures and sound are fitted to.
        is_part: It becomes part of a reel.
    """

    path: Path
    mode: ClipMode
    start_seconds: float
    end_seconds: float | None
    form: str
    cues: tuple[Cue, ...] = ()
    canvas: Canvas | None = None
    is_part: bool = False


def _request(
    path: Path, edges: tuple[float, float | None], output: Path, mode: ClipMode, cues: Iterable[Cue]
) -> _Request:
    """Return the request for a clip. Raises ConfigError, and VideoError if there is no such file."""
    check_file(path)
    start, end = edges
    if start < 0 or (end is not None and end <= start):
        raise ConfigError("clip_range_empty", start=f"{start:g}", end="…" if end is None else f"{end:g}")
    check_clip_suffix(output, mode)
    shown = _cues_within(cues, start, end)
    if shown and mode != "exact":
        raise ConfigError("clip_subtitles_fast")
    return _Request(path, mode, start, end, FORMATS[output.suffix.lower()], shown)


class _Cutter:
    """Cutter of several clips, whose files lie in a folder of their own until they are whole. Use it in a `with` block.

    One worker reads the times of the videos and of the clips. The files that it may read are fixed when it starts:
    those of the clips are made before, empty.
    """

    def __init__(
        self,
        videos: Iterable[Path],
        num_clips: int,
        folder: Path,
        on_progress: Callable[[float], None],
        cancel: threading.Event | None,
    ) -> None:
        self._videos, self._num_clips, self._folder = tuple(videos), num_clips, folder
        self._on_progress, self._cancel = on_progress, cancel
        self._made = ExitStack()
        self._timed: dict[Path, TimedVideo] = {}

    def __enter__(self) -> Self:
        with storage_errors("clip_not_written", self._folder), ExitStack() as stack:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.scratch = stack.enter_context(scratch_folder(self._folder))
            self._unused = [self.scratch / f"{number}.part" for number in range(self._num_clips)]
            for file in self._unused:
                file.touch()
            self._reader = stack.enter_context(TimesReader([*self._videos, *self._unused]))
            self._made = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    def times_of(self, path: Path) -> TimedVideo:
        """Return a video with its times, which are read once."""
        if path not in self._timed:
            self._timed[path] = self._reader.times_of(path, self._cancel)
        return self._timed[path]

    def cut(self, request: _Request, output: Path) -> VideoClip:
        """Write a clip and give it its name. Raises what `cut_clip` raises."""
        with storage_errors("clip_not_written", output):
            output.parent.mkdir(parents=True, exist_ok=True)
            check_replaceable(output)
            plan, num_frames, scratch = self.part(request)
            scratch.replace(output)
        return VideoClip(
            output, request.mode, rounded_time(plan.start_seconds), rounded_time(plan.end_seconds), num_frames
        )

    def part(self, request: _Request) -> tuple[ClipPlan, int, Path]:
        """Write a clip into the next file; return its plan, the number of its frames, and the file."""
        video = self.times_of(request.path)
        is_fast = request.mode == "fast"
        plan = (fast_plan if is_fast else exact_plan)(video, request.start_seconds, request.end_seconds)
        subtitles = self._subtitles(request, video, plan)
        target = self._unused.pop(0)
        for reading in arguments.readings(video, plan):
            if is_fast:
                argv = arguments.copied(video, plan, reading, request.form)
            else:
                encoding = arguments.Encoding(request.canvas, subtitles, request.is_part)
                argv = arguments.encoded(video, plan, reading, request.form, encoding)
            self._run(request, argv, target, plan)
            times = self._times_in(target)
            if plan.fits(times):
                return plan, len(times), target
        raise DecodeError("clip_differs", name=printable_path(request.path.name))

    def _subtitles(self, request: _Request, video: TimedVideo, plan: ClipPlan) -> str:
        if not request.cues:
            return ""
        file = self.scratch / f"{len(self._unused)}.ass"
        size = request.canvas or video.info
        file.write_text(captions.written(request.cues, (size.width, size.height), plan.start_seconds), "utf-8")
        return captions.subtitle_filter(file)

    def _run(self, request: _Request, argv: list[str], target: Path, plan: ClipPlan) -> None:
        reads = [request.path, *self.scratch.glob("*.ass")]
        start, name = plan.start_seconds, printable_path(request.path.name)
        try:
            run_ffmpeg(
                argv,
                reads=reads,
                writes=target,
                on_progress=lambda seconds: self._on_progress(start + min(seconds, plan.length_seconds)),
                cancel=self._cancel,
            )
        except FfmpegError as error:
            _log.warning("ffmpeg could not cut %r: %s", str(request.path), error)
            if request.mode == "fast":
                raise VideoError("clip_refused", name=name, format=request.form, reason=str(error)) from error
            raise DecodeError("clip_without_pictures", name=name) from error

    def _times_in(self, file: Path) -> list[float]:
        """Return when the frames of a clip are shown, from its first; none if it can't be read."""
        try:
            return sorted(self._reader.times_of(file, self._cancel).frames.shown_seconds)
        except AppError as error:
            if isinstance(error, Cancelled):
                raise
            return []

    def join(self, parts: Sequence[ReelPart], output: Path, name: str, *, has_chapters: bool) -> int:
        """Join clips to a reel and give it its name; return the number of its frames."""
        listed, chapters = self.scratch / "parts.txt", self.scratch / "chapters.txt"
        lines = (f"file {part.path.name}\nduration {part.seconds:.6f}\n" for part in parts)
        listed.write_text("ffconcat version 1.0\n" + "".join(lines), "utf-8")
        chapters.write_text(_chapters(parts) if has_chapters else ";FFMETADATA1\n", "utf-8")
        target, form = self._unused.pop(0), FORMATS[output.suffix.lower()]
        reads = [listed, chapters, *(part.path for part in parts)]
        try:
            run_ffmpeg(arguments.joined(listed, chapters, form), reads=reads, writes=target, cancel=self._cancel)
        except FfmpegError as error:
            raise VideoError("clip_refused", name=name, format=form, reason=str(error)) from error
        num_frames = len(self._times_in(target))
        if num_frames != sum(part.num_frames for part in parts):
            raise DecodeError("clip_differs", name=name)
        target.replace(output)
        return num_frames


@dataclass(frozen=True)
class ReelPart:
    """A clip that becomes part of a reel: its file, its length, its frames and the title of its chapter."""

    path: Path
    seconds: float
    num_frames: int
    title: str


def _chapters(parts: Sequence[ReelPart]) -> str:
    """Return a chapter for each part as a metadata file of FFmpeg, in milliseconds."""
    lines, start = [";FFMETADATA1"], 0.0
    for part in parts:
        edges = round(start * 1000), round((start + part.seconds) * 1000)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={edges[0]}", f"END={edges[1]}"]
        lines.append(f"title={escape_ffmetadata(part.title)}")
        start += part.seconds
    return "\n".join([*lines, ""])


def cut_reel(
    path: Path,
    pieces: Sequence[Piece],
    output: Path,
    *,
    cues_of: Callable[[Path], Iterable[Cue]] = lambda _: (),
    has_chapters: bool = False,
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> Reel:
    """Cut exact clips and join them to one file, which is checked like a clip. An existing file is replaced.

    Pieces of several videos are fitted to the first video's size, upright and with black edges, and to stereo.

    Args:
        path: The video of pieces that name no video.
        pieces: The pieces in the order of the reel, which need not be the order in the video.
        output: The reel, with an ending of ENCODED_SUFFIXES.
        cues_of: Returns the subtitles that are drawn into the pictures of a video, at its times.
        has_chapters: Whether each piece is a chapter, named after it.
        on_progress: Called with the seconds of the reel that were written.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        ConfigError: There are no pieces, a piece is empty, or exact clips don't have the ending.
        AppError: What `cut_clip` raises for the first piece that can't be cut out.
    """
    if not pieces:
        raise ConfigError("clip_reel_empty")
    check_clip_suffix(output, "exact")
    videos = list(dict.fromkeys(piece.video or path for piece in pieces))
    for video in videos:
        check_file(video)
    parts: list[ReelPart] = []
    done = start = 0.0

    def show(seconds: float) -> None:
        on_progress(done + max(0.0, seconds - start))

    with (
        storage_errors("clip_not_written", output),
        _Cutter(videos, len(pieces) + 1, output.parent, show, cancel) as cutter,
    ):
        check_replaceable(output)
        canvas = _canvas_of([cutter.times_of(video) for video in videos])
        for piece in pieces:
            source, start = piece.video or path, piece.start_seconds
            request = _request(source, (start, piece.end_seconds), output, "exact", cues_of(source))
            request = replace(request, form=_PART_FORM, canvas=canvas, is_part=True)
            plan, num_frames, file = cutter.part(request)
            parts.append(ReelPart(file, plan.length_seconds, num_frames, piece.label or clock(start)))
            done += plan.length_seconds
        name = printable_path(path.name)
        num_frames = cutter.join(parts, output, name, has_chapters=has_chapters)
    return Reel(output, tuple(part.seconds for part in parts), num_frames)


def _canvas_of(videos: Sequence[TimedVideo]) -> Canvas | None:
    """Return the canvas to which the pieces of these videos are fitted, or None for a single video."""
    if len(videos) == 1:
        return None
    first = videos[0].info
    has_sound = any(video.frames.sounds for video in videos)
    return Canvas(max(2, first.width // 2 * 2), max(2, first.height // 2 * 2), has_sound)


def _cues_within(cues: Iterable[Cue], start_seconds: float, end_seconds: float | None) -> tuple[Cue, ...]:
    end = inf if end_seconds is None else end_seconds
    return tuple(cue for cue in cues if cue.end_seconds > start_seconds and cue.start_seconds < end)


def check_clip_suffix(output: Path, mode: ClipMode) -> None:
    """Raise ConfigError unless the file's name ends as a container of this mode does."""
    allowed = ENCODED_SUFFIXES if mode == "exact" else tuple(FORMATS)
    if output.suffix.lower() not in allowed:
        raise ConfigError("clip_ending", given=output.name, mode=mode, allowed=", ".join(allowed))
