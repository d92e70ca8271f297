"""Uploader of videos in pieces with progress, pause and resume, several files in turn.

When all files have arrived and were probed, it reports the ids of the videos and why other files were refused.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.core.domain import Language
from app.i18n import t
from app.ui import resources
from app.ui.components.assets import component

PIECE_BYTES = 8 * 2**20
"""Size of one piece of an upload. Chosen by hand; not tuned."""
_MAX_SENTENCE_CHARACTERS = 1000
_WORDS = (
    *("hint", "choose", "small", "other", "pause", "resume", "sending", "paused", "unfinished", "lost", "checking"),
    *("one_of", "skip"),
)
_mount = component("uploader")


def draw(language: Language, *, key: str, on_uploaded: Callable[[list[str], list[str]], None]) -> None:
    """Draw the drop zone.

    Args:
        language: Language of the texts.
        key: The widget key.
        on_uploaded: Called before the page is drawn again, with the ids of the videos and a sentence on each file
            that is not a video.
    """
    data = {
        "url": resources.api_url("uploads", with_key=False),
        "key": resources.installed().key,
        "lang": language,
        "piece_bytes": PIECE_BYTES,
        # The browser fills in the placeholders.
        "words": {word: t(f"ui.upload_{word}", language, **_PLACEHOLDERS) for word in _WORDS},
    }
    _mount(key=key, data=data, on_uploaded_change=lambda: on_uploaded(*_read(st.session_state[key]["uploaded"])))


def _read(given: object) -> tuple[list[str], list[str]]:
    """Return the ids, and the sentences about refused files."""
    value = given if isinstance(given, dict) else {}
    return _texts(value.get("ids")), [text[:_MAX_SENTENCE_CHARACTERS] for text in _texts(value.get("refused"))]


def _texts(given: object) -> list[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


_PLACEHOLDERS = {name: f"{{{name}}}" for name in ("name", "percent", "sent", "size", "speed", "place", "count")}
