"""A model's words as text and lists, with the frames they rest on as buttons; nothing in them can load or link."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain import Finding, Keyframe, Language, clock
from app.i18n import t
from app.ui.components.assets import component

_mount = component("prose")


def draw(text: str, frames: Sequence[Keyframe], *, live: bool, key: str) -> None:
    """An answer as it stands; `live` while more of it is to come."""
    _mount(key=key, data={"text": text, "live": live, "marks": _marks(frames), "statements": []})


def draw_findings(findings: Sequence[Finding], frames: Sequence[Keyframe], language: Language, *, key: str) -> None:
    """Statements with the times of their frames, and what could not be verified of them."""
    times = {frame.number: frame.time_seconds for frame in frames}
    statements = [
        {
            "text": finding.text,
            "chips": [{"label": clock(times[n]), "seconds": times[n]} for n in finding.frames if n in times],
            "flags": [f"⚠️ {t(f'unverified.{issue}', language)}" for issue in finding.issues],
        }
        for finding in findings
    ]
    _mount(key=key, data={"text": "", "live": False, "marks": _marks(frames), "statements": statements})


def _marks(frames: Sequence[Keyframe]) -> dict[str, float]:
    """Frame number -> seconds, with the keys that JSON has."""
    return {str(frame.number): frame.time_seconds for frame in frames}
