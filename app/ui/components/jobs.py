"""Analyses as compact rows, each with what can be done with it; for the queue and the recent analyses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.ui.components.assets import component

_mount = component("jobs", "icons")


@dataclass(frozen=True)
class Action:
    """A button of a row. `name` is one of icons.js: first, pause, cancel."""

    name: str
    words: str


@dataclass(frozen=True)
class Job:
    """A row. `icon` is the name of a state and `state` its words; `line` tells the analysis from others like it, and
    `about` is all of it, shown when the pointer rests on the row. `name` is that of the video, for screen readers.
    """

    id: str
    name: str
    title: str
    line: str
    icon: str
    state: str
    about: str
    is_open: bool
    actions: Sequence[Action] = ()


def draw(
    jobs: Sequence[Job],
    *,
    key: str,
    on_open: Callable[[str], None],
    on_act: Callable[[str, str], None] = lambda job_id, action: None,
) -> None:
    """Draw the rows.

    Args:
        jobs: In their order.
        key: That of the widget.
        on_open: Called with the id of the one that is pressed.
        on_act: Called with an id and the name of an action.
    """
    by_id = {job.id: job for job in jobs}

    def given(name: str) -> dict[str, Any]:
        value = st.session_state[key][name]
        return value if isinstance(value, dict) and value.get("id") in by_id else {}

    def opened() -> None:
        if value := given("open"):
            on_open(value["id"])

    def acted() -> None:
        value = given("act")
        if value and value.get("action") in {one.name for one in by_id[value["id"]].actions}:
            on_act(value["id"], value["action"])

    _mount(key=key, data={"jobs": [asdict(job) for job in jobs]}, on_open_change=opened, on_act_change=acted)
