"""Resources that all browser sessions share: the services, the key of the routes, and cached probe results.

The lifespan installs the services before the first page runs; everything here may be used from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from framelens.core.domain import Keyframe, VideoInfo
from framelens.core.errors import AppError
from framelens.store.authentication import COOKIE, LoginSession
from framelens.video.extractor import probe

if TYPE_CHECKING:
    from framelens.composition import Services
    from framelens.store.library_index import LibraryEntry


@dataclass(frozen=True)
class Installed:
    """The services with the key and base path of the routes, or the error that kept them from opening.

    Attributes:
        services: The open services.
        key: The key that the routes demand where there are no accounts.
        base_path: URL prefix of the app.
        is_public: Whether other machines can open the page.
        error: Why the services couldn't be opened.
        after_first_page: Called once, in its own thread, when the first page has been drawn.
    """

    services: Services | None = None
    key: str = ""
    base_path: str = ""
    is_public: bool = False
    error: AppError | None = None
    after_first_page: Callable[[], None] | None = None


_installed = Installed()
_readers: WeakKeyDictionary[object, LoginSession | None] = WeakKeyDictionary()
"""Sessions of the readers by the run of a page, for which Streamlit makes an object each. Each picture asks for it."""
_first_page = threading.Lock()
_PAINT_SECONDS = 1.0
"""From the end of a script run to the page on the screen: the browser fetches its parts meanwhile."""


def install(installed: Installed) -> None:
    """Install the services for all sessions; called once, by the lifespan."""
    global _installed
    _installed = installed


def installed() -> Installed:
    """Return what the lifespan installed."""
    return _installed


def cookie(name: str = COOKIE) -> str:
    """Return a cookie that the browser had when it opened the page that is drawn, by default the login's.

    A reader's action is finished under their session, even if they close the page at that moment.
    """
    cookies, key = st.context.cookies, f"cookie_{name}"
    if st.context.headers:  # Streamlit knows neither once the browser has gone away
        st.session_state[key] = str(cookies.get(name, ""))
    return str(st.session_state.get(key, ""))


def login_session(*, uses: bool = False) -> LoginSession | None:
    """Return the session of the page that is drawn; None without accounts.

    Args:
        uses: Whether the reader does something, so that the session lasts longer.

    Raises:
        InputError: "login_needed": there are accounts, and the page's browser is not logged in.
        ConfigError: "accounts_without_plugin".
    """
    services, context = _installed.services, get_script_run_ctx(suppress_warning=True)
    if services is None or context is None:
        return None
    run = context.parallel_coordinator
    if uses or run not in _readers:
        _readers[run] = services.authentication.session(cookie(), uses=uses)
    return _readers[run]


def route_key() -> str:
    """Return the key that the routes ask of this page: its session's key, or without accounts the process's key."""
    session = login_session()
    return session.key if session else _installed.key


def note_page_drawn() -> None:
    """Start the work that waited for the first page; called at the end of every script run."""
    work = _installed.after_first_page
    if work is not None and _first_page.acquire(blocking=False):
        timer = threading.Timer(_PAINT_SECONDS, work)
        timer.daemon = True
        timer.start()


def api_url(path: str, *, with_key: bool = True) -> str:
    """Return the address of a route below /api for the browser.

    Args:
        path: Path below /api.
        with_key: Add the key as a query parameter, for requests where the browser can't send a header.
    """
    return f"{_installed.base_path}/api/{path}" + (f"?key={route_key()}" if with_key else "")


def picture_url(job_id: str, frame: Keyframe, side: int | None = None) -> str:
    """Return the address of a frame's picture.

    Args:
        job_id: The job that the frame is of.
        frame: The frame.
        side: Longest side in pixels, None for the stored size.
    """
    size = f"&side={side}" if side else ""
    # The number changes the address when a found frame is chosen and gets its final size.
    return f"{api_url(f'jobs/{job_id}/frames/{frame.frame_index}.jpg')}{size}&n={frame.number}"


def cover_url(entry: LibraryEntry | None) -> str:
    """Return the address of an analysis's picture in the library, or "" without a picture."""
    return api_url(f"library/{entry.id}.jpg") if entry and entry.has_cover else ""


def probe_video(path: Path) -> VideoInfo:
    """Probe a video, once for each state of its file.

    Raises:
        InputError: The file can't be used.
        DecodeError: The file can't be decoded.
    """
    try:
        modified = path.stat().st_mtime_ns
    except OSError:
        modified = 0
    return _probe(str(path), modified)


@st.cache_resource(max_entries=64, show_spinner=False)
def _probe(path: str, _changed_ns: int) -> VideoInfo:
    # Imported here: the page is shown before the video packages are loaded.
    return probe(Path(path))
