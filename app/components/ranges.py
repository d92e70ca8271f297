"""Ranges of videos that pages show, and the button at each by which a plugin does something with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import streamlit as st

from app.components import slots
from app.components.assets import sent
from framelens.core.errors import AppError
from framelens.core.evidence import Moments
from framelens.plugin_page import RangeAction, VideoRange
from framelens.reports.content.labels import one_line


def found_ranges(moments: Moments) -> Iterator[VideoRange]:
    """Yield the intervals that a search has found, each with the name of the thing that was looked for."""
    name = one_line(moments.thing)
    for interval in moments.intervals:
        yield VideoRange(interval.first.time_seconds, interval.end_seconds, name, moments.analysis_id)


def range_action() -> RangeAction | None:
    """Return the action of the first plugin that offers an action, or None."""
    for offered in slots.parts("range.action"):
        with suppress(AppError):  # of a faulty plugin, which is in the log
            if action := offered():
                return cast(RangeAction, action)
    return None


def act_on_sent(key: str, *, job_id: str = "", video_id: str = "") -> None:
    """Do what the pressed button of a range is for, and draw the page again.

    Args:
        key: Key of the component whose event "act" has it.
        job_id: The analysis, where the range doesn't name it.
        video_id: The video without an analysis.
    """
    action, pressed = range_action(), _range_of(sent(key, "act"), job_id, video_id)
    if action and pressed:
        action.act(pressed)
        st.rerun()  # the component may be in a fragment, but what the action shows is not


def _range_of(value: object, job_id: str, video_id: str) -> VideoRange | None:
    match value:
        case {"start": int() | float() as start, "end": int() | float() as end, **more} if 0 <= start <= end < math.inf:
            name, job = str(more.get("name") or ""), str(more.get("job") or "") or job_id
            return VideoRange(start, end, name, job, "" if job else video_id, bool(more.get("cited")))
    return None
