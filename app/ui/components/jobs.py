"""Rows of analyses with their actions, for the queue and the recent analyses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.ui.components.assets import component

_mount = component("jobs", "icons")


@dataclass(frozen=True)
class RowAction:
    """A button of a row.

    Attributes:
        name: One of icons.js: first, pause, cancel.
        words: Its label.
    """

    name: str
    words: str


@dataclass(frozen=True)
class JobRow:
    """A row.

    Attributes:
        id: Id of the job.
        name: Name of the video, for screen readers.
        title: First line.
        line: Second line, which distinguishes the analysis from others like it.
        icon: Name of a state.
        state: The state in words.
        about: Everything, shown as a tooltip.
        is_open: Whether it is the open analysis.
        actions: Its buttons.
    """

    id: str
    name: str
    title: str
    line: str
    icon: str
    state: str
    about: str
    is_open: bool
    actions: Sequence[RowAction] = ()


def draw(
    jobs: Sequence[JobRow],
    *,
    key: str,
    on_open: Callable[[str], None],
    on_act: Callable[[str, str], None] = lambda job_id, action: None,
) -> None:
    """Draw the rows.

    Args:
        jobs: The rows in their order.
        key: The widget key.
        on_open: Called with the id of the row that was clicked.
        on_act: Called with an id and the name of an action.
    """
    by_id = {job.id: job for job in jobs}

    def read(name: str) -> dict[str, Any]:
        value = st.session_state[key][name]
        return value if isinstance(value, dict) and value.get("id") in by_id else {}

    def opened() -> None:
        if value := read("open"):
            on_open(value["id"])

    def acted() -> None:
        value = read("act")
        if value and value.get("action") in {one.name for one in by_id[value["id"]].actions}:
            on_act(value["id"], value["action"])

    _mount(key=key, data={"jobs": [asdict(job) for job in jobs]}, on_open_change=opened, on_act_change=acted)
