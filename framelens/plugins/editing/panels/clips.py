"""Clips on the page: a dialog that saves a range of the video, and a dialog with all pieces of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import streamlit as st

from framelens import Analysis, AppError
from framelens.plugin import t
from framelens.plugin.analyses import JobSnapshot, video_for
from framelens.plugin.texts import clock, error_words, parse_range, plain
from framelens.plugin_page import PageTools, RangeAction, SaveButton, SaveGroup, VideoRange
from framelens.plugins.editing.clips.downloads import MOST_PIECES, piece_text
from framelens.plugins.editing.clips.pieces import MARGIN_SECONDS, Piece, PieceKind, moved, pieces_of
from framelens.plugins.editing.clips.plan import ClipMode

_MOST_NAMED = 3
"""Names in a warning."""
_LIKELIEST: tuple[PieceKind, ...] = ("interval", "finding", "chapter")
"""Kinds of pieces, the kind that is kept at first foremost: what the user searched for, if anything was found."""


def action(ui: PageTools) -> RangeAction:
    """Return the action at a range of a video: open the dialog that saves it."""
    return RangeAction(t("clip.action"), lambda selection: ui.ask(t("clip.title"), _draw_one, ui, selection))


def _ask_for_all(ui: PageTools, job_ids: Sequence[str]) -> None:
    title = t("clip.all_title") if len(job_ids) == 1 else t("clip.several_title", n=len(job_ids))
    ui.ask(title, _draw_all, ui, _list(ui, job_ids), width="large")


def draw_entry(ui: PageTools, job: JobSnapshot, analysis: Analysis) -> None:
    """Draw the button for all clips of a report, if its video can be read and something can be cut out."""
    if next(pieces_of(analysis), None) and _video_id(ui, job):
        ui.button(t("clip.all"), "clips_all", _ask_for_all, ui, (job.id,), icon="content_cut", kind="tertiary")


def draw_library_entry(ui: PageTools, job_ids: Sequence[str]) -> None:
    """Draw the button for the clips of the chosen reports."""
    ui.button(t("clip.all"), "library_clips", _ask_for_all, ui, job_ids, icon="content_cut")


def _video_id(ui: PageTools, job: JobSnapshot) -> str | None:
    return video_for(ui.services.videos, ui.services.jobs, job)


# ---- one range


def _draw_one(ui: PageTools, selection: VideoRange) -> None:
    """Draw the fields for the times of a clip, and the button that saves it."""
    margin = MARGIN_SECONDS if selection.is_cited else 0.0
    edges = (max(0.0, selection.start_seconds - margin), selection.end_seconds + margin)
    with (
        st.container()
    ):  # the fields keep their place, or the previous dialog's would be shown beside them for a moment
        if selection.name:
            st.markdown(plain(selection.name))
    key = f"clip_{selection.job_id or selection.video_id}_{edges[0]:g}_{edges[1]:g}"
    with st.container(horizontal=True, gap="small"):
        start = st.text_input(t("clip.start"), clock(edges[0]), key=f"{key}_start", width=140)
        end = st.text_input(t("clip.end"), clock(edges[1]), key=f"{key}_end", width=140)
    mode = _draw_mode(ui, key)
    try:
        first, last = parse_range(start, end) or (0.0, None)
    except AppError as error:
        ui.show_error(error)
        return
    text = piece_text(Piece("", 0, "", first, last))
    route = f"jobs/{selection.job_id}" if selection.job_id else f"videos/{selection.video_id}"
    url = ui.export_url(f"{route}/clips", pieces=text, mode=mode)
    ui.draw_saves([SaveGroup((SaveButton(t("clip.save"), url),))], key="clip_save", has_choices=True)


def _draw_mode(ui: PageTools, key: str) -> ClipMode:
    labels = {mode: t(f"clip.mode_{mode}") for mode in get_args(ClipMode)}
    labels = dict(sorted(labels.items(), key=lambda item: item[0] != "exact"))
    mode: ClipMode = ui.choose(t("clip.mode"), labels, f"{key}_mode", st.radio)
    return mode


# ---- all of some reports


@dataclass(frozen=True)
class _Row:
    """A piece, the id of its job, and the name of its video."""

    piece: Piece
    job_id: str
    video: str


@dataclass(frozen=True)
class _Listed:
    """What can be cut out of the videos of some analyses.

    Attributes:
        rows: The pieces.
        without: Names of analyses without a report, without pieces, or whose video can't be read here.
        has_subtitles: Something is said in a video.
    """

    rows: tuple[_Row, ...]
    without: tuple[str, ...]
    has_subtitles: bool

    @property
    def key(self) -> str:
        """Return a part of the keys of widgets."""
        return "_".join(dict.fromkeys(row.job_id for row in self.rows))


def _list(ui: PageTools, job_ids: Sequence[str]) -> _Listed:
    rows: list[_Row] = []
    without = []
    has_subtitles = False
    for entry in ui.services.jobs.library.entries(job_ids):
        analysis = ui.services.reports.get(entry.id) if _video_id(ui, ui.services.jobs.snapshot(entry.id)) else None
        added = [_Row(piece, entry.id, entry.name) for piece in pieces_of(analysis, MARGIN_SECONDS)] if analysis else []
        rows += added
        without += [] if added else [entry.name]
        has_subtitles = has_subtitles or bool(added and analysis and analysis.transcript)
    return _Listed(tuple(rows), tuple(without), has_subtitles)


def _draw_all(ui: PageTools, listed: _Listed) -> None:
    """Draw a list to keep, skip, trim and put in order, and the button that saves the kept pieces."""
    if listed.without:
        _draw_left_out(ui, listed.without)
    if not listed.rows:
        return
    rows, wrong = _draw_list(listed)
    mode = _draw_mode(ui, f"clips_{listed.key}")
    for sentence in wrong:
        ui.show_warning(sentence)
    if not rows:
        st.caption(t("clip.none"))
    elif len(rows) > MOST_PIECES:
        st.caption(t("clip.most", most=MOST_PIECES, n=len(rows)))
    elif not wrong:
        ui.draw_saves([SaveGroup(_save_buttons(ui, listed, rows, mode))], key="clips_save", has_choices=True)


def _draw_left_out(ui: PageTools, names: Sequence[str]) -> None:
    shown = [*names[:_MOST_NAMED], *(["…"] if len(names) > _MOST_NAMED else [])]
    ui.show_warning(t("clip.without", n=len(names), names=t("facts.list").join(shown)))


def _save_buttons(ui: PageTools, listed: _Listed, rows: Sequence[_Row], mode: ClipMode) -> tuple[SaveButton, ...]:
    """Return the buttons for the clips and for a reel of them, below what can be chosen for the reel."""
    route = f"jobs/{rows[0].job_id}/clips"
    text = ",".join(piece_text(row.piece, row.job_id) for row in rows)
    clips = SaveButton(t("clip.save_all", n=len(rows)), ui.export_url(route, pieces=text, mode=mode))
    if len(rows) < 2:
        return (clips,)
    names = ("chapters", "subtitles") if listed.has_subtitles else ("chapters",)
    with st.container(horizontal=True, gap="medium"):
        chosen = {name: str(int(st.checkbox(t(f"clip.{name}"), key=f"clips_{listed.key}_{name}"))) for name in names}
    return (clips, SaveButton(t("clip.save_reel"), ui.export_url(route, pieces=text, reel="1", **chosen)))


def _draw_list(listed: _Listed) -> tuple[list[_Row], list[str]]:
    """Draw the table of pieces; return the kept pieces in their order with their times, and a sentence per error."""
    columns = {
        "keep": st.column_config.CheckboxColumn(t("clip.keep"), width=60),
        "name": st.column_config.TextColumn(t("clip.name"), disabled=True, width=240),
        "start": st.column_config.TextColumn(t("clip.start"), width=100),
        "end": st.column_config.TextColumn(t("clip.end"), width=100),
        "place": st.column_config.NumberColumn(t("clip.place"), width=60, help=t("clip.place_help"), min_value=1),
        "video": st.column_config.TextColumn(t("clip.video"), disabled=True, width=160),
        "kind": st.column_config.TextColumn(t("clip.kind"), disabled=True, width=90),
    }
    pieces, videos = [row.piece for row in listed.rows], [row.video for row in listed.rows]
    kinds = {piece.kind for piece in pieces}
    likeliest = next(kind for kind in _LIKELIEST if kind in kinds)
    table = {
        "keep": [piece.kind == likeliest for piece in pieces],
        "name": [piece.label for piece in pieces],
        "start": [clock(piece.start_seconds) for piece in pieces],
        "end": [clock(piece.end_seconds or 0.0) for piece in pieces],
        "place": list(range(1, len(pieces) + 1)),
        **({"video": videos} if len(set(videos)) > 1 else {}),
        "kind": [f"{t(f'clip.kind_{piece.kind}')} {piece.number}" for piece in pieces],
    }
    key = f"clips_list_{listed.key}"
    edited: dict[str, Any] = st.data_editor(table, key=key, column_config=columns, hide_index=True)
    rows, wrong = [], []
    names = ("keep", "place", "start", "end")
    cells: Iterable[tuple[Any, ...]] = zip(*(edited[name] for name in names), strict=True)
    for number, (row, (is_kept, position, start, end)) in enumerate(zip(listed.rows, cells, strict=True), start=1):
        if not is_kept:
            continue
        try:
            first, last = parse_range(str(start or ""), str(end or "")) or (0.0, None)
        except AppError as error:
            wrong.append(t("clip.row_wrong", name=row.piece.name, why=error_words(error)))
        else:
            piece = replace(row.piece, start_seconds=first, end_seconds=last)
            rows.append((number, position or number, replace(row, piece=piece)))
    return moved(rows), wrong
