"""What the player's timeline shows of a job, as plain values: shots and how they meet, change along the video,
stretches without a picture, the frames, the chapters, and the part that the report is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.analysis.choosing import has_range
from app.domain import DecodeSummary, Keyframe, Language, Measures, clock
from app.i18n import t
from app.ui import resources
from app.ui.frame_edits import Edits

if TYPE_CHECKING:
    from app.jobs import JobSnapshot

_SIDE = 320


def scenery(job: JobSnapshot | None) -> dict[str, object]:
    """Shots, boundaries, curve and stretches of the survey, chapters and scope of the report; all may be empty."""
    decode = job.decode if job else None
    return {
        "shots": [[one.start_seconds, one.end_seconds] for one in decode.shots] if decode else [],
        "boundaries": [[one.start_seconds, one.end_seconds, one.type] for one in decode.boundaries] if decode else [],
        "stretches": [[one.start_seconds, one.end_seconds, one.type] for one in decode.stretches] if decode else [],
        "curve": _curve(decode.measures) if decode and decode.measures else None,
        "chapters": _chapters(job),
        "scope": _scope(job, decode),
    }


def marks(job: JobSnapshot | None, edits: Edits | None, language: Language) -> list[dict[str, object]]:
    """The frames in time order, each with its state: found on the way, chosen, removed or added by hand."""
    if job is None:
        return []
    removed = edits.removed if edits else frozenset()
    known = [_mark(job, frame, removed, language) for frame in job.keyframes or job.found]
    added = [added_mark(seconds, language) for seconds in edits.added] if edits else []
    return sorted([*known, *added], key=_seconds)


def added_mark(seconds: float, language: Language) -> dict[str, object]:
    """A moment that was added by hand; the browser has its picture, if any has."""
    return {
        "seconds": seconds,
        "state": "added",
        "label": t("ui.frame_added", language),
        "time": clock(seconds),
        "why": "",
        "src": "",
    }


def _mark(job: JobSnapshot, frame: Keyframe, removed: frozenset[float], language: Language) -> dict[str, object]:
    state = "found" if not job.keyframes else "removed" if frame.time_seconds in removed else "chosen"
    return {
        "seconds": frame.time_seconds,
        "state": state,
        "label": t("ui.frame", language, n=frame.number) if frame.number else "",
        "time": clock(frame.time_seconds),
        "why": t(f"reason.{frame.reason}", language),
        "src": resources.picture_url(job.id, frame, _SIDE),
    }


def _seconds(mark: dict[str, object]) -> float:
    return float(str(mark["seconds"]))


def _curve(measures: Measures) -> dict[str, object]:
    """The change along what was surveyed."""
    values = [round(value, 3) for value in measures.change]
    return {"start": measures.start_seconds, "step": measures.step_seconds, "values": values}


def _chapters(job: JobSnapshot | None) -> list[list[object]]:
    whole = job.analysis.whole if job and job.analysis else None
    return [[one.start_seconds, one.end_seconds, one.title] for one in whole.chapters] if whole else []


def _scope(job: JobSnapshot | None, decode: DecodeSummary | None) -> list[float | None] | None:
    if job is None or not has_range(job.request.selection):
        return None
    selection = job.request.selection
    end = selection.end_seconds if selection.end_seconds is not None or decode is None else decode.readable_seconds
    return [selection.start_seconds, end]
