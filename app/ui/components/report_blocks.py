"""Blocks of a report in the page: text with cited frames as buttons, rows of cards, and the list of parts.

Nothing in a model's text can load or link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app.core import Finding, Keyframe
from app.reports.content import times_of
from app.ui.components.assets import component
from app.ui.view_models import Line, line

_mount_text = component("prose", "words")
_mount_rows = component("rows", "words")
State = Literal["waiting", "busy", "done", "failed"]
_PARTS_KEY = "parts"
_mount_parts = component("parts", "words")


def draw_text(text: str, frames: Sequence[Keyframe], *, live: bool, key: str) -> None:
    """Draw an answer unchanged; `live` while more of it is coming."""
    _mount_text(key=key, data={"text": text, "live": live, "marks": marks_of(frames), "statements": []})


def draw_findings(findings: Sequence[Finding], frames: Sequence[Keyframe], *, key: str) -> None:
    """Draw statements with the times of their frames and what could not be verified of them."""
    times = times_of(frames)
    statements = [line(finding, times) for finding in findings]
    _mount_text(key=key, data={"text": "", "live": False, "marks": marks_of(frames), "statements": statements})


def marks_of(frames: Sequence[Keyframe]) -> dict[str, float]:
    """Map frame numbers to seconds, with the string keys that JSON needs."""
    return {str(frame.number): frame.time_seconds for frame in frames}


def card(
    lines: Sequence[Line], *, pictures: Sequence[Line] = (), lead: Sequence[Line] = (), title: str = ""
) -> dict[str, object]:
    """Build a row of statements, with times and a title above them and pictures beside them."""
    return {"kind": "card", "pictures": list(pictures), "title": title, "lead": list(lead), "lines": list(lines)}


def head(
    title: str, *, note: str = "", flags: Sequence[str] = (), action: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Build a heading between rows.

    Args:
        title: The heading.
        note: Text beside it.
        flags: Warnings below it.
        action: Words and label of its button, and the number to report when it is pressed.
    """
    return {"kind": "head", "title": title, "note": note, "flags": list(flags), "action": action}


def draw_rows(
    rows: Sequence[Mapping[str, object]],
    marks: Mapping[str, float],
    *,
    key: str,
    on_retry: Callable[[int], None] | None = None,
) -> None:
    """Draw the rows.

    Args:
        rows: Rows built by `card` and `head`.
        marks: Seconds of the frames whose numbers may appear in a text.
        key: The widget key.
        on_retry: Called with the number of a heading's action.
    """

    def notify() -> None:
        number = st.session_state[key]["retry"]
        if on_retry and isinstance(number, int):
            on_retry(number)

    _mount_rows(key=key, data={"rows": list(rows), "marks": dict(marks)}, on_retry_change=notify)


@dataclass(frozen=True)
class PartView:
    """A part.

    Attributes:
        number: Number of its request.
        title: Its heading.
        note: Time and counts in words.
        state: Its state.
        state_words: The state in words.
        brief: One line of the result, or why it failed.
        text: The text of an incoming answer so far.
        lines: The statements of an unfolded part, None for a folded one.
        can_open: Whether it can be unfolded.
    """

    number: int
    title: str
    note: str
    state: State
    state_words: str
    brief: str = ""
    text: str = ""
    lines: Sequence[Line] | None = None
    can_open: bool = False


def opened_parts() -> frozenset[int]:
    """Return the numbers of the parts that the reader has unfolded."""
    value = st.session_state.get(_PARTS_KEY) or {}
    return frozenset(number for number in value.get("open") or () if isinstance(number, int))


def draw_parts(parts: Sequence[PartView], marks: Mapping[str, float]) -> None:
    """Draw the parts in the order given."""
    _mount_parts(
        key=_PARTS_KEY,
        data={"parts": [vars(part) for part in parts], "marks": dict(marks)},
        on_open_change=lambda: None,
    )
