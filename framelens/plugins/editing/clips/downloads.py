"""Clips to download: a single one unchanged, several as a ZIP; each is written on request and deleted when sent."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_STORED, ZipFile

from framelens.core.background_task import cancel_event, check_cancelled
from framelens.core.domain import Analysis, Cue
from framelens.core.errors import InputError, StorageError
from framelens.core.files import name_key, numbered, safe_stem
from framelens.i18n import error_text, labelled, t
from framelens.i18n.formatting import attributed
from framelens.plugins.editing.clips.cutter import CutPiece, VideoClip, clip_name, cut_pieces, cut_reel
from framelens.plugins.editing.clips.messages import ClipMode
from framelens.plugins.editing.clips.pieces import Piece, PieceKind, pieces_of
from framelens.services.playback import video_for
from framelens.store.fs_utils import disk_errors

if TYPE_CHECKING:
    from framelens.services.container import Services

MOST_PIECES = 100
MOST_SECONDS = 3600.0
"""Of all pieces of a download, encoded again: minutes of work, and a connection that waits for it."""
_KINDS: dict[str, PieceKind] = {"f": "finding", "c": "chapter", "i": "interval"}
_PIECE = re.compile(r"(?:([fci])(\d{1,6})|r)@(\d{1,7}(?:\.\d{1,6})?)-(\d{1,7}(?:\.\d{1,6})?)?")
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm"}
_OTHER_TYPE = "video/x-matroska"


@dataclass(frozen=True)
class ClipOptions:
    """How the pieces of an order are cut and put together.

    Attributes:
        mode: How they are cut; a reel is always exact.
        is_reel: They are joined to one file.
        has_chapters: Each piece of a reel is a chapter.
        has_subtitles: What is said is drawn into the pictures.
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
class ClipOrder:
    """Order of clips for a download.

    Attributes:
        subject: Id of the job or of the video.
        path: The video.
        name: Its name as the user knows it.
        pieces: The pieces, in their order.
        how: How they are cut and put together.
        cues: Subtitles of the video, which are drawn in if `how` says so.
    """

    subject: str
    path: Path
    name: str
    pieces: tuple[Piece, ...]
    how: ClipOptions
    cues: tuple[Cue, ...] = ()

    def check(self) -> None:
        """Raise InputError if this is too much for a download."""
        if not 1 <= len(self.pieces) <= MOST_PIECES:
            raise InputError("clip_number_of_pieces", count=len(self.pieces), most=MOST_PIECES)
        total = sum((one.end_seconds or one.start_seconds) - one.start_seconds for one in self.pieces)
        if self.how.is_exact and total > MOST_SECONDS:
            raise InputError("clip_too_long", minutes=round(total / 60), most=round(MOST_SECONDS / 60))


@dataclass(frozen=True)
class ClipFile:
    """A temporary file for a user, its name and its media type."""

    path: Path
    name: str
    mime: str


def piece_text(piece: Piece) -> str:
    """Return a piece as `parse_pieces` reads it, such as "f3@10.5-20" for a finding and "r@10.5-" for a range."""
    name = f"{piece.kind[0]}{piece.number}" if piece.kind else "r"
    end = "" if piece.end_seconds is None else _seconds(piece.end_seconds)
    return f"{name}@{_seconds(piece.start_seconds)}-{end}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def parse_pieces(text: str, analysis: Analysis | None) -> tuple[Piece, ...]:
    """Parse pieces separated by commas; those of a report have its names.

    Raises:
        InputError: One is not a piece.
    """
    names = {(one.kind, one.number): one.name for one in pieces_of(analysis)} if analysis else {}
    pieces = []
    for word in text.split(",")[: MOST_PIECES + 1]:
        found = _PIECE.fullmatch(word.strip())
        if not found:
            raise InputError("clip_piece_unknown", given=word[:80])
        letter, number, start, end = found.groups()
        kind = _KINDS[letter] if letter else ""
        key = (kind, int(number or 0))
        pieces.append(Piece(*key, names.get(key, ""), float(start), float(end) if end else None))
    return tuple(pieces)


def order_of_job(services: Services, job_id: str, pieces: str | Sequence[Piece], how: ClipOptions) -> ClipOrder:
    """Return an order for pieces of the video of a job, as `parse_pieces` reads them or as they are.

    Raises:
        InputError: The job is unknown, its video can't be read here, or a piece is not one.
    """
    job = services.jobs.snapshot(job_id)
    video_id = video_for(services.videos, services.jobs, job)
    if video_id is None:
        raise InputError("clip_without_video", name=job.name)
    if isinstance(pieces, str):
        pieces = parse_pieces(pieces, services.reports.get(job_id))
    said = job.analysis.transcript if job.analysis and how.has_subtitles else None
    path = services.videos.path(video_id)
    return ClipOrder(job_id, path, job.name, tuple(pieces), how, attributed(said))


def order_of_video(services: Services, video_id: str, pieces: str, how: ClipOptions) -> ClipOrder:
    """Return an order for ranges of a video without a report. Raises InputError."""
    videos = services.videos
    return ClipOrder(video_id, videos.path(video_id), videos.name(video_id), parse_pieces(pieces, None), how)


def write(order: ClipOrder) -> ClipFile:
    """Write what is ordered into a temporary file that only this user of the system can read.

    Raises:
        InputError: It is too much, or no piece can be cut out.
        StorageError: There is no room for it.
        Cancelled: The client has left.
    """
    order.check()
    with _scratch() as folder:
        try:
            made = _reel(order, folder) if order.how.is_reel else _clips(order, folder)
        except StorageError as error:
            raise StorageError("disk_full_now", folder=str(folder.parent), reason=error.values["reason"]) from error
        descriptor, kept = tempfile.mkstemp(prefix="framelens-", suffix=made.path.suffix)
        os.close(descriptor)
        made.path.chmod(0o600)
        made.path.replace(kept)
    return ClipFile(Path(kept), made.name, made.mime)


def _reel(order: ClipOrder, folder: Path) -> ClipFile:
    target, how = folder / "reel.mp4", order.how
    cancel = cancel_event()
    cues = order.cues
    cut_reel(order.path, order.pieces, target, cues_of=lambda _: cues, has_chapters=how.has_chapters, cancel=cancel)
    return ClipFile(target, f"{safe_stem(order.name)}.reel.mp4", _TYPES[".mp4"])


def _clips(order: ClipOrder, folder: Path) -> ClipFile:
    mode, cancel = order.how.mode, cancel_event()
    cuts = cut_pieces(order.path, order.pieces, folder, mode=mode, cues=order.cues, cancel=cancel)
    return _one(next(cuts), order) if len(order.pieces) == 1 else _zipped(cuts, order, folder)


def _one(cut: CutPiece, order: ClipOrder) -> ClipFile:
    if cut.error or cut.clip is None:
        raise cut.error or InputError("clip_without_pictures", name=order.name)
    path = cut.clip.path
    return ClipFile(path, _name(cut.piece, cut.clip, order), _TYPES.get(path.suffix, _OTHER_TYPE))


def _name(piece: Piece, clip: VideoClip, order: ClipOrder) -> str:
    """Return the name of a clip with the times of the order, or with its true ones if it begins and ends elsewhere."""
    if clip.mode == "exact":
        edges: tuple[float, float | None] = piece.start_seconds, piece.end_seconds
    else:
        edges = clip.start_seconds, clip.end_seconds
    title = piece.name or safe_stem(order.name)
    return clip_name(clip.path, clip.mode, *edges, clip.path.parent, title=title)


def _zipped(cuts: Iterator[CutPiece], order: ClipOrder, folder: Path) -> ClipFile:
    """Write the clips into a ZIP, each deleted when it is in it, with a list of those that are left out."""
    target = folder / "clips.zip"
    left_out: list[str] = []
    errors, given = [], set[str]()
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for cut in cuts:
            check_cancelled()
            if cut.clip:
                name = Path(_name(cut.piece, cut.clip, order))
                names = (f"{stem}{name.suffix}" for stem in numbered(name.stem))
                free = next(one for one in names if name_key(one) not in given)
                given.add(name_key(free))
                archive.write(cut.clip.path, free)
                cut.clip.path.unlink()
            elif cut.error:
                errors.append(cut.error)
                left_out.append(labelled(cut.piece.label, error_text(cut.error)))
        if left_out:
            archive.writestr(f"{t('library.export_left_out')}.txt", "\n".join((*left_out, "")))
    if len(errors) == len(order.pieces):
        raise errors[0]
    return ClipFile(target, f"{safe_stem(order.name)}.clips.zip", "application/zip")


@contextmanager
def _scratch() -> Iterator[Path]:
    with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="framelens-") as folder:
        yield Path(folder)
