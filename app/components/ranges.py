"""Ranges of videos that pages show, and the button at each by which a plugin does something with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import streamlit as st

from app.components.assets import sent
from framelens import registry
from framelens.core.errors import AppError
from framelens.core.evidence import Moments
from framelens.reports.content.labels import one_line

Value = dict[str, object]


@dataclass(frozen=True)
class VideoRange:
    """A range of a video.

    Attributes:
        start_seconds: Its start, from the first picture.
        end_seconds: Its end.
        name: Name of its content, or "" if the content has no name.
        job_id: The analysis of the video, or "" without an analysis.
        video_id: The video without an analysis.
        is_cited: The edges are the times of frames that show the content, not the content's own edges.
    """

    start_seconds: float
    end_seconds: float
    name: str = ""
    job_id: str = ""
    video_id: str = ""
    is_cited: bool = False

    def value(self, action: RangeAction) -> Value:
        """Return the range as a value for the browser, with its button's words; name "" means the name beside it."""
        edges = {"start": self.start_seconds, "end": self.end_seconds, "cited": self.is_cited}
        return {"words": action.words, **edges, "name": self.name, "job": self.job_id}


@dataclass(frozen=True)
class RangeAction:
    """What a plugin does with a range: the words of its button, and a function that is called when it is pressed."""

    words: str
    act: Callable[[VideoRange], None]


def found_ranges(moments: Moments) -> Iterator[VideoRange]:
    """Yield the intervals that a search has found, each with the name of the thing that was looked for."""
    name = one_line(moments.thing)
    for one in moments.intervals:
        yield VideoRange(one.first.time_seconds, one.end_seconds, name, moments.analysis_id)


def range_action() -> RangeAction | None:
    """Return the action of the first plugin that offers an action, or None."""
    for offered in registry.parts("range.action"):
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
    action, found = range_action(), _range_of(sent(key, "act"), job_id, video_id)
    if action and found:
        action.act(found)
        st.rerun()  # the component may be in a fragment, but what the action shows is not


def _range_of(value: object, job_id: str, video_id: str) -> VideoRange | None:
    match value:
        case {"start": int() | float() as start, "end": int() | float() as end, **more} if 0 <= start <= end < math.inf:
            name, job = str(more.get("name") or ""), str(more.get("job") or "") or job_id
            return VideoRange(start, end, name, job, "" if job else video_id, bool(more.get("cited")))
    return None
