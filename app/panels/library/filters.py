"""Search, filters, order and page of the library.

All of it is in the address, so that browser history, a reload and a link lead to the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast, get_args

import streamlit as st

from app.components import slots
from app.components.controls import button, choose, show_warning
from app.context import services
from app.panels.report.comparison import template_name
from app.state import page_state
from framelens.core.errors import AppError
from framelens.core.files import base_name
from framelens.i18n import LANGUAGES, aside, t
from framelens.plugin_page import Options
from framelens.reports.content.labels import printable
from framelens.reports.content.page_text import error_words
from framelens.store.library_index import LibraryQuery, Order

if TYPE_CHECKING:
    from framelens.jobs.stored.library_search import NearPassage

_FILTERS = ("state", "model", "template", "in", "tag", "made")
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_COLUMNS = {"in": "language"}
_ORDER_WIDTH = 136
FIELD = "library_field"
"""Key of the container of the search field."""
_PAUSE = "300ms"
"""Pause in typing after which the list updates; Enter updates it at once."""


def query() -> LibraryQuery:
    """Return the query in the address."""
    filter_value = page_state().filter_value
    since = ""
    if days := _DAYS.get(filter_value("made")):
        now = datetime.now(UTC).replace(second=0, microsecond=0)  # stable for a minute, since every rerun computes it
        since = (now - timedelta(days=days)).isoformat(timespec="milliseconds")
    states = (filter_value("state"),) if filter_value("state") else ()
    model, template, spoken, tag = map(filter_value, ("model", "template", "in", "tag"))
    return LibraryQuery(filter_value("q"), states, model, template, spoken, tag, since=since)


def order() -> Order:
    """Return the order in the address, by default the best match first where something is searched, else the newest."""
    value = page_state().filter_value("sort")
    return cast(Order, value) if value in _orders() else cast(Order, _orders()[0])


def _orders() -> list[str]:
    return [order_name for order_name in get_args(Order) if order_name != "best" or page_state().filter_value("q")]


def page() -> int:
    """Return the page number in the address, counted from 1."""
    value = page_state().filter_value("page")
    return max(1, int(value)) if value.isascii() and value.isdecimal() and len(value) < 7 else 1


def near() -> Sequence[NearPassage]:
    """Find text with the same meaning as the searched words; nothing where no plugin does so or it fails."""
    text = page_state().filter_value("q")
    search = services().library_search
    if search is None or not text:
        return []
    try:
        passages, search.query_error = search.near(text), None
        return passages
    except AppError as error:
        search.query_error = error
        return []


def _draw_meaning() -> None:
    """Show why the search by meaning isn't complete."""
    search = services().library_search
    if search is None:
        return
    if error := search.task.error or search.query_error:
        show_warning(t("library.meaning_failed", why=error_words(error)))
    elif search.num_left:
        st.caption(t("library.indexing_meaning", n=search.num_left))


def draw() -> None:
    """Draw the search box and the filters, which are folded away while no filter is set."""
    library = services().jobs.library
    _sync_widget("q", page_state().filter_value("q"))
    tip, example = t("library.search_help"), t("library.search_example")
    stored: Options = {"key": "library_q", "live": _PAUSE, "on_change": _store_filter, "args": ("q",)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key=FIELD):
        st.text_input(t("library.search"), type="search", placeholder=example, help=tip, **stored)
        slots.draw("library.field")
    if library.is_plain:
        st.caption(t("library.plain"))
    if page_state().filter_value("q"):
        _draw_meaning()
    is_set = any(page_state().filter_value(name) for name in _FILTERS)
    with st.expander(t("library.filters"), icon=":material/filter_list:", expanded=is_set):
        choices = library.choices()
        with st.container(horizontal=True):
            for name in _FILTERS[:-1]:
                counts = choices[_COLUMNS.get(name, name)]
                _choice(name, _labels(name, counts, _labeller(name)))
            _choice("made", {days: t(f"library.time.{days}") for days in _DAYS})
        if is_set:
            button(t("library.clear"), "library_clear", _clear, icon="close")


def draw_order() -> None:
    """Draw the choice of the order, without its label."""
    labels = {order_name: t(f"library.order.{order_name}") for order_name in _orders()}
    _choice("sort", labels, width=_ORDER_WIDTH, label_visibility="collapsed")


def _labeller(name: str) -> Callable[[str], str]:
    """Return the function that labels the values of a filter."""
    by_name: Mapping[str, Callable[[str], str]] = {
        "state": lambda value: t(f"library.state.{value}"),
        "model": base_name,
        "template": template_name,
        "in": lambda value: t(f"language.{value}") if value in LANGUAGES else value,
    }
    return by_name.get(name, str)


def _labels(name: str, counts: Mapping[str, int], label: Callable[[str], str]) -> dict[str, str]:
    return {value: f"{label(value)}{aside(str(count))}" for value, count in counts.items()}


def _choice(name: str, labels: Mapping[str, str], **extra_options: Any) -> None:
    """Draw a select box whose value goes into the address; a filter also offers all values."""
    is_filter = name in _FILTERS
    values = ["", *labels] if is_filter else list(labels)
    chosen = page_state().filter_value(name) if is_filter else order()
    if chosen not in values:  # from a link, or removed since: show it, so that it can be changed
        values.append(chosen)
    _sync_widget(name, chosen)
    label = {"in": "by_language", "made": "by_time", "sort": "sort"}.get(name, f"by_{name}")
    shown = {value: printable(labels.get(value, value)) for value in values}
    if is_filter:
        shown[""] = t("library.time.all" if name == "made" else "library.any")
    options: Options = {"on_change": _store_filter, "args": (name,), **extra_options}
    choose(t(f"library.{label}"), shown, f"library_{name}", **options)


def _sync_widget(name: str, value: str) -> None:
    """Set a widget to the address's value where they differ: text being typed must not be reset."""
    key = f"library_{name}"
    if str(st.session_state.get(key, "")).strip() != value:
        st.session_state[key] = value


def _store_filter(name: str) -> None:
    """Put the widget's value into the address; new results start on the first page."""
    page_state().set_filter(name, str(st.session_state[f"library_{name}"]).strip())
    page_state().set_filter("page", "")


def _clear() -> None:
    for name in (*_FILTERS, "page"):
        page_state().set_filter(name, "")
