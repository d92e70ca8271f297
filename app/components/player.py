"""Video player with its timeline.

The timeline shows shots and their boundaries, the change along the video, black, frozen and silent segments, frames,
chapters, the range that the report is about, and what a search of the open conversation has looked at. Frames and times
anywhere on the page move the player without a request to the server. A range drawn on the timeline is sent to the page.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components.assets import component, sent
from app.components.ranges import act_on_sent, range_action
from app.context import services
from app.state import page_state
from framelens.analysis.planning.time_parsing import has_range
from framelens.core.domain import DecodeSummary, Measures, VideoInfo
from framelens.core.evidence import Moments
from framelens.core.outline import chapters_of
from framelens.core.units import clock
from framelens.i18n import t

if TYPE_CHECKING:
    from collections.abc import Callable

    from framelens.jobs.snapshot import JobSnapshot

_KEY = "player"
_WORDS = (
    *("strip", "sorry", "keys", "keys_help", "range", "range_help", "range_clear", "range_is"),
    *("zoom_in", "zoom_out", "still", "no_still", "change"),
    *("shot", "chapter", "search", "cut", "dissolve", "fade", "wipe", "page", "black", "frozen"),
    *("flashing", "silent", "skipped"),
)
_PLACEHOLDERS = {name: f"{{{name}}}" for name in ("start", "end", "seconds", "time")}
_DEFAULT_FRAME_RATE = 25.0
"""Assumed where the file doesn't name its frame rate."""
_mount = component("player", "timeline", "strip", "view", "courier", "range", "stills")
_PREVIEW_SIDE = 320
"""Longest side in pixels of the frames' pictures."""


def draw(
    video_id: str, video: VideoInfo, job_id: str | None, find_search: Callable[[str], Moments | None] | None = None
) -> None:
    """Draw the player with the job's results so far.

    Args:
        video_id: The video.
        video: Its metadata.
        job_id: The analysis, or None before an analysis exists.
        find_search: Returns the open conversation's search in the video of an analysis, or None without a search.
    """
    job = services().jobs.snapshot(job_id) if job_id else None
    search = (find_search(job_id) if find_search and job_id else None) or (job and _answer_search(job))
    state = page_state()
    data = {
        "stills": resources.api_url(f"videos/{video_id}/stills/{{ms}}.jpg"),
        "src": resources.api_url(f"videos/{video_id}"),
        "name": video.name,
        "start_seconds": video.browser_start_seconds,
        "frame_seconds": 1 / (video.frame_rate or _DEFAULT_FRAME_RATE),  # approximately
        "ratio": video.width / video.height,
        "duration": _duration(video, job),
        "start": state.position_in(video_id),
        "scenery": scenery(job) | {"search": search_strip(search) if search else None},
        "marks": marks(job),
        "job": job_id,
        "range": state.range,
        "range_action": action.label if (action := range_action()) else "",
        # The browser fills in the placeholders.
        "words": {word: t(f"ui.player_{word}", **_PLACEHOLDERS) for word in _WORDS},
    }
    _mount(
        key=_KEY,
        data=data,
        on_seek_change=_store_position,
        on_range_change=_store_range,
        on_act_change=partial(act_on_sent, _KEY, job_id=job_id or "", video_id=video_id),
    )


def _answer_search(job: JobSnapshot) -> Moments | None:
    """Return the search that has answered the question of a report, or None."""
    answer = job.progress.answer.answers[0] if job.progress.answer else None
    return next((search.moments for search in (answer.searches if answer else ()) if not search.video), None)


def search_strip(moments: Moments) -> dict[str, object]:
    """Return the times of a search's frames by their votes, and the intervals that it found."""
    return {
        "yes": [sample.time_seconds for sample in moments.samples if sample.says_yes],
        "no": [sample.time_seconds for sample in moments.samples if not sample.says_yes],
        "intervals": [[interval.first.time_seconds, interval.end_seconds] for interval in moments.intervals],
    }


def _store_position() -> None:
    page_state().position_seconds = float(sent(_KEY, "seek") or 0.0)


def _store_range() -> None:
    state, value = page_state(), sent(_KEY, "range")
    match value:
        case {"job": job} if job != state.job_id:
            return  # sent before this analysis was opened
        case {"edges": [int() | float() as start, int() | float() as end]} if 0 <= start < end < math.inf:
            state.range_texts = (clock(start), clock(end))
        case _:
            state.range_texts = ("", "")
    st.rerun()  # the player is a fragment, but the whole page shows the range


def _duration(video: VideoInfo, job: JobSnapshot | None) -> float | None:
    """Return the duration in seconds, decoded or else from the header; if only a range was decoded, the longer."""
    if job is None or job.progress.decode is None:
        return video.duration_seconds_from_header
    if has_range(job.request.selection):
        return max(job.progress.decode.readable_seconds, video.duration_seconds_from_header or 0.0)
    return job.progress.decode.readable_seconds


def scenery(job: JobSnapshot | None) -> dict[str, object]:
    """Return the survey's shots, segments and curve and the report's chapters and range, each of which may be empty."""
    decode = job.progress.decode if job else None
    return {
        "shots": [[shot.start_seconds, shot.end_seconds] for shot in decode.shots] if decode else [],
        "boundaries": [[boundary.start_seconds, boundary.end_seconds, boundary.type] for boundary in decode.boundaries]
        if decode
        else [],
        "stretches": [[stretch.start_seconds, stretch.end_seconds, stretch.type] for stretch in decode.stretches]
        if decode
        else [],
        "curve": _curve(decode.measures) if decode and decode.measures else None,
        "chapters": _chapters(job),
        "scope": _scope(job, decode),
    }


def marks(job: JobSnapshot | None) -> list[dict[str, object]]:
    """List the frames in time order, each with whether it is chosen or only found so far."""
    if job is None:
        return []
    frames = sorted(job.progress.keyframes or job.progress.found, key=lambda frame: frame.time_seconds)
    return [
        {
            "seconds": frame.time_seconds,
            "isChosen": bool(job.progress.keyframes),
            "label": t("ui.frame", n=frame.number) if frame.number else "",
            "time": clock(frame.time_seconds),
            "why": t(f"reason.{frame.reason}"),
            "src": resources.picture_url(job.id, frame, _PREVIEW_SIDE),
        }
        for frame in frames
    ]


def _curve(measures: Measures) -> dict[str, object]:
    """Return the change along the surveyed range."""
    values = [round(value, 3) for value in measures.change]
    return {"start": measures.start_seconds, "step": measures.step_seconds, "values": values}


def _chapters(job: JobSnapshot | None) -> list[list[object]]:
    chapters = chapters_of(job.analysis) if job and job.analysis else ()
    return [[chapter.start_seconds, chapter.end_seconds, chapter.title] for chapter in chapters]


def _scope(job: JobSnapshot | None, decode: DecodeSummary | None) -> list[float | None] | None:
    if job is None or not has_range(job.request.selection):
        return None
    selection = job.request.selection
    end = selection.end_seconds if selection.end_seconds is not None or decode is None else decode.readable_seconds
    return [selection.start_seconds, end]
