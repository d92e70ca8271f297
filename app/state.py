"""State of one browser session: a typed value under one session key, and the ids in the address bar.

The ids of video and job are in the URL, so that a reload or a reopened tab returns to them; the rest is in the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from framelens.analysis.planning.time_parsing import parse_range
from framelens.core.domain import MOST_FRAMES
from framelens.core.errors import AppError
from framelens.plugin_page import ActionState

_KEY = "framelens"
FORM: dict[str, object] = {
    "question": "", "template": "describe", "report_language": "page", "strategy": "auto", "is_automatic": True,
    "frames": 16, "frames_most": MOST_FRAMES, "every": 5.0, "is_quick": False, "time_limit": None, "side": 0,
    "speakers": -1,
}  # fmt: skip
"""Values of the request form's widgets for a new video, by their keys; 0 and "page" leave the choice open, and
-1 separates no speakers."""
CHOOSING = "choose"
"""Placeholder for an id in the address: the report to compare with is still to be chosen."""


@dataclass
class PageState(ActionState):
    """State of one browser session.

    Attributes:
        position_seconds: Where the reader last went in the player.
        position_video: Id of the video that was shown there, or "" for the next shown video.
        range_texts: Start and end of the range that was drawn or typed, as text.
        pausing: The job that was asked to pause and still finishes its current work.
        last_form: What was set in the form for the analysis that was started last, by the keys of FORM.
        found_before: The job that already had its report when it was asked for.
        opened: Whether a job was opened, from any page.
        has_chosen_language: Whether the reader has chosen the language of the page.
        requested_page: The page to switch to.
        open_section: The section of a page that is shown unfolded.
        chosen: Ids of the analyses that are selected in the library.
        refused: Why files among the last upload were refused.
        choices: Number of times that a video was asked for in another way than by an upload.
        ask_error: The error of the last action in a conversation.
        asked_pictures: Names of the pictures for the next question by their uploads, by the key of its field.
        refused_pictures: Why files among the pictures that were added last were refused.
        asked_reports: Ids of analyses that a new conversation will be about.
        asked_videos: Ids of videos without a report that it will be about.
        edited_turn: Conversation and number of the question that is edited.
    """

    position_seconds: float = 0.0
    position_video: str = ""
    range_texts: tuple[str, str] = ("", "")
    pausing: str = ""
    last_form: dict[str, object] = field(default_factory=dict)
    found_before: str = ""
    opened: bool = False
    has_chosen_language: bool = False
    requested_page: str = ""
    open_section: str = ""
    chosen: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()
    choices: int = 0
    ask_error: AppError | None = None
    asked_pictures: dict[str, dict[str, str]] = field(default_factory=dict)
    refused_pictures: tuple[str, ...] = ()
    asked_reports: tuple[str, ...] = ()
    asked_videos: tuple[str, ...] = ()
    edited_turn: tuple[str, int] = ("", 0)

    @property
    def address(self) -> dict[str, str]:
        """Return the query parameters for another page of this session; Streamlit adds the language."""
        return {name: value for name, value in st.query_params.items() if name != "language"}

    @property
    def video_id(self) -> str | None:
        """Return the id of the shown video."""
        return st.query_params.get("video")

    @property
    def video_ids(self) -> tuple[str, ...]:
        """Return the ids of all videos to ask about, the shown video first."""
        others = st.query_params.get("also", "").split(",")
        return tuple(dict.fromkeys(video_id for video_id in (self.video_id, *others) if video_id))

    @property
    def folder(self) -> str:
        """Return the folder of this server whose videos are all to be asked about, or "" if no folder is chosen."""
        return st.query_params.get("folder", "")

    @property
    def batch_id(self) -> str | None:
        """Return the id of the batch that is shown, or that the open analysis was reached from."""
        return st.query_params.get("batch")

    @property
    def job_id(self) -> str | None:
        """Return the id of the open analysis."""
        return st.query_params.get("job")

    @property
    def other_job_id(self) -> str | None:
        """Return the analysis compared with the open analysis; CHOOSING during the choice, None without comparison."""
        return st.query_params.get("with")

    @property
    def chat_id(self) -> str | None:
        """Return the id of the open conversation."""
        return st.query_params.get("chat")

    @property
    def range(self) -> tuple[float, float | None] | None:
        """Return the range in seconds with an open end as None; return None without a range or for an invalid range."""
        try:
            return parse_range(*self.range_texts)
        except AppError:
            return None

    def go_to(self, seconds: float) -> None:
        """Let the video that is shown next begin at this time."""
        self.position_seconds, self.position_video = seconds, ""

    def position_in(self, video_id: str) -> float:
        """Return where this video is shown; the time in another video means nothing in this video."""
        if self.position_video not in ("", video_id):
            self.position_seconds = 0.0
        self.position_video = video_id
        return self.position_seconds

    def choose_video(self, video_id: str | None) -> None:
        """Show this video (None: back to the choice of videos) and close the open analysis."""
        self.choose_videos((video_id,) if video_id else ())

    def choose_videos(self, video_ids: Sequence[str]) -> None:
        """Choose these videos, show the first, and close the open analysis."""
        if self.video_ids and set(video_ids).isdisjoint(self.video_ids):
            st.session_state.update(FORM)  # what was set was about the previous videos
        first, *others = video_ids or (None,)
        _set_param("video", first)
        _set_param("also", ",".join(filter(None, others)) or None)
        _set_param("folder", None)
        _set_param("batch", None)
        self.open_job(None)
        self.go_to(0.0)
        self.refused = ()

    def choose_again(self) -> None:
        """Forget what was wrong with the previous choice of a video, also where the browser shows it."""
        self.error, self.refused = None, ()
        self.choices += 1

    def choose_folder(self, folder: str, video_id: str) -> None:
        """Choose all videos of a folder, and show this video of the folder."""
        self.choose_videos((video_id,))
        _set_param("folder", folder)

    def open_batch(self, batch_id: str) -> None:
        """Show this batch."""
        self.choose_videos(())
        _set_param("batch", batch_id)
        self.opened = True

    def open_job(self, job_id: str | None) -> None:
        """Show this analysis, or the request form for None."""
        _set_param("job", job_id)
        self.opened = job_id is not None
        self.compare_with(None)
        self.range_texts = ("", "")
        self.error = None

    def open_chat(self, conversation_id: str | None) -> None:
        """Show this conversation, or the list of conversations for None."""
        _set_param("chat", conversation_id)
        self.ask_error = None

    def ask_about(self, job_ids: Sequence[str]) -> None:
        """Show an empty conversation about these analyses."""
        self.asked_reports = tuple(job_ids)
        self.open_chat(None)
        self.go_to_page("ask")

    def filter_value(self, name: str) -> str:
        """Return the value of a library filter in the address; "" where it is not set."""
        return st.query_params.get(name, "")

    def set_filter(self, name: str, value: str) -> None:
        """Put a library filter into the address; "" removes it."""
        _set_param(name, value or None)

    def choose(self, job_id: str, is_chosen: bool) -> None:
        """Select or deselect an analysis in the library."""
        self.chosen = self.chosen | {job_id} if is_chosen else self.chosen - {job_id}

    def pop_opened(self) -> bool:
        """Return whether an analysis was opened since the last call."""
        opened, self.opened = self.opened, False
        return opened

    def go_to_page(self, page: str, part: str = "") -> None:
        """Switch to another page of the app, with this section unfolded."""
        self.requested_page, self.open_section = page, part

    def pop_requested_page(self) -> str:
        """Return the page that was requested since the last call, or "" if no page was requested."""
        page, self.requested_page = self.requested_page, ""
        return page

    def compare_with(self, job_id: str | None) -> None:
        """Show an analysis beside the open analysis; CHOOSING offers a choice, None ends the comparison."""
        _set_param("with", job_id)


def page_state() -> PageState:
    """Return the state of this session."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = PageState()
    state: PageState = st.session_state[_KEY]
    return state


def _set_param(name: str, value: str | None) -> None:
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = value
