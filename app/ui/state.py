"""What one browser session remembers: a typed value under one session key, and the ids in the address bar.

The ids of video and job live in the URL, so that a closed tab or a reload comes back to them; all else is in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from app.analysis.planning.time_parsing import between
from app.core.domain import Language
from app.core.errors import AppError
from app.ui.frame_edits import Edits

if TYPE_CHECKING:
    from app.models.preflight import Finding
    from app.ui.model_selection import Wanted

_KEY = "framelens"
CHOOSING = "choose"
"""In place of an id in the address: which report to compare with is still to be chosen."""


@dataclass
class PageState:
    """`position_seconds` is where the reader last went in the player. `error` is what the last action met.

    `range_texts`: where the range that was drawn or typed begins and ends, as it is written. `edits`: the frames of the
    open report while they are changed by hand. `pausing`: the job that was asked to pause and still finishes what is on
    its way. `left_as_is`: the job that the reader would not go on with under other settings. `found_before`: the job
    that had come to its report before it was asked for. `opened`: whether one was opened, from whichever page.
    `leads_to` is a page that was asked for, `unfolded` the part of a page that is shown open.
    `model_error` is why the model that was chosen last could not be taken, `model_found` what was found out about one
    with these settings before it was. `chosen` are the analyses that are selected in the library, `imports` counts how
    often some were taken in there. `refused` says why files among the last upload were left out.
    """

    language: Language = "en"
    position_seconds: float = 0.0
    error: AppError | None = None
    range_texts: tuple[str, str] = ("", "")
    edits: Edits | None = None
    pausing: str = ""
    left_as_is: str = ""
    found_before: str = ""
    opened: bool = False
    leads_to: str = ""
    unfolded: str = ""
    model_error: AppError | None = None
    model_found: tuple[Wanted, tuple[Finding, ...]] | None = None
    chosen: frozenset[str] = frozenset()
    imports: int = 0
    refused: tuple[str, ...] = ()

    @property
    def address(self) -> dict[str, str]:
        """What another page of this session is to have in its address; the language gets there by itself."""
        return {name: value for name, value in st.query_params.items() if name != "language"}

    @property
    def video_id(self) -> str | None:
        return st.query_params.get("video")

    @property
    def video_ids(self) -> tuple[str, ...]:
        """All videos that are to be asked about, the one that is shown first."""
        others = st.query_params.get("also", "").split(",")
        return tuple(dict.fromkeys(one for one in (self.video_id, *others) if one))

    @property
    def job_id(self) -> str | None:
        return st.query_params.get("job")

    @property
    def other_job_id(self) -> str | None:
        """The analysis that the open one is compared with, CHOOSING while there is a choice, None for none."""
        return st.query_params.get("with")

    @property
    def range(self) -> tuple[float, float | None] | None:
        """The range in seconds, an open end as None; None where there is none, or what is typed is not one."""
        try:
            return between(*self.range_texts)
        except AppError:
            return None

    @contextmanager
    def trying(self, where: Literal["error", "model_error"] = "error") -> Iterator[None]:
        """An action of the reader: what it meets is told in place of what the last one met."""
        setattr(self, where, None)
        try:
            yield
        except AppError as error:
            setattr(self, where, error)

    def edits_of(self, job_id: str | None) -> Edits | None:
        """The changes by hand if they are of this job; the reader may have come to another by the browser's history."""
        return self.edits if self.edits and self.edits.job_id == job_id else None

    def choose_video(self, video_id: str | None) -> None:
        """Take this video (None: choose anew) and leave the analysis that was open."""
        self.choose_videos((video_id,) if video_id else ())

    def choose_videos(self, video_ids: Sequence[str]) -> None:
        """Take these videos, of which the first is shown, and leave the analysis that was open."""
        first, *others = video_ids or (None,)
        _set_param("video", first)
        _set_param("also", ",".join(filter(None, others)) or None)
        self.open_job(None)
        self.position_seconds = 0.0
        self.refused = ()

    def open_job(self, job_id: str | None) -> None:
        """Show this analysis, or the questions again if it is None."""
        _set_param("job", job_id)
        self.opened = job_id is not None
        self.compare_with(None)
        self.range_texts = ("", "")
        self.edits = None
        self.error = None

    def asked(self, name: str) -> str:
        """What the address says of this filter of the library; "" where it says nothing."""
        return st.query_params.get(name, "")

    def ask(self, name: str, value: str) -> None:
        """Put a filter of the library into the address; "" takes it out."""
        _set_param(name, value or None)

    def choose(self, job_id: str, is_chosen: bool) -> None:
        """Select an analysis in the library, or not any more."""
        self.chosen = self.chosen | {job_id} if is_chosen else self.chosen - {job_id}

    def take_opened(self) -> bool:
        """Whether an analysis was opened since this was asked last: whichever page it was opened from, one shows it."""
        opened, self.opened = self.opened, False
        return opened

    def lead_to(self, page: str, part: str = "") -> None:
        """Go to another page of the app, and unfold this part of it."""
        self.leads_to, self.unfolded = page, part

    def take_lead(self) -> str:
        """The page that was asked for since this was asked last; "" for none."""
        page, self.leads_to = self.leads_to, ""
        return page

    def compare_with(self, job_id: str | None) -> None:
        """Show another analysis beside the open one; CHOOSING offers some, None ends it."""
        _set_param("with", job_id)


def page_state() -> PageState:
    """The state of this session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = PageState()
    state: PageState = st.session_state[_KEY]
    return state


def _set_param(name: str, value: str | None) -> None:
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
