"""Clips to download: a single clip unchanged, several as a ZIP; each is written on request and deleted when sent."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile

from framelens import Cue, InputError, StorageError, error_text
from framelens.plugin import t
from framelens.plugin.analyses import video_for
from framelens.plugin.api import Export
from framelens.plugin.outputs import disk_errors, safe_stem, unused_name
from framelens.plugin.processes import cancel_event
from framelens.plugin.texts import attributed, labelled
from framelens.plugins.editing.clips.cutter import CutPiece, VideoClip, clip_name, cut_pieces, cut_reel
from framelens.plugins.editing.clips.pieces import Piece, PieceKind, pieces_of
from framelens.plugins.editing.clips.plan import ClipMode

if TYPE_CHECKING:
    from framelens.plugin import Services

MOST_PIECES = 100
MOST_SECONDS = 3600.0
"""Of all pieces of a download, encoded again: minutes of work, and a connection that waits for it."""
_KINDS: dict[str, PieceKind] = {"f": "finding", "c": "chapter", "i": "interval"}
_PIECE = re.compile(
    r"(?:([A-Za-z0-9_-]{6,64}):)?(?:([fci])(\d{1,6})|r)@(\d{1,7}(?:\.\d{1,6})?)-(\d{1,7}(?:\.\d{1,6})?)?"
)
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"}
_OTHER_TYPE = "video/x-matroska"


@dataclass(frozen=True)
class ClipOptions:
    """How the pieces of an order are cut and put together.

    Attributes:
        mode: How they are cut; a reel is always exact.
        is_reel: They are joined to one file.
        has_chapters: Each piece of a reel is a chapter.
        has_subtitles: Subtitles are drawn into the pictures.
    """

    mode: ClipMode = "exact"
    is_reel: bool = False
    has_chapters: bool = False
    has_subtitles: bool = False

    @property
    def is_exact(self) -> bool:
        """Return whether the pictures are encoded again."""
        return self.is_reel or self.mode == "exact"


@dataclass(frozen=True)
class ClipSource:
    """A video of which pieces are cut out.

    Attributes:
        id: Id of its job, or of the video itself without a job.
        path: The video.
        name: Its name as the user knows it.
        cues: Its subtitles, drawn into the pictures.
        titles: Names of the pieces of its report, by kind and number.
    """

    id: str
    path: Path
    name: str
    cues: tuple[Cue, ...] = ()
    titles: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipOrder:
    """Order of clips for a download.

    Attributes:
        sources: The videos, in the order of their first pieces.
        pieces: The pieces, in their order; each names its video.
        how: How they are cut and put together.
    """

    sources: tuple[ClipSource, ...]
    pieces: tuple[Piece, ...]
    how: ClipOptions

    def check(self) -> None:
        """Raise InputError if this is too much for a download."""
        if not 1 <= len(self.pieces) <= MOST_PIECES:
            raise InputError("clip_number_of_pieces", count=len(self.pieces), most=MOST_PIECES)
        total = sum((piece.end_seconds or piece.start_seconds) - piece.start_seconds for piece in self.pieces)
        if self.how.is_exact and total > MOST_SECONDS:
            raise InputError("clip_too_long", minutes=round(total / 60), most=round(MOST_SECONDS / 60))


def piece_text(piece: Piece, job_id: str = "") -> str:
    """Return a piece as `parse_pieces` reads it.

    It is such as "f3@10.5-20" for a finding, "r@10.5-" for a range, and "JOB:f3@10.5-20" for another job's finding.
    """
    name = f"{piece.kind[0]}{piece.number}" if piece.kind else "r"
    end = "" if piece.end_seconds is None else _seconds(piece.end_seconds)
    return f"{job_id}{job_id and ':'}{name}@{_seconds(piece.start_seconds)}-{end}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def parse_pieces(text: str) -> Iterator[tuple[str, Piece]]:
    """Yield pieces separated by commas, without their names, each with the id of its job, "" if it names no job.

    Raises:
        InputError: A part of the text is not a piece.
    """
    for word in text.split(",")[: MOST_PIECES + 1]:
        match = _PIECE.fullmatch(word.strip())
        if not match:
            raise InputError("clip_piece_unknown", given=word[:80])
        job_id, letter, number, start, end = match.groups()
        kind = _KINDS[letter] if letter else ""
        yield job_id or "", Piece(kind, int(number or 0), "", float(start), float(end) if end else None)


@dataclass(frozen=True)
class ClipOrders:
    """What orders for clips of stored videos are made of."""

    services: Services

    def of_job(self, job_id: str, pieces: Iterable[tuple[str, Piece]], how: ClipOptions) -> ClipOrder:
        """Return an order for pieces, each with the id of its job, "" for `job_id`; pieces of a report get its names.

        Raises:
            InputError: A job is unknown, its video can't be read here, or what `parse_pieces` raises.
        """
        return _order(pieces, lambda named: self._source_of_job(named or job_id, how), how)

    def of_video(self, video_id: str, pieces: Iterable[tuple[str, Piece]], how: ClipOptions) -> ClipOrder:
        """Return an order for ranges of a video without a report. Raises InputError."""
        videos = self.services.videos
        source = ClipSource(video_id, videos.path(video_id), videos.name(video_id))
        return _order(pieces, lambda _: source, how)

    def _source_of_job(self, job_id: str, how: ClipOptions) -> ClipSource:
        services = self.services
        job = services.jobs.snapshot(job_id)
        video_id = video_for(services.videos, services.jobs, job)
        if video_id is None:
            raise InputError("clip_without_video", name=job.name)
        analysis = services.reports.get(job_id)
        titles: dict[tuple[str, int], str] = (
            {(piece.kind, piece.number): piece.name for piece in pieces_of(analysis)} if analysis else {}
        )
        transcript = analysis.transcript if analysis and how.has_subtitles else None
        return ClipSource(job_id, services.videos.path(video_id), job.name, attributed(transcript), titles)


def _order(
    selected: Iterable[tuple[str, Piece]], source_of: Callable[[str], ClipSource], how: ClipOptions
) -> ClipOrder:
    source_of = cache(source_of)
    sources: dict[Path, ClipSource] = {}
    pieces = []
    for named, piece in selected:
        source = source_of(named)
        sources.setdefault(source.path, source)
        name = source.titles.get((piece.kind, piece.number), "")
        pieces.append(replace(piece, name=name, video=source.path))
    return ClipOrder(tuple(sources.values()), tuple(pieces), how)


_Made = tuple[str, str, Path]
"""Name, media type and file of what was ordered."""


def write(order: ClipOrder) -> Export:
    """Write the ordered clips into a temporary file that only this user of the system can read.

    Raises:
        InputError: The order is too large, or no piece can be cut out.
        StorageError: There is no room for the file.
        Cancelled: The client has left.
    """
    order.check()
    with _scratch() as folder:
        try:
            name, mime, path = _reel(order, folder) if order.how.is_reel else _clips(order, folder)
        except StorageError as error:
            raise StorageError("disk_full_now", folder=str(folder.parent), reason=error.values["reason"]) from error
        descriptor, target = tempfile.mkstemp(prefix="framelens-", suffix=path.suffix)
        os.close(descriptor)
        path.chmod(0o600)
        path.replace(target)
    return Export(name, mime, Path(target))


def _reel(order: ClipOrder, folder: Path) -> _Made:
    target, first = folder / "reel.mp4", order.sources[0]
    cues = {source.path: source.cues for source in order.sources}
    has_chapters, cancel = order.how.has_chapters, cancel_event()
    cut_reel(first.path, order.pieces, target, cues_of=cues.__getitem__, has_chapters=has_chapters, cancel=cancel)
    return f"{safe_stem(first.name)}.reel.mp4", _TYPES[".mp4"], target


def _clips(order: ClipOrder, folder: Path) -> _Made:
    return _clip(order, folder) if len(order.pieces) == 1 else _zip_clips(order, folder)


def _cuts(source: ClipSource, order: ClipOrder, folder: Path) -> Iterator[CutPiece]:
    pieces = [piece for piece in order.pieces if piece.video == source.path]
    return cut_pieces(source.path, pieces, folder, mode=order.how.mode, cues=source.cues, cancel=cancel_event())


def _clip(order: ClipOrder, folder: Path) -> _Made:
    source = order.sources[0]
    cut = next(_cuts(source, order, folder))
    if cut.error or cut.clip is None:
        raise cut.error or InputError("clip_without_pictures", name=source.name)
    path = cut.clip.path
    return _name(cut.piece, cut.clip, source), _TYPES.get(path.suffix, _OTHER_TYPE), path


def _name(piece: Piece, clip: VideoClip, source: ClipSource) -> str:
    """Return the name of a clip with the times of the order, or with the clip's own times if it is fast."""
    if clip.mode == "exact":
        edges: tuple[float, float | None] = piece.start_seconds, piece.end_seconds
    else:
        edges = clip.start_seconds, clip.end_seconds
    title = piece.name or safe_stem(source.name)
    return clip_name(clip.path, clip.mode, *edges, clip.path.parent, title=title)


def _zip_clips(order: ClipOrder, folder: Path) -> _Made:
    """Write the clips into a ZIP, each deleted when it is in it, with a list of the pieces that are left out.

    Clips of several videos are in a folder for each video.
    """
    target = folder / "clips.zip"
    left_out: list[str] = []
    errors, taken = [], set[str]()
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for source in order.sources:
            prefix = f"{unused_name(safe_stem(source.name), taken)}/" if len(order.sources) > 1 else ""
            for cut in _cuts(source, order, folder):
                if cut.clip:
                    name = Path(_name(cut.piece, cut.clip, source))
                    archive.write(cut.clip.path, unused_name(f"{prefix}{name.stem}", taken, name.suffix))
                    cut.clip.path.unlink()
                elif cut.error:
                    errors.append(cut.error)
                    left_out.append(labelled(f"{prefix}{cut.piece.label}", error_text(cut.error)))
        if left_out:
            archive.writestr(f"{t('library.export_left_out')}.txt", "\n".join((*left_out, "")))
    if len(errors) == len(order.pieces):
        raise errors[0]
    return f"{safe_stem(order.sources[0].name)}.clips.zip", "application/zip", target


@contextmanager
def _scratch() -> Iterator[Path]:
    with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="framelens-") as folder:
        yield Path(folder)
