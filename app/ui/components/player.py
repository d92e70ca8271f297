"""The video with its timeline. Frames and times anywhere on the page move it without asking the server; a range that is
drawn on the timeline, and frames that are added or taken out there, are told to the page.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from app.analysis.choosing import has_range
from app.domain import Language, VideoInfo, clock
from app.i18n import t
from app.ui import resources
from app.ui.components import timeline
from app.ui.components.assets import component
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services

_KEY = "player"
_WORDS = (
    *("strip", "sorry", "keys", "keys_editing", "range", "range_help", "range_clear", "range_is"),
    *("zoom_in", "zoom_out", "still", "add", "remove", "restore", "undo", "change"),
    *("shot", "chapter", "cut", "dissolve", "fade", "wipe", "black", "frozen", "flashing"),
)
_PLACES = {name: f"{{{name}}}" for name in ("start", "end", "seconds", "time")}
_USUAL_FRAME_RATE = 25.0
_mount = component("player", "timeline", "strip", "view", "courier", "range", "handwork", "stills")


def draw(services: Services, video_id: str, video: VideoInfo, job_id: str | None, language: Language) -> None:
    """Draws the player, with what is known of the job so far."""
    job = services.jobs.snapshot(job_id) if job_id else None
    state = page_state()
    edits = state.edits_of(job_id)
    data = {
        "stills": resources.api_url(f"videos/{video_id}/stills/{{ms}}.jpg"),
        "src": resources.api_url(f"videos/{video_id}"),
        "name": video.name,
        "start_seconds": max(0.0, video.start_seconds),
        "frame_seconds": frame_seconds(video),
        "duration": _duration(video, job),
        "start": state.position_seconds,
        "scenery": timeline.scenery(job),
        "marks": timeline.marks(job, edits, language),
        "range": state.range,
        "editing": edits is not None,
        "can_undo": bool(edits and edits.steps),
        "seen": edits.seen if edits else 0,
        # The places in these sentences are filled in by the browser.
        "words": {word: t(f"ui.player_{word}", language, **_PLACES) for word in _WORDS},
    }
    _mount(key=_KEY, data=data, on_seek_change=_remember, on_range_change=_take_range, on_edit_change=_take_edits)


def frame_seconds(video: VideoInfo) -> float:
    """How long one frame is on show, about."""
    return 1 / (video.frame_rate or _USUAL_FRAME_RATE)


def _remember() -> None:
    page_state().position_seconds = float(st.session_state[_KEY]["seek"] or 0.0)


def _take_range() -> None:
    state, given = page_state(), st.session_state[_KEY]["range"]
    match given:
        case [int() | float() as start, int() | float() as end] if 0 <= start < end < math.inf:
            state.range_texts = (clock(start), clock(end))
        case _:
            state.range_texts = ("", "")
    st.rerun()  # the player is a fragment; what was drawn is shown by all of the page


def _take_edits() -> None:
    state, given = page_state(), st.session_state[_KEY]["edit"]
    if state.edits and isinstance(given, dict):
        state.edits = state.edits.after(int(given.get("first", 0)), list(given.get("operations", ())))
        st.rerun()


def _duration(video: VideoInfo, job: JobSnapshot | None) -> float | None:
    """Seconds; what was really decoded before what the header claims, unless only a part was to be decoded."""
    if job is None or job.decode is None:
        return video.duration_seconds_from_header
    if has_range(job.request.selection):
        return max(job.decode.readable_seconds, video.duration_seconds_from_header or 0.0)
    return job.decode.readable_seconds
