"""Drop zone and button that send files to the upload route, in pieces that resume.

When all files have arrived and were checked, it reports their ids and why other files were refused. Their use depends
on their purpose; the route's `check` reads videos alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from app import resources
from app.components.assets import component, sent
from app.state import page_state
from framelens.i18n import language, t
from framelens.store.videos.upload_limits import UploadPurpose

PIECE_BYTES = 8 * 2**20
"""Size of one piece of an upload."""
_MAX_SENTENCE_CHARACTERS = 1000
_WORDS = (
    *("other", "pause", "resume", "sending", "paused", "unfinished", "lost", "checking"),
    *("one_of", "skip"),
)
_PLACEHOLDERS = {name: f"{{{name}}}" for name in ("name", "percent", "sent", "size", "speed", "place", "count")}
_mount = component("uploader", "courier")


@dataclass(frozen=True)
class Invitation:
    """What may be uploaded, and the words that ask for it.

    Attributes:
        purpose: What the files are for. Where videos and pictures are accepted, pictures are for a question.
        accept: Kinds of files that a browser offers first.
        choose: Words of the button.
        hint: What may be dropped.
        small: What else is to be known.
        area: CSS class around the component on which files may be dropped, or into which pasted; then only a button
            "+" is drawn, named by `choose`, and the drop zone is that place.
    """

    purpose: UploadPurpose
    accept: str
    choose: str
    hint: str = ""
    small: str = ""
    area: str = ""


def draw(invitation: Invitation, *, key: str, on_uploaded: Callable[[list[str], list[str]], None]) -> None:
    """Draw the drop zone.

    Args:
        invitation: What may be uploaded.
        key: The widget key.
        on_uploaded: Called before the page is drawn again, with the ids of the uploads and a sentence on each file that
            was refused.
    """
    arrived = f"{key}_arrived"

    def receive() -> None:
        if (message := sent(key, "uploaded")) is None:  # sent again, after the first message removed the uploader
            return
        ids, refused, mark = _read(message)
        if mark != st.session_state.get(arrived):  # it is sent until it is answered
            st.session_state[arrived] = mark
            on_uploaded(ids, refused)

    data = {
        "name": key,
        "url": resources.api_url("uploads", with_key=False),
        "key": resources.route_key(),
        "lang": language(),
        "piece_bytes": PIECE_BYTES,
        "arrived": st.session_state.get(arrived, ""),
        "purpose": invitation.purpose,
        "accept": invitation.accept,
        "area": invitation.area,
        "choices": page_state().choices,
        "words": _component_words(invitation),
    }
    _mount(key=key, data=data, on_uploaded_change=receive, width="content" if invitation.area else "stretch")


def _component_words(invitation: Invitation) -> Mapping[str, str]:
    """Return the component's words; the browser fills in the placeholders."""
    texts = {word: t(f"ui.upload_{word}", **_PLACEHOLDERS) for word in _WORDS}
    return texts | {"choose": invitation.choose, "hint": invitation.hint, "small": invitation.small}


def _read(message: object) -> tuple[list[str], list[str], str]:
    """Return the ids, the sentences about refused files, and the mark of the message."""
    value = message if isinstance(message, dict) else {}
    sentences = [text[:_MAX_SENTENCE_CHARACTERS] for text in _texts(value.get("refused"))]
    return _texts(value.get("ids")), sentences, str(value.get("mark", ""))[:_MAX_SENTENCE_CHARACTERS]


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
