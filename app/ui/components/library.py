"""Cards of analyses that can be opened, selected and renamed, with search hits below each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.ui.components.assets import component

_mount = component("library", "icons")


@dataclass(frozen=True)
class HitView:
    """A search hit.

    Attributes:
        kind: Kind of text in which it was found.
        time: The time in words.
        seconds: The time, None where the text has none.
        pieces: The text in parts, each with whether it is one of the searched words.
    """

    kind: str
    time: str
    seconds: float | None
    pieces: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class LibraryCard:
    """An analysis.

    Attributes:
        id: Id of the job.
        name: Name of the video, which can be changed.
        title: The model's title for the video; "" without one.
        cover: Address of a picture; "" without one.
        icon: Name of the state.
        length: Duration in words.
        facts: Lines of text.
        badges: Short texts with their kind: "running", "failed", "tag" or "".
        is_chosen: Whether it is selected.
        hits: Where the searched words were found.
    """

    id: str
    name: str
    title: str
    cover: str
    icon: str
    length: str
    facts: Sequence[str]
    badges: Sequence[tuple[str, str]]
    is_chosen: bool
    hits: Sequence[HitView] = ()


@dataclass(frozen=True)
class CardCallbacks:
    """Functions to call when a card is used.

    Attributes:
        on_open: Called with an id and the seconds to go to, None for the start.
        on_choose: Called with an id and whether it is now selected.
        on_rename: Called with an id and the new name.
    """

    on_open: Callable[[str, float | None], None]
    on_choose: Callable[[str, bool], None]
    on_rename: Callable[[str, str], None]


def draw(cards: Sequence[LibraryCard], *, words: Mapping[str, str], key: str, callbacks: CardCallbacks) -> None:
    """Draw the cards.

    Args:
        cards: The cards in their order.
        words: Labels: open, open_at, select, rename, rename_done.
        key: The widget key.
        callbacks: Functions to call when a card is used.
    """
    ids = {card.id for card in cards}

    def read(name: str) -> dict[str, Any]:
        value = st.session_state[key][name]
        return value if isinstance(value, dict) and value.get("id") in ids else {}

    def opened() -> None:
        if value := read("open"):
            seconds = value.get("seconds")
            callbacks.on_open(value["id"], float(seconds) if isinstance(seconds, int | float) else None)

    def chosen() -> None:
        if value := read("choose"):
            callbacks.on_choose(value["id"], bool(value.get("is_chosen")))

    def renamed() -> None:
        if value := read("rename"):
            callbacks.on_rename(value["id"], str(value.get("name", "")))

    data = {"entries": [asdict(card) for card in cards], "words": dict(words)}
    _mount(key=key, data=data, on_open_change=opened, on_choose_change=chosen, on_rename_change=renamed)
