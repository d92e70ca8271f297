"""Clips on the page: a dialog that saves a range of the video, and one with all that a report is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import streamlit as st

from app.components import exports
from app.components.controls import button, choose, show_error, show_warning
from app.components.exports import SaveButton, SaveGroup
from app.components.ranges import RangeAction, VideoRange
from app.context import services
from app.formatting import error_words, plain
from framelens.analysis.planning.time_parsing import parse_range
from framelens.core.domain import Analysis
from framelens.core.errors import AppError
from framelens.core.units import clock
from framelens.i18n import t
from framelens.jobs.snapshot import JobSnapshot
from framelens.plugins.editing.clips.downloads import MOST_PIECES, piece_text
from framelens.plugins.editing.clips.messages import ClipMode
from framelens.plugins.editing.clips.pieces import MARGIN_SECONDS, Piece, pieces_of
from framelens.services.playback import video_for

_ASKED = "clip_asked"
"""Key of the range or the id of the analysis whose dialog is to be opened."""


def action() -> RangeAction:
    """Return the action at a range of a video: open the dialog that saves it."""
    return RangeAction(t("clip.action"), _ask)


def _ask(asked: VideoRange | str) -> None:
    st.session_state[_ASKED] = asked


def draw_entry(job: JobSnapshot, analysis: Analysis) -> None:
    """Draw the button for all clips of a report, if its video can be read and something can be cut out."""
    if next(pieces_of(analysis), None) and video_for(services().videos, services().jobs, job):
        button(t("clip.all"), "clips_all", _ask, job.id, icon="content_cut", kind="tertiary")


def draw_dialog() -> None:
    """Draw the dialog that was asked for; while it is open, it draws itself."""
    match st.session_state.pop(_ASKED, None):
        case VideoRange() as asked:
            st.dialog(t("clip.title"))(_draw_one)(asked)
        case str() as job_id:
            st.dialog(t("clip.all_title"), width="large")(_draw_all)(job_id)


# ---- one range


def _draw_one(asked: VideoRange) -> None:
    """Draw the fields for the times of one clip, and the button that saves it."""
    margin = MARGIN_SECONDS if asked.is_cited else 0.0
    edges = (max(0.0, asked.start_seconds - margin), asked.end_seconds + margin)
    if asked.name:
        st.markdown(plain(asked.name))
    key = f"clip_{asked.job_id or asked.video_id}_{edges[0]:g}_{edges[1]:g}"
    with st.container(horizontal=True, gap="small"):
        start = st.text_input(t("clip.start"), clock(edges[0]), key=f"{key}_start", width=140)
        end = st.text_input(t("clip.end"), clock(edges[1]), key=f"{key}_end", width=140)
    mode = _draw_mode(key)
    try:
        first, last = parse_range(start, end) or (0.0, None)
    except AppError as error:
        show_error(error)
        return
    text = piece_text(Piece("", 0, "", first, last))
    place = f"jobs/{asked.job_id}" if asked.job_id else f"videos/{asked.video_id}"
    url = exports.export_url(f"{place}/clips", pieces=text, mode=mode)
    exports.draw([SaveGroup((SaveButton(t("clip.save"), url),))], key="clip_save")


def _draw_mode(key: str) -> ClipMode:
    labels = {mode: t(f"clip.mode_{mode}") for mode in get_args(ClipMode)}
    labels = dict(sorted(labels.items(), key=lambda one: one[0] != "exact"))
    mode: ClipMode = choose(t("clip.mode"), labels, f"{key}_mode", st.radio)
    return mode


# ---- all of a report


def _draw_all(job_id: str) -> None:
    """Draw a list to keep, skip and trim, and the button that saves what is kept."""
    analysis = services().reports.get(job_id)
    if analysis is None:
        return
    pieces = list(pieces_of(analysis, MARGIN_SECONDS))
    kept, wrong = _draw_list(job_id, pieces)
    mode = _draw_mode(f"clips_{job_id}")
    for sentence in wrong:
        show_warning(sentence)
    if not kept:
        st.caption(t("clip.none"))
    elif len(kept) > MOST_PIECES:
        st.caption(t("clip.most", most=MOST_PIECES, n=len(kept)))
    elif not wrong:
        exports.draw([SaveGroup(_save_buttons(job_id, kept, mode, analysis))], key="clips_save")


def _save_buttons(job_id: str, kept: Sequence[Piece], mode: ClipMode, analysis: Analysis) -> tuple[SaveButton, ...]:
    """Return the buttons for the clips and for a reel of them, below what can be chosen for the reel."""
    place, text = f"jobs/{job_id}/clips", ",".join(map(piece_text, kept))
    clips = SaveButton(t("clip.save_all", n=len(kept)), exports.export_url(place, pieces=text, mode=mode))
    if len(kept) < 2:
        return (clips,)
    names = ("chapters", "subtitles") if analysis.transcript else ("chapters",)
    with st.container(horizontal=True, gap="medium"):
        chosen = {name: str(int(st.checkbox(t(f"clip.{name}"), key=f"clips_{job_id}_{name}"))) for name in names}
    return (clips, SaveButton(t("clip.save_reel"), exports.export_url(place, pieces=text, reel="1", **chosen)))


def _draw_list(job_id: str, pieces: Sequence[Piece]) -> tuple[list[Piece], list[str]]:
    """Draw the table of pieces; return those that are kept, with their times, and what is wrong with these."""
    columns = {
        "keep": st.column_config.CheckboxColumn(t("clip.keep"), width=80),
        "start": st.column_config.TextColumn(t("clip.start"), width=100),
        "end": st.column_config.TextColumn(t("clip.end"), width=100),
        "name": st.column_config.TextColumn(t("clip.name"), disabled=True, width="large"),
        "kind": st.column_config.TextColumn(t("clip.kind"), disabled=True, width=90),
    }
    first_kind = "finding" if any(piece.kind == "finding" for piece in pieces) else pieces[0].kind
    rows = {
        "keep": [piece.kind == first_kind for piece in pieces],
        "start": [clock(piece.start_seconds) for piece in pieces],
        "end": [clock(piece.end_seconds or 0.0) for piece in pieces],
        "name": [piece.label for piece in pieces],
        "kind": [f"{t(f'clip.kind_{piece.kind}')} {piece.number}" for piece in pieces],
    }
    key = f"clips_list_{job_id}"
    edited: dict[str, Any] = st.data_editor(rows, key=key, column_config=columns, hide_index=True)
    kept, wrong = [], []
    for piece, is_kept, start, end in zip(pieces, edited["keep"], edited["start"], edited["end"], strict=True):
        if not is_kept:
            continue
        try:
            first, last = parse_range(str(start or ""), str(end or "")) or (0.0, None)
        except AppError as error:
            wrong.append(t("clip.row_wrong", name=piece.name, why=error_words(error)))
        else:
            kept.append(replace(piece, start_seconds=first, end_seconds=last))
    return kept, wrong
