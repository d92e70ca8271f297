"""Uploads in pieces with progress, pause and resume, several files one after the other. When all have arrived
and were looked into, it reports the ids of the videos and why other files were refused.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.core.domain import Language
from app.i18n import t
from app.ui import resources
from app.ui.components.assets import component

PIECE_BYTES = 8 * 2**20
_LONGEST_SENTENCE = 1000
_WORDS = (
    *("hint", "choose", "small", "other", "pause", "resume", "sending", "paused", "unfinished", "lost", "checking"),
    *("one_of", "skip"),
)
_mount = component("uploader")


def draw(language: Language, *, key: str, on_uploaded: Callable[[list[str], list[str]], None]) -> None:
    """Draw the drop zone. `on_uploaded` is called with the ids of the videos, and with a sentence on each file that is
    no video, before the page is drawn again.
    """
    data = {
        "url": resources.api_url("uploads", with_key=False),
        "key": resources.installed().key,
        "lang": language,
        "piece_bytes": PIECE_BYTES,
        # The places in these sentences are filled in by the browser.
        "words": {word: t(f"ui.upload_{word}", language, **_PLACES) for word in _WORDS},
    }
    _mount(key=key, data=data, on_uploaded_change=lambda: on_uploaded(*_read(st.session_state[key]["uploaded"])))


def _read(given: object) -> tuple[list[str], list[str]]:
    """The ids, and the sentences about files that were refused."""
    told = given if isinstance(given, dict) else {}
    return _texts(told.get("ids")), [text[:_LONGEST_SENTENCE] for text in _texts(told.get("refused"))]


def _texts(given: object) -> list[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


_PLACES = {name: f"{{{name}}}" for name in ("name", "percent", "sent", "size", "speed", "place", "count")}
