"""A model's words as text and lists, with the frames they rest on as buttons; nothing in them can load or link."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain import Finding, Keyframe, Language
from app.reports.content.request_parts import times_of
from app.ui.components.assets import component
from app.ui.view_models import line

_mount = component("prose", "words")


def draw(text: str, frames: Sequence[Keyframe], *, live: bool, key: str) -> None:
    """An answer as it stands; `live` while more of it is to come."""
    _mount(key=key, data={"text": text, "live": live, "marks": marks_of(frames), "statements": []})


def draw_findings(findings: Sequence[Finding], frames: Sequence[Keyframe], language: Language, *, key: str) -> None:
    """Statements with the times of their frames, and what could not be verified of them."""
    times = times_of(frames)
    statements = [line(finding, times, language) for finding in findings]
    _mount(key=key, data={"text": "", "live": False, "marks": marks_of(frames), "statements": statements})


def marks_of(frames: Sequence[Keyframe]) -> dict[str, float]:
    """Frame number -> seconds, with the keys that JSON has."""
    return {str(frame.number): frame.time_seconds for frame in frames}
