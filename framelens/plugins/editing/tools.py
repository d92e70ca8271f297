"""Tool of the MCP server that saves clips: ranges of a video, or what its report is about."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from framelens import ConfigError, InputError, error_text
from framelens.plugin import t
from framelens.plugin.api import ToolCall
from framelens.plugin.command_line import parse_seconds
from framelens.plugin.files import held_folder, shown_path
from framelens.plugin.outputs import atomic_write, free_path, storage_errors
from framelens.plugin.texts import clock, labelled
from framelens.plugins.editing.clips.cutter import cut_pieces
from framelens.plugins.editing.clips.downloads import MOST_PIECES
from framelens.plugins.editing.clips.pieces import MARGIN_SECONDS, Piece, PieceKind, chosen, pieces_of
from framelens.plugins.editing.clips.plan import ClipMode

if TYPE_CHECKING:
    from framelens import Analysis

Text = Annotated[str, Field(max_length=4096)]
Numbers = Annotated[list[int], Field(max_length=MOST_PIECES)]


class SavedClip(BaseModel):
    """A clip that was saved."""

    start: float = Field(description="Where it begins, in seconds from the first frame of the video.")
    end: float
    frames: int
    mode: ClipMode


class ClipsQuoted(BaseModel):
    """Paths of the clips, which are named after what is in them, and what could not be cut out."""

    paths: list[str] = []
    problems: list[str] | None = None


class ClipsResult(BaseModel):
    """Clips in the order of their paths."""

    clips: list[SavedClip] | None = None
    quoted: ClipsQuoted | None = None


def mcp_tools() -> Iterator[Callable[..., BaseModel]]:
    """Yield the tools of this plugin."""
    yield clip


def clip(
    call: ToolCall,
    video: Text,
    folder: Text,
    start: float | str = 0,
    end: float | str | None = None,
    kind: Literal["range", "finding", "chapter", "interval"] = "range",
    numbers: Numbers = [],  # noqa: B006 - never changed
    mode: ClipMode = "exact",
) -> ClipsResult:
    """Save a range of a video, or pieces of its report, as files in a folder; existing files are kept.

    Raises:
        AppError: The video or the folder may not be opened, the report lacks such a piece, or nothing can be cut out.
    """
    path, analysis = call.source(video)
    if path is None:
        raise InputError("clip_without_video", name=analysis.video.name if analysis else video[:80])
    target = call.folder(folder)
    edges = parse_seconds(str(start)), None if end is None else parse_seconds(str(end))
    pieces = [Piece("", 0, "", *edges)] if kind == "range" else _pieces(analysis, kind, numbers, path)

    def show(seconds: float) -> None:
        call.doing = t("cli.clip_progress", time=clock(seconds, digits=0))

    show(pieces[0].start_seconds)
    saved, paths, problems, errors = [], [], [], []
    with storage_errors("clip_not_written", target), tempfile.TemporaryDirectory(prefix="framelens-") as scratch:
        for cut in cut_pieces(path, pieces, Path(scratch), mode=mode, on_progress=show, cancel=call.cancel):
            if cut.clip:
                paths.append(shown_path(target / _move(cut.clip.path, target)))
                times = {"start": cut.clip.start_seconds, "end": cut.clip.end_seconds}
                saved.append(SavedClip(**times, frames=cut.clip.num_frames, mode=cut.clip.mode))
            elif cut.error:
                errors.append(cut.error)
                problems.append(labelled(cut.piece.label, error_text(cut.error)))
    if not saved:
        raise errors[0]
    return ClipsResult(clips=saved, quoted=ClipsQuoted(paths=paths, problems=problems or None))


def _pieces(analysis: Analysis | None, kind: PieceKind, numbers: list[int], path: Path) -> list[Piece]:
    if analysis is None:
        raise InputError("clip_without_report", name=path.name)
    selected = chosen(pieces_of(analysis, MARGIN_SECONDS), kind, numbers or None, path.name)
    if len(selected) > MOST_PIECES:
        raise ConfigError("clip_number_of_pieces", count=len(selected), most=MOST_PIECES)
    return selected


def _move(path: Path, folder: Path) -> str:
    """Move a clip into a folder, under a name that no file there has; return the name."""
    folder.mkdir(parents=True, exist_ok=True)
    with held_folder(folder) as here, path.open("rb") as source:
        name = free_path(here / path.name).name
        with atomic_write(here / name) as file:
            copyfileobj(source, file)
    path.unlink()
    return name
