"""The video with its timeline strip. Frames and times anywhere on the page move it without asking the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language, VideoInfo
from app.i18n import t
from app.ui import resources
from app.ui.components.assets import component
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.jobs import JobSnapshot
    from app.wiring import Services

_KEY = "player"
_WORDS = ("strip", "sorry", "keys")
_mount = component("player")


def draw(services: Services, video_id: str, video: VideoInfo, job_id: str | None, language: Language) -> None:
    """Draws the player, with the shots and frames of the job as far as they are known."""
    job = services.jobs.snapshot(job_id) if job_id else None
    data = {
        "src": resources.api_url(f"videos/{video_id}"),
        "name": video.name,
        "start_seconds": max(0.0, video.start_seconds),
        "duration": _duration(video, job),
        "start": page_state().position_seconds,
        "shots": [[shot.start_seconds, shot.end_seconds] for shot in job.decode.shots] if job and job.decode else [],
        "marks": _marks(job),
        "words": {word: t(f"ui.player_{word}", language) for word in _WORDS},
    }
    _mount(key=_KEY, data=data, on_seek_change=_remember)


def _remember() -> None:
    page_state().position_seconds = float(st.session_state[_KEY]["seek"] or 0.0)


def _duration(video: VideoInfo, job: JobSnapshot | None) -> float | None:
    """Seconds; what was really decoded before what the header claims."""
    return job.decode.readable_seconds if job and job.decode else video.duration_seconds_from_header


def _marks(job: JobSnapshot | None) -> list[dict[str, object]]:
    if job is None:
        return []
    frames = job.keyframes or job.found
    return [{"seconds": frame.time_seconds, "chosen": bool(job.keyframes)} for frame in frames]
