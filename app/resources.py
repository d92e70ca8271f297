"""Resources that all browser sessions share: the services, the key of the routes, and cached probe results.

The lifespan installs the services before the first page runs; everything here may be used from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from framelens.core.domain import Keyframe, VideoInfo
from framelens.core.errors import AppError, InputError
from framelens.services.access.accounts import COOKIE

if TYPE_CHECKING:
    from framelens.services.access.accounts import Accounts, LoginSession
    from framelens.services.container import Services


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


class _ScriptRun(threading.local):
    """The script run of a thread, with its reader's session in a list once it is known; None outside of a run."""

    session: list[LoginSession | None] | None = None


_installed = Installed()
_script_run = _ScriptRun()
_first_page = threading.Lock()
_COOKIE = "login_cookie"
_PAINT_SECONDS = 1.0
"""From the end of a script run to the page on the screen: the browser fetches its parts meanwhile."""


def install(installed: Installed) -> None:
    """Install the services for all sessions; called once, by the lifespan."""
    global _installed
    _installed = installed


def installed() -> Installed:
    """Return what the lifespan installed."""
    return _installed


def cookie() -> str:
    """Return the cookie that the browser had when it opened the page that is drawn.

    What a reader has begun is finished as theirs, also if they close the page at that moment.
    """
    cookies = st.context.cookies
    if st.context.headers:  # Streamlit knows neither once the browser has gone away
        st.session_state[_COOKIE] = str(cookies.get(COOKIE, ""))
    return str(st.session_state.get(_COOKIE, ""))


@contextmanager
def one_script_run() -> Iterator[None]:
    """Look up the reader of a page once for all that is drawn in the block: each picture's address needs them."""
    _script_run.session = []
    try:
        yield
    finally:
        _script_run.session = None


def login_session(*, uses: bool = False) -> LoginSession | None:
    """Return the session of the page that is drawn; None without accounts.

    Args:
        uses: Whether the reader does something, so that the session lasts longer.

    Raises:
        InputError: "login_needed": there are accounts, and the page's browser is not logged in.
    """
    services = _installed.services
    if services is None or get_script_run_ctx(suppress_warning=True) is None:
        return None
    known = _script_run.session
    if known and not uses:
        return known[0]
    session = _find_session(services.accounts, uses=uses)
    if known is not None:
        known[:] = [session]
    return session


def _find_session(accounts: Accounts, *, uses: bool) -> LoginSession | None:
    if not accounts.exist():
        return None
    found = accounts.session(cookie(), uses=uses)
    if found is None:
        raise InputError("login_needed")
    return found


def route_key() -> str:
    """Return the key that the routes ask of this page: that of its session, without accounts that of the process."""
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


def probe_video(path: Path) -> VideoInfo:
    """Probe a video, once for each state of its file.

    Raises:
        InputError: The file can't be used.
        DecodeError: The file can't be decoded.
    """
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _probe(str(path), changed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _probe(path: str, _changed_ns: int) -> VideoInfo:
    # Imported here: the page is shown before the video packages are loaded.
    from framelens.video.extractor import probe

    return probe(Path(path))
