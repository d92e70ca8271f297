"""Frames as pictures with their time, the reason they were chosen and their facts, or as cards with an edit button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from app.core import Finding, FrameFacts, Keyframe, clock
from app.ui import resources
from app.ui.components.assets import component
from app.ui.context import t
from app.ui.formatting import fact_lines
from app.ui.state import Edits

_SIDES = (320, 640)
"""Longest sides in pixels of the smaller pictures that the browser may load instead of the stored one. Chosen by hand;
not tuned.
"""
_mount = component("frames")


def draw(
    shown: Sequence[Keyframe],
    job_id: str,
    *,
    key: str,
    layout: Literal["grid", "list"] = "grid",
    facts: Sequence[FrameFacts] = (),
    with_facts: bool = False,
    findings: Sequence[Finding] = (),
) -> None:
    """Draw a card for each frame.

    Args:
        shown: The frames.
        job_id: Their job.
        key: The widget key.
        layout: Cards in a grid, or one below the other.
        facts: What was measured on the frames.
        with_facts: Show these facts.
        findings: Findings; those that cite a frame alone are shown beside it.
    """
    measured = {one.number: one for one in facts} if with_facts else {}
    cards = []
    for frame in shown:
        lines = [line for finding in findings if finding.frames == (frame.number,) for line in _finding_lines(finding)]
        if frame.number in measured:
            lines += [_line("fact", label, text) for label, text in fact_lines(measured[frame.number])]
        cards.append(_card(frame, job_id) | {"lines": lines})
    _mount(key=key, data={"layout": layout, "frames": cards})


def draw_editing(shown: Sequence[Keyframe], edits: Edits, job_id: str, *, key: str) -> None:
    """Draw a card for each frame of the report and each added one, with a button that removes or restores it."""
    removed = edits.removed
    cards = [_card(frame, job_id) | _change(frame.time_seconds in removed) for frame in shown]
    cards += [_added(seconds) | _change(False) for seconds in edits.added]
    _mount(key=key, data={"layout": "grid", "frames": sorted(cards, key=lambda card: float(str(card["seconds"])))})


def _card(frame: Keyframe, job_id: str) -> dict[str, object]:
    time = clock(frame.time_seconds)
    return {
        "src": resources.picture_url(job_id, frame),
        "smaller": [[resources.picture_url(job_id, frame, side), side] for side in _SIDES if side < _side(frame)],
        "side": _side(frame),
        "alt": t("ui.go_to", time=time),
        "title": t("ui.frame", n=frame.number) if frame.number else "",
        "time": time,
        "why": t(f"reason.{frame.reason}"),
        "seconds": frame.time_seconds,
        "width": frame.width,
        "height": frame.height,
        "lines": [],
    }


def _added(seconds: float) -> dict[str, object]:
    time = clock(seconds)
    return {
        "src": "",
        "smaller": [],
        "alt": t("ui.go_to", time=time),
        "title": t("ui.frame_added"),
        "time": time,
        "why": "",
        "seconds": seconds,
        "lines": [],
    }


def _change(is_removed: bool) -> dict[str, object]:
    kind = "add" if is_removed else "remove"
    words = t("ui.frame_restore" if is_removed else "ui.frame_remove")
    return {"removed": is_removed, "change": {"kind": kind, "words": words}}


def _side(frame: Keyframe) -> int:
    return max(frame.width, frame.height)


def _finding_lines(finding: Finding) -> list[dict[str, str]]:
    flags = [_line("flag", "⚠️", t(f"unverified.{issue}")) for issue in finding.issues]
    return [_line("said", "", finding.text), *flags]


def _line(kind: str, label: str, text: str) -> dict[str, str]:
    return {"kind": kind, "label": label, "text": text}
