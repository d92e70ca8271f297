"""What one browser session remembers: a typed value under one session key, and the ids in the address bar.

The ids of video and job live in the URL, so that a closed tab or a reload comes back to them; all else is in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app.domain import Language
from app.errors import AppError

Source = Literal["upload", "path", "sample"]
_KEY = "framelens"


@dataclass
class PageState:
    """`position_seconds` is where the reader last went in the player. `error` is what the last action met."""

    language: Language = "en"
    position_seconds: float = 0.0
    error: AppError | None = None

    @property
    def video_id(self) -> str | None:
        return st.query_params.get("video")

    @property
    def job_id(self) -> str | None:
        return st.query_params.get("job")

    def choose_video(self, video_id: str | None) -> None:
        """Take this video (None: choose anew) and leave the analysis that was open."""
        _set_param("video", video_id)
        _set_param("job", None)
        self.position_seconds = 0.0
        self.error = None

    def open_job(self, job_id: str | None) -> None:
        """Show this analysis, or the questions again if it is None."""
        _set_param("job", job_id)
        self.error = None


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
