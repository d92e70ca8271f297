"""Choosing a video: an upload in pieces, a file below an allowed folder, or the bundled sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Language
from app.errors import AppError
from app.i18n import t
from app.ui.components import uploader
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.wiring import Services


def draw(services: Services, language: Language) -> None:
    """The ways to a video, one below the other; the upload first, because most come with a file."""
    uploader.draw(language, key="uploader", on_uploaded=lambda video: _choose(lambda: video))
    if services.settings.input_dirs:
        st.text_input(
            t("ui.path", language),
            key="path",
            placeholder=str(services.settings.input_dirs[0] / "video.mp4"),
            on_change=lambda: _choose(lambda: services.videos.from_path(st.session_state["path"])),
        )
    st.button(
        t("ui.use_sample", language),
        key="use_sample",
        icon=":material/play_circle:",
        on_click=lambda: _choose(services.videos.sample),
    )


def _choose(find: Callable[[], str]) -> None:
    state = page_state()
    try:
        state.choose_video(find())
    except AppError as error:
        state.error = error
