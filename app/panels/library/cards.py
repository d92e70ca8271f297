"""Search results of the library as cards, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app import resources
from app.components.assets import component, sent, sent_about
from app.components.ranges import act_on_sent, range_action
from app.components.report_blocks import Value
from app.context import may_change, services
from app.formatting import local_time
from app.panels.analyse import frame_options
from app.panels.library import filters
from app.panels.report.comparison import template_name
from app.state import page_state
from framelens.core.domain import UNKNOWN_PATH
from framelens.core.files import base_name
from framelens.i18n import t
from framelens.plugin_page import VideoRange
from framelens.reports.content.page_text import joined, length_clock, short_clock
from framelens.store.library_index import Hit, LibraryEntry

PAGE = 24
"""Cards on a page."""
_FAILED = ("failed", "interrupted", "incomplete", "model_failed", "no_usable_answer")
_WORDS = ("open", "select", "rename", "rename_done")
_KINDS = {**dict.fromkeys(("queued", "running", "describing"), "running"), **dict.fromkeys(_FAILED, "failed")}
_KEY = "library_cards"
_mount = component("library", "icons")


@dataclass(frozen=True)
class ResultPage:
    """The open page of results.

    Attributes:
        entries: Its entries.
        total: Number of results on all pages.
        number: Number of this page, from 1.
        pages: Number of all pages.
        near: For each entry found by meaning, the place in it that matches.
    """

    entries: list[LibraryEntry]
    total: int
    number: int
    pages: int
    near: dict[str, int]


def find_page() -> ResultPage:
    """Find the analyses that the address asks for."""
    library, query = services().jobs.library, filters.query()
    near = {passage.job_id: passage.place for passage in filters.near()}
    total = library.count(query, near=list(near))
    pages = max(1, -(-total // PAGE))
    number = min(filters.page(), pages)
    offset = (number - 1) * PAGE
    entries = library.find(query, order=filters.order(), offset=offset, limit=PAGE, near=list(near))
    return ResultPage(entries, total, number, pages, near)


def count_text(shown: ResultPage) -> str:
    """Return how many results there are, and which of them are on the page."""
    first = (shown.number - 1) * PAGE + 1
    key = "library.count" if shown.pages == 1 else "library.count_range"
    return t(key, first=first, last=first + len(shown.entries) - 1, total=shown.total)


def draw(shown: ResultPage) -> None:
    """Draw the cards and the page buttons."""
    if not shown.entries:
        is_empty = not any(services().jobs.library.choices()["state"])
        st.info(t("library.empty" if is_empty else "library.none"), icon=":material/search_off:")
        return
    typed = filters.query().words
    texts = {word: t(f"library.{word}") for word in _WORDS}
    if not may_change():
        texts["rename"] = ""  # without a word, no name can be changed
    texts["open_at"] = t("library.open_at", time="{time}")  # filled in by the browser
    library, near = services().jobs.library, shown.near
    _draw_cards(
        [_card(entry, library.hits(entry.id, typed, near=near.get(entry.id))) for entry in shown.entries], texts
    )
    if shown.pages > 1:
        key = f"library_page_{shown.number}_{shown.pages}"  # a new key for each, so that the widget follows the address

        def turn() -> None:
            page_state().set_filter("page", str(st.session_state[key]))

        st.pagination(shown.pages, default=shown.number, key=key, on_change=turn)


def _card(entry: LibraryEntry, hits: list[Hit]) -> Value:
    part = frame_options.format_stored_range(entry.start_seconds, entry.end_seconds, digits=0)
    counts = [t("library.frames", n=entry.num_frames)] if entry.num_frames else []
    counts += [t("library.findings", n=entry.num_findings)] if entry.num_findings else []
    facts = (
        f"“{entry.question}”" if entry.question else "",
        joined(part, base_name(entry.model), *counts),
        joined(local_time(entry.created), template_name(entry.template)),
    )
    return {
        "id": entry.id,
        "name": entry.name,
        "title": entry.title,
        "cover": resources.cover_url(entry),
        "icon": services().jobs.state_of(entry),
        "length": length_clock(entry.seconds) if entry.seconds else "",
        "facts": list(filter(None, facts)),
        "badges": list(_badges(entry)),
        "is_chosen": entry.id in page_state().chosen,
        "hits": [_hit(hit, entry) for hit in hits],
    }


def _badges(entry: LibraryEntry) -> Iterator[tuple[str, str]]:
    """Yield short texts with their kind: "running", "failed", "tag" or ""; the first is the state."""
    state = services().jobs.state_of(entry)
    yield _KINDS.get(state, ""), t(f"library.state.{state}")
    if entry.mode == "text":
        yield "", f"⚠️ {t('library.text_mode')}"
    if entry.path == str(UNKNOWN_PATH):
        yield "", t("library.other_machine")
    for tag in entry.tags:
        yield "tag", tag


def _hit(hit: Hit, entry: LibraryEntry) -> Value:
    """Convert a hit; its text is in pieces, each with whether it is a searched word."""
    pieces, end = [], 0
    for start, stop in hit.marks:
        pieces += [(hit.text[end:start], False), (hit.text[start:stop], True)]
        end = stop
    pieces.append((hit.text[end:], False))
    time = short_clock(hit.seconds) if hit.seconds is not None else ""
    kind = t(f"library.kind.{hit.kind}" if hit.marks else "library.kind_near")
    edges = None
    if hit.seconds is not None and entry.path != str(UNKNOWN_PATH) and (action := range_action()):
        edges = VideoRange(hit.seconds, hit.seconds, job_id=entry.id, is_cited=True).value(action)
    shown = [piece for piece in pieces if piece[0]]
    return {"kind": kind, "time": time, "seconds": hit.seconds, "pieces": shown, "range": edges}


def _draw_cards(cards: Sequence[Value], texts: Mapping[str, str]) -> None:
    ids = {str(card["id"]) for card in cards}
    about = partial(sent_about, ids, _KEY)

    def opened() -> None:
        if value := about("open"):
            seconds = value.get("seconds")
            page_state().open_job(value["id"])
            page_state().go_to(float(seconds) if isinstance(seconds, int | float) else 0.0)

    def chosen() -> None:
        changed = sent(_KEY, "choose")
        for job_id in ids.intersection(changed if isinstance(changed, dict) else ()):
            page_state().choose(job_id, bool(changed[job_id]))

    def renamed() -> None:
        if value := about("rename"):
            with page_state().catching_errors():
                services().jobs.rename(value["id"], str(value.get("name", "")))

    data = {"entries": cards, "words": texts}
    _mount(
        key=_KEY,
        data=data,
        on_open_change=opened,
        on_choose_change=chosen,
        on_rename_change=renamed,
        on_act_change=partial(act_on_sent, _KEY),
    )
