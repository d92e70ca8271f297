"""Search results of the library as cards, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from app import resources
from app.components.assets import component, sent
from app.context import may_change, services
from app.formatting import local_time, short_clock
from app.panels.analyse import frame_options
from app.panels.library import filters
from app.panels.report.comparison import template_name
from app.state import page_state
from framelens.core.domain import UNKNOWN_PATH
from framelens.core.files import base_name
from framelens.i18n import t
from framelens.store.library_index import Hit, LibraryEntry

PAGE = 24
"""Cards on a page."""
_FAILED = ("failed", "interrupted", "no_usable_answer")
_WORDS = ("open", "select", "rename", "rename_done")
_KINDS = {**dict.fromkeys(("queued", "running"), "running"), **dict.fromkeys(_FAILED, "failed")}
_mount = component("library", "icons")


@dataclass(frozen=True)
class ResultPage:
    """The open page of results.

    Attributes:
        entries: Its entries.
        total: Number of results on all pages.
        near: For each entry found by meaning, the place in it that matches.
    """

    entries: list[LibraryEntry]
    total: int
    near: dict[str, int]


def found() -> ResultPage:
    """Find the analyses that the address asks for."""
    library, query = services().jobs.library, filters.query()
    near = {one.job_id: one.place for one in filters.near()}
    total = library.count(query, near=list(near))
    page = min(filters.page(), max(1, -(-total // PAGE)))
    order = filters.order()
    entries = library.find(query, order=order, offset=(page - 1) * PAGE, limit=PAGE, near=list(near))
    return ResultPage(entries, total, near)


def draw(shown: ResultPage) -> None:
    """Draw the number of results, the cards, and the page buttons."""
    entries, total = shown.entries, shown.total
    if not entries:
        is_empty = not any(services().jobs.library.choices()["state"])
        st.info(t("library.empty" if is_empty else "library.none"), icon=":material/search_off:")
        return
    pages = -(-total // PAGE)
    first = (min(filters.page(), pages) - 1) * PAGE + 1
    key = "library.count" if pages == 1 else "library.count_range"
    st.caption(t(key, first=first, last=first + len(entries) - 1, total=total))
    typed = filters.query().words
    words = {word: t(f"library.{word}") for word in _WORDS}
    if not may_change():
        words["rename"] = ""
    words["open_at"] = t("library.open_at", time="{time}")  # filled in by the browser
    library, near = services().jobs.library, shown.near
    draw_cards(
        [_card(one, library.hits(one.id, typed, near=near.get(one.id))) for one in entries],
        words=words,
        key="library_cards",
        callbacks=CardCallbacks(_open, page_state().choose, _rename),
    )
    if pages > 1:
        _draw_pages(pages)


def _draw_pages(pages: int) -> None:
    page = min(filters.page(), pages)
    key = f"library_page_{page}_{pages}"  # one for each page, so that the widget follows the address
    st.pagination(
        pages, default=page, key=key, on_change=lambda: page_state().set_filter("page", str(st.session_state[key]))
    )


def _card(entry: LibraryEntry, hits: list[Hit]) -> LibraryCard:
    part = frame_options.format_stored_range(entry.start_seconds, entry.end_seconds, digits=0)
    asked = f"“{entry.question}”" if entry.question else ""
    kind = template_name(entry.template)
    counts = [t("library.frames", n=entry.num_frames)] if entry.num_frames else []
    made = local_time(entry.created)
    counts += [t("library.findings", n=entry.num_findings)] if entry.num_findings else []
    return LibraryCard(
        id=entry.id,
        name=entry.name,
        title=entry.title,
        cover=resources.api_url(f"library/{entry.id}.jpg") if entry.has_cover else "",
        icon=services().jobs.state_of(entry),
        length=short_clock(entry.seconds) if entry.seconds else "",
        facts=list(filter(None, (asked, _line(part, base_name(entry.model), *counts), _line(made, kind)))),
        badges=list(_badges(entry)),
        is_chosen=entry.id in page_state().chosen,
        hits=[_hit(hit) for hit in hits],
    )


def _line(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _badges(entry: LibraryEntry) -> Iterator[tuple[str, str]]:
    state = services().jobs.state_of(entry)
    yield _KINDS.get(state, ""), t(f"library.state.{state}")
    if entry.mode == "text":
        yield "", f"⚠️ {t('library.text_mode')}"
    if entry.path == str(UNKNOWN_PATH):
        yield "", t("library.other_machine")
    for tag in entry.tags:
        yield "tag", tag


def _hit(hit: Hit) -> HitView:
    pieces, end = [], 0
    for start, stop in hit.marks:
        pieces += [(hit.text[end:start], False), (hit.text[start:stop], True)]
        end = stop
    pieces.append((hit.text[end:], False))
    time = short_clock(hit.seconds) if hit.seconds is not None else ""
    kind = t(f"library.kind.{hit.kind}" if hit.marks else "library.kind_near")
    return HitView(kind, time, hit.seconds, [piece for piece in pieces if piece[0]])


def _open(job_id: str, seconds: float | None) -> None:
    page_state().open_job(job_id)
    page_state().go_to(seconds or 0.0)


def _rename(job_id: str, name: str) -> None:
    with page_state().catching_errors():
        services().jobs.rename(job_id, name)


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


def draw_cards(cards: Sequence[LibraryCard], *, words: Mapping[str, str], key: str, callbacks: CardCallbacks) -> None:
    """Draw the cards.

    Args:
        cards: The cards in their order.
        words: Labels: open, open_at, select, rename, rename_done; without one for rename, no name can be changed.
        key: The widget key.
        callbacks: Functions to call when a card is used.
    """
    ids = {card.id for card in cards}

    def read(name: str) -> dict[str, Any]:
        value = sent(key, name)
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
