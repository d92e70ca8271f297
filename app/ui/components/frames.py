"""Frames as pictures with their time, why they were chosen, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.domain import Finding, FrameFacts, Keyframe, Language, clock
from app.i18n import t
from app.ui import resources
from app.ui.components.assets import component
from app.ui.words import fact_lines

_mount = component("frames")


def draw(
    shown: Sequence[Keyframe],
    job_id: str,
    language: Language,
    *,
    key: str,
    layout: Literal["grid", "list"] = "grid",
    facts: Sequence[FrameFacts] = (),
    with_facts: bool = False,
    findings: Sequence[Finding] = (),
) -> None:
    """Draws a card for each frame; with `findings`, those that rest on that frame alone stand beside it."""
    measured = {one.number: one for one in facts} if with_facts else {}
    cards = []
    for frame in shown:
        lines = [line for finding in findings if finding.frames == (frame.number,) for line in _said(finding, language)]
        if frame.number in measured:
            lines += [_line("fact", label, text) for label, text in fact_lines(measured[frame.number], language)]
        cards.append(_card(frame, job_id, language) | {"lines": lines})
    _mount(key=key, data={"layout": layout, "frames": cards})


def _card(frame: Keyframe, job_id: str, language: Language) -> dict[str, object]:
    time = clock(frame.time_seconds)
    title = t("ui.frame", language, n=frame.number) if frame.number else ""
    return {
        # The number makes a new address when a frame that was only found is chosen, in its final size.
        "src": f"{resources.api_url(f'jobs/{job_id}/frames/{frame.frame_index}.jpg')}&n={frame.number}",
        "alt": t("ui.go_to", language, time=time),
        "title": title,
        "time": time,
        "why": t(f"reason.{frame.reason}", language),
        "seconds": frame.time_seconds,
        "width": frame.width,
        "height": frame.height,
    }


def _said(finding: Finding, language: Language) -> list[dict[str, str]]:
    flags = [_line("flag", "⚠️", t(f"unverified.{issue}", language)) for issue in finding.issues]
    return [_line("said", "", finding.text), *flags]


def _line(kind: str, label: str, text: str) -> dict[str, str]:
    return {"kind": kind, "label": label, "text": text}
