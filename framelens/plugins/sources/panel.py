"""A link in place of a file on the Analyse page: a text box, and the progress of the fetch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components.controls import Options, button, follow, show_error, show_warning
from app.context import may_change, services
from app.state import page_state
from framelens import AppError, InputError
from framelens.plugin import (
    BackgroundTask,
    BackgroundTasks,
    FetchProgress,
    LinkFetcher,
    address_error,
    address_in,
    aside,
    current_user,
    is_link,
    may_name_any,
    plain,
    t,
    typed_link,
    with_scheme,
)
from framelens.plugins.sources.allowed import allow, may_allow, operator_sources
from framelens.plugins.sources.words import progress_words

if TYPE_CHECKING:
    from framelens.plugin import Settings, VideoRepository

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


def draw() -> None:
    """Draw the text box, or in its place the fetch that it began; choose the video once it is there.

    Nothing is drawn for users who may fetch from no address.
    """
    if not may_change() or not (_may_name_any() or services().settings.sources.urls):
        return
    task = _fetches().get(st.session_state.get(_FETCHED, ""))
    if task and task.state == "done":
        del st.session_state[_FETCHED]
        st.session_state[_BOX] = ""
        page_state().choose_video(task.result)
        st.rerun()
    if task and task.is_running:
        follow(task, _draw_progress, task)
        return
    if task and task.error:
        _draw_error(task.error)
    options: Options = {"placeholder": t("sources.box_hint"), "label_visibility": "collapsed"}
    st.text_input(t("sources.box"), key=_BOX, on_change=_begin, persist_state="session", **options)


def _draw_error(error: AppError) -> None:
    """Draw why the link was not fetched, with a button that tries again, or first allows an address of one's own."""
    address = str(error.values.get("address", ""))
    if error.key == "address_private" and may_allow(address) and _may_allow_any():
        host = str(error.values["host"])
        show_warning(t("sources.private", host=host if host == address else f"{host}{aside(address)}"), "lan")
        button(t("sources.allow"), "link_allow", _allow, address, icon="check")
    else:
        show_error(error)
        button(t("sources.again"), "link_again", _begin, icon="refresh", kind="tertiary")


def _may_allow_any() -> bool:
    """Return whether the reader may allow addresses: an administrator, without accounts on this machine alone."""
    return _may_name_any() and (resources.login_session() is not None or not resources.installed().is_public)


def _allow(address: str) -> None:
    with page_state().catching_errors():
        if _may_allow_any():
            allow(services().settings.data_dir, address)
        _begin()


def _begin() -> None:
    typed = with_scheme(st.session_state[_BOX].strip())
    state = page_state()
    state.choose_again()
    st.session_state.pop(_FETCHED, None)  # with its error
    with state.catching_errors():
        if not typed:
            return
        if not is_link(typed):
            if camera := address_in(typed):
                raise address_error(camera)
            raise InputError("url_invalid", url=typed[:200])
        st.session_state[_FETCHED] = _fetches().start(typed_link(typed), is_open=_may_name_any())


def _draw_progress(task: BackgroundTask[FetchProgress, str]) -> None:
    """Draw the progress of a fetch, with a button that stops it."""
    if now := task.progress:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(plain(progress_words(now)))
            button(t("ui.cancel"), "link_cancel", task.cancel, icon="close", kind="tertiary")
        st.progress(min(1.0, now.received_bytes / now.size_bytes) if now.size_bytes else 0.0)


def _fetches() -> PageFetches:
    return services().part("links", lambda opened: PageFetches(opened.videos, opened.settings))


def _may_name_any() -> bool:
    return may_name_any(is_shared=services().settings.access.insecure)
