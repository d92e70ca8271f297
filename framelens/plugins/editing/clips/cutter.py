"""Cutter of clips: checks requests, and has workers write the files and read them again."""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from framelens.cli.report_output import ROOM_FOR_NUMBER
from framelens.core.domain import Cue
from framelens.core.errors import AppError, Cancelled, ConfigError, DecodeError, StorageError
from framelens.core.files import cut_to_bytes, is_free, name_key, name_limit, numbered, safe_file_name
from framelens.core.units import clock, rounded_time
from framelens.plugins.editing.clips.clip_workers import ClipWorkers
from framelens.plugins.editing.clips.messages import Canvas, ClipMode, ClipRequest, ReelPart
from framelens.plugins.editing.clips.pieces import Piece
from framelens.reports.content.labels import one_line
from framelens.store.fs_utils import storage_errors
from framelens.store.locks import scratch_folder
from framelens.video.extractor import probe
from framelens.video.files import check_file, printable_path

FORMATS: dict[str, str] = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's names of the containers of clips, by the ending of a file."""
ENCODED_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
"""Containers that take H.264 and AAC."""
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
    start, end = ("end" if one is None else clock(one).replace(":", "-") for one in times)
    rest = f"_{start}_{end}{suffix_of(path, mode)}"
    if words := re.sub(r"[/\\]", "_", one_line(title)):
        return safe_file_name(cut_to_bytes(words, _TITLE_BYTES).strip() + rest)
    return cut_to_bytes(path.stem, name_limit(folder) - len(rest.encode()) - ROOM_FOR_NUMBER) + rest


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
    given: set[str] = set()
    paths: dict[str, Iterator[Path]] = {}
    all_pieces, all_cues = list(pieces), tuple(cues)
    with ClipWorkers(len(all_pieces)) as workers:
        for piece in all_pieces:
            edges = (piece.start_seconds, piece.end_seconds)
            name = Path(clip_name(path, mode, *edges, folder, title=piece.name))
            targets = paths.setdefault(name.name, _numbered_paths(folder, name))
            new = (one for one in targets if name_key(one.name) not in given)
            target = next(one for one in new if is_free(one, [path], overwrites=overwrites))
            given.add(name_key(target.name))
            try:
                request = _request(path, edges, target, mode, all_cues)
                clip = _cut(workers, request, target, on_progress, cancel)
            except (Cancelled, StorageError):
                raise
            except AppError as error:
                yield CutPiece(piece, None, error)
            else:
                yield CutPiece(piece, clip)


def _numbered_paths(folder: Path, name: Path) -> Iterator[Path]:
    return (folder / f"{stem}{name.suffix}" for stem in numbered(name.stem))


def cut_clip(
    path: Path,
    start_seconds: float,
    end_seconds: float | None,
    output: Path,
    *,
    mode: ClipMode = "exact",
    cues: Iterable[Cue] = (),
    canvas: Canvas | None = None,
    on_progress: Callable[[float], None] = lambda _: None,
    cancel: threading.Event | None = None,
) -> VideoClip:
    """Cut a clip, read it again, and return what it holds. An existing file is replaced.

    Args:
        path: The video.
        start_seconds: Start of the range, from the first picture of the video; the picture shown then is the clip's
            first.
        end_seconds: End of the range; the last picture begins before it. None is the end of the video.
        output: The clip, with an ending of FORMATS.
        mode: "exact" encodes again; "fast" copies from the key frame before the start on, without loss.
        cues: Subtitles that are drawn into the pictures, at times of the video; for "exact" alone.
        canvas: What pictures and sound are fitted to; for "exact" alone.
        on_progress: Called with the seconds of the video that were written.
        cancel: Setting it raises Cancelled within half a second.

    Raises:
        ConfigError: The range is empty, this mode doesn't have the ending, or subtitles can't be drawn in it.
        VideoError: The file is not a readable video, or the range can't be cut out of it.
        DecodeError: The pictures of the range can't be decoded, or the clip differs from them.
        StorageError: The clip can't be written.
        Cancelled: `cancel` was set.
    """
    request = _request(path, (start_seconds, end_seconds), output, mode, cues, canvas)
    with ClipWorkers(1) as workers:
        return _cut(workers, request, output, on_progress, cancel)


def _request(
    path: Path,
    edges: tuple[float, float | None],
    output: Path,
    mode: ClipMode,
    cues: Iterable[Cue],
    canvas: Canvas | None = None,
) -> ClipRequest:
    """Return the request for a clip. Raises ConfigError, and VideoError if there is no such file."""
    check_file(path)
    start, end = edges
    if start < 0 or (end is not None and end <= start):
        raise ConfigError("clip_range_empty", start=f"{start:g}", end="…" if end is None else f"{end:g}")
    check_clip_suffix(output, mode)
    shown = _cues_within(cues, start, end)
    if shown and mode != "exact":
        raise ConfigError("clip_subtitles_fast")
    form = FORMATS[output.suffix.lower()]
    return ClipRequest("cut", path, mode, start, end, form, cues=shown, canvas=canvas)


def _cut(
    workers: ClipWorkers,
    request: ClipRequest,
    output: Path,
    on_progress: Callable[[float], None],
    cancel: threading.Event | None,
) -> VideoClip:
    made = workers.write(request, output, on_progress, cancel)
    times = (rounded_time(made.start_seconds), rounded_time(made.end_seconds))
    return VideoClip(output, request.mode, *times, len(made.times_seconds))


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
    """Cut exact clips and join them to one file, which is read again like a clip. An existing file is replaced.

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
    canvas = _canvas_of([piece.video or path for piece in pieces])
    with (
        storage_errors("clip_not_written", output),
        scratch_folder(output.parent) as folder,
        ClipWorkers(len(pieces) + 1) as workers,
    ):
        parts: list[ReelPart] = []
        done = 0.0
        num_frames = 0
        for number, piece in enumerate(pieces):
            edges = (piece.start_seconds, piece.end_seconds)
            target = folder / f"{number}.mp4"

            def show(seconds: float, start: float = edges[0], before: float = done) -> None:
                on_progress(before + max(0.0, seconds - start))

            source = piece.video or path
            request = _request(source, edges, target, "exact", cues_of(source), canvas)
            clip = _cut(workers, request, target, show, cancel)
            parts.append(ReelPart(clip.path, clip.end_seconds - clip.start_seconds, piece.label or clock(edges[0])))
            done += parts[-1].seconds
            num_frames += clip.num_frames
        form = FORMATS[output.suffix.lower()]
        request = ClipRequest("join", path, "exact", format=form, clips=tuple(parts), has_chapters=has_chapters)
        made = workers.write(request, output, lambda _: None, cancel)
    if len(made.times_seconds) != num_frames:
        output.unlink()
        raise DecodeError("clip_differs", name=printable_path(path.name))
    return Reel(output, tuple(part.seconds for part in parts), num_frames)


def _canvas_of(videos: Sequence[Path]) -> Canvas | None:
    """Return the canvas to which the pieces of these videos are fitted, or None for a single video."""
    first, *others = (probe(one) for one in dict.fromkeys(videos))
    if not others:
        return None
    has_sound = any(one.has_audio for one in (first, *others))
    return Canvas(max(2, first.width // 2 * 2), max(2, first.height // 2 * 2), has_sound)


def _cues_within(cues: Iterable[Cue], start_seconds: float, end_seconds: float | None) -> tuple[Cue, ...]:
    end = inf if end_seconds is None else end_seconds
    return tuple(cue for cue in cues if cue.end_seconds > start_seconds and cue.start_seconds < end)


def check_clip_suffix(output: Path, mode: ClipMode) -> None:
    """Raise ConfigError unless the file's name ends as a container of this mode does."""
    allowed = ENCODED_SUFFIXES if mode == "exact" else tuple(FORMATS)
    if output.suffix.lower() not in allowed:
        raise ConfigError("clip_ending", given=output.name, mode=mode, allowed=", ".join(allowed))
