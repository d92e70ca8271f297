"""Analyses as cards, which can be opened, selected and renamed; under each the places where words were found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app.ui.components.assets import component

_mount = component("library", "icons")


@dataclass(frozen=True)
class Place:
    """Where words were found. `pieces` are its text in parts, each with whether it is one of the words."""

    kind: str
    time: str
    seconds: float | None
    pieces: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Card:
    """`title` is what the model calls the video, "" where it gave no title; `name` can be changed. `cover` is the
    address of a picture or "", `icon` the name of the state, `facts` are lines, `badges` short texts with their kind:
    "running", "failed", "tag" or "".
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
    hits: Sequence[Place] = ()


@dataclass(frozen=True)
class Told:
    """What is called when a reader opens one (at so many seconds, None: the beginning), selects or renames it."""

    on_open: Callable[[str, float | None], None]
    on_choose: Callable[[str, bool], None]
    on_rename: Callable[[str, str], None]


def draw(cards: Sequence[Card], *, words: Mapping[str, str], key: str, told: Told) -> None:
    """Draws the cards. `words`: open, open_at, select, rename, rename_done."""
    ids = {card.id for card in cards}

    def given(name: str) -> dict[str, Any]:
        value = st.session_state[key][name]
        return value if isinstance(value, dict) and value.get("id") in ids else {}

    def opened() -> None:
        if value := given("open"):
            seconds = value.get("seconds")
            told.on_open(value["id"], float(seconds) if isinstance(seconds, int | float) else None)

    def chosen() -> None:
        if value := given("choose"):
            told.on_choose(value["id"], bool(value.get("is_chosen")))

    def renamed() -> None:
        if value := given("rename"):
            told.on_rename(value["id"], str(value.get("name", "")))

    data = {"entries": [asdict(card) for card in cards], "words": dict(words)}
    _mount(key=key, data=data, on_open_change=opened, on_choose_change=chosen, on_rename_change=renamed)
