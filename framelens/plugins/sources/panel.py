"""A link in place of a file on the Analyse page: a text box, and the progress of the fetch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from framelens import AppError
from framelens.plugin import current_user, t
from framelens.plugin.links import FetchProgress, LinkFetcher, link_in, may_name_any
from framelens.plugin.processes import BackgroundTask, BackgroundTasks
from framelens.plugin.texts import aside, plain
from framelens.plugin_page import Options, PageTools
from framelens.plugins.sources.allowed import allow, may_allow, operator_sources
from framelens.plugins.sources.words import progress_words

if TYPE_CHECKING:
    from framelens.plugin import Settings
    from framelens.plugin.storage import VideoRepository

_BOX, _FETCHED = "link", "link_fetched"
"""Keys of the session: the text box, and the task of the last link."""
_STOP_SECONDS = 2.0


class PageFetches:
    """The fetches of all sessions, each by its user and its link. All methods are thread-safe."""

    def __init__(self, videos: VideoRepository, settings: Settings) -> None:
        self._videos = videos
        self._settings = settings
        self._tasks = BackgroundTasks[FetchProgress, str]("fetch")

    def start(self, url: str, *, is_open: bool) -> str:
        """Begin to fetch a video unless that is done already, and return the key of the task.

        Raises:
            InputError: The address may not be used.
        """
        sources = (
            operator_sources(self._settings.sources, self._settings.data_dir) if is_open else self._settings.sources
        )
        links = LinkFetcher(self._videos, sources, is_open=is_open)
        links.check(url)
        key = f"{current_user().id} {url}"
        self._tasks.start(key, partial(links.fetch, url), progress=FetchProgress(url))
        return key

    def get(self, key: str) -> BackgroundTask[FetchProgress, str] | None:
        """Return the task of a key, None if it was forgotten."""
        return self._tasks.get(key)

    def close(self) -> None:
        """Stop all fetches; a fetch is continued when its link is given again."""
        self._tasks.close(_STOP_SECONDS)


def draw(ui: PageTools) -> None:
    """Draw the text box, or in its place the fetch that it began; choose the video once it is there.

    Nothing is drawn for users who may fetch from no address.
    """
    if not ui.may_change or not (_may_name_any(ui) or ui.services.settings.sources.urls):
        return
    task = _fetches(ui).get(st.session_state.get(_FETCHED, ""))
    if task and task.state == "done":
        del st.session_state[_FETCHED]
        st.session_state[_BOX] = ""
        ui.view.choose_video(task.result)
        st.rerun()
    if task and task.is_running:
        ui.follow(task, _draw_progress, ui, task)
        return
    if task and task.error:
        _draw_error(ui, task.error)
    options: Options = {"placeholder": t("sources.box_hint"), "label_visibility": "collapsed"}
    st.text_input(t("sources.box"), key=_BOX, on_change=partial(_begin, ui), persist_state="session", **options)


def _draw_error(ui: PageTools, error: AppError) -> None:
    """Draw why the link was not fetched, with a button that tries again, or first allows an address of one's own."""
    address = str(error.values.get("address", ""))
    if error.key == "address_private" and may_allow(address) and _may_allow_any(ui):
        host = str(error.values["host"])
        ui.show_warning(t("sources.private", host=host if host == address else f"{host}{aside(address)}"), "lan")
        ui.button(t("sources.allow"), "link_allow", _allow, ui, address, icon="check")
    else:
        ui.show_error(error)
        ui.button(t("sources.again"), "link_again", _begin, ui, icon="refresh", kind="tertiary")


def _may_allow_any(ui: PageTools) -> bool:
    """Return whether the reader may allow addresses: an administrator, without accounts on this machine alone."""
    return _may_name_any(ui) and ui.is_private


def _allow(ui: PageTools, address: str) -> None:
    with ui.view.catching_errors():
        if _may_allow_any(ui):
            allow(ui.services.settings.data_dir, address)
        _begin(ui)


def _begin(ui: PageTools) -> None:
    typed = st.session_state[_BOX].strip()
    state = ui.view
    state.choose_again()
    st.session_state.pop(_FETCHED, None)  # with its error
    with state.catching_errors():
        if typed:
            st.session_state[_FETCHED] = _fetches(ui).start(link_in(typed), is_open=_may_name_any(ui))


def _draw_progress(ui: PageTools, task: BackgroundTask[FetchProgress, str]) -> None:
    """Draw the progress of a fetch, with a button that stops it."""
    if now := task.progress:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(plain(progress_words(now)))
            ui.button(t("ui.cancel"), "link_cancel", task.cancel, icon="close", kind="tertiary")
        st.progress(min(1.0, now.received_bytes / now.size_bytes) if now.size_bytes else 0.0)


def _fetches(ui: PageTools) -> PageFetches:
    return ui.services.part("links", lambda opened: PageFetches(opened.videos, opened.settings))


def _may_name_any(ui: PageTools) -> bool:
    return may_name_any(is_shared=ui.services.settings.access.insecure)
