"""What all browser sessions share: the services, the key of the routes, and what the probe found of each file.

The lifespan installs the services before the first page runs; everything here may be used from several threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.domain import Keyframe, VideoInfo
from app.errors import AppError

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True)
class Installed:
    """The services with the key and base path of the routes; or the error that kept the services from opening."""

    services: Services | None = None
    key: str = ""
    base_path: str = ""
    error: AppError | None = None


_installed = Installed()


def install(installed: Installed) -> None:
    """Called once, by the lifespan."""
    global _installed
    _installed = installed


def installed() -> Installed:
    return _installed


def services() -> Services:
    """The open services. Raises the AppError that kept them from opening."""
    if _installed.services is None:
        raise _installed.error or RuntimeError("no services are installed: the page runs outside of app.main")
    return _installed.services


def api_url(path: str, *, with_key: bool = True) -> str:
    """The address of a route below /api for the browser; `with_key` where the browser itself cannot send a header."""
    return f"{_installed.base_path}/api/{path}" + (f"?key={_installed.key}" if with_key else "")


def picture_url(job_id: str, frame: Keyframe, side: int | None = None) -> str:
    """The address of a frame's picture, at most `side` pixels long (None: as it is kept)."""
    size = f"&side={side}" if side else ""
    # The number makes a new address when a frame that was only found is chosen, in its final size.
    return f"{api_url(f'jobs/{job_id}/frames/{frame.frame_index}.jpg')}{size}&n={frame.number}"


def probe_video(path: Path) -> VideoInfo:
    """What the probe finds, asked once for each state of a file. Raises InputError or DecodeError."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _probe(str(path), changed)


@st.cache_resource(max_entries=64, show_spinner=False)
def _probe(path: str, _changed_ns: int) -> VideoInfo:
    # Imported here: the page shows before anything of the video side is loaded.
    from app.video import probe

    return probe(Path(path))
