"""What is looked for in the library: words, filters, order and page. All of it is in the address, so that the browser's
way back, a reload and a link lead to the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast, get_args

import streamlit as st

from app.core.domain import Language
from app.core.errors import AppError
from app.core.filenames import last_part
from app.i18n import LANGUAGES, t
from app.store.library_index import Order, Wanted
from app.ui.formatting import error_words, plain
from app.ui.panels.report.comparison import template_name
from app.ui.state import page_state

if TYPE_CHECKING:
    from app.library.semantic_index import Near
    from app.services.container import Services

_FILTERS = ("state", "model", "template", "in", "tag", "made")
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
_COLUMNS = {"in": "language"}
_SEARCH_WIDTH = 640  # a phone is narrower: there the box takes all of it, and what is beside it goes below
_PAUSE = "300ms"
"""After so long without a key the list follows what is typed; Enter does at once."""


def wanted() -> Wanted:
    """What the address says."""
    asked = page_state().asked
    since = ""
    if days := _DAYS.get(asked("made")):
        now = datetime.now(UTC).replace(second=0, microsecond=0)  # the same for a while, as it is drawn again and again
        since = (now - timedelta(days=days)).isoformat(timespec="milliseconds")
    states = (asked("state"),) if asked("state") else ()
    return Wanted(asked("q"), states, asked("model"), asked("template"), asked("in"), asked("tag"), since=since)


def order() -> Order:
    """The order that the address says; the best match first where it says none."""
    given = page_state().asked("sort")
    return cast(Order, given) if given in get_args(Order) else "best"


def page() -> int:
    """The page that the address says, from 1 on."""
    given = page_state().asked("page")
    return max(1, int(given)) if given.isascii() and given.isdecimal() and len(given) < 7 else 1


def near(services: Services) -> list[Near]:
    """What means the same as the words that are looked for; nothing where no model for it is set or answers."""
    words = page_state().asked("q")
    if services.meanings is None or not words:
        return []
    try:
        return services.meanings.near(words)
    except AppError as error:
        services.meanings.error = error
        return []


def _draw_meaning(services: Services, language: Language) -> None:
    """What keeps the search by meaning from being complete."""
    meanings = services.meanings
    if meanings is None:
        return
    if meanings.error:
        why = error_words(meanings.error, language)
        st.warning(plain(t("library.meaning_failed", language, why=why)), icon=":material/warning:")
    elif meanings.num_left:
        st.caption(t("library.meaning_left", language, n=meanings.num_left))


def draw(services: Services, language: Language) -> None:
    """The search box and, folded away while none is set, the filters."""
    library = services.jobs.library
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _put("q", page_state().asked("q"))
        about = [t("library.search_help", language)]
        if services.meanings is None:
            about.append(t("library.no_meaning", language))
        st.text_input(
            t("library.search", language),
            key="library_q",
            type="search",
            live=_PAUSE,
            placeholder=t("library.search_example", language),
            help="\n\n".join(about),
            width=_SEARCH_WIDTH,
            on_change=_take,
            args=("q",),
        )
        _choice("sort", {one: t(f"library.order.{one}", language) for one in get_args(Order)}, language, width=160)
    if library.is_plain:
        st.caption(t("library.plain", language))
    if page_state().asked("q"):
        _draw_meaning(services, language)
    is_set = any(page_state().asked(name) for name in _FILTERS)
    with st.expander(t("library.filters", language), icon=":material/filter_list:", expanded=is_set):
        choices = library.choices()
        with st.container(horizontal=True):
            for name in _FILTERS[:-1]:
                counts = choices[_COLUMNS.get(name, name)]
                _choice(name, _labels(name, counts, _spoken(services, name, language)), language)
            _choice("made", {one: t(f"library.time.{one}", language) for one in _DAYS}, language)
        if is_set:
            st.button(t("library.clear", language), key="library_clear", icon=":material/close:", on_click=_clear)


def _spoken(services: Services, name: str, language: Language) -> Callable[[str], str]:
    """What the values of a filter are called."""
    by_name: Mapping[str, Callable[[str], str]] = {
        "state": lambda value: t(f"library.state.{value}", language),
        "model": last_part,
        "template": lambda value: template_name(services, value, language),
        "in": lambda value: t(f"language.{value}", language) if value in LANGUAGES else value,
    }
    return by_name.get(name, str)


def _labels(name: str, counts: Mapping[str, int], spoken: Callable[[str], str]) -> dict[str, str]:
    return {value: f"{spoken(value)} ({count})" for value, count in counts.items()}


def _choice(name: str, labels: Mapping[str, str], language: Language, *, width: int | None = None) -> None:
    """A box to choose one of these, or where it is a filter all; what is chosen goes into the address."""
    is_filter = name in _FILTERS
    values = ["", *labels] if is_filter else list(labels)
    asked = page_state().asked(name) or ("" if is_filter else values[0])
    if asked not in values:  # of a link, or taken away meanwhile: it is shown and can be changed
        values.append(asked)
    _put(name, asked)
    label = {"in": "by_language", "made": "by_time", "sort": "sort"}.get(name, f"by_{name}")
    empty = t("library.time.all" if name == "made" else "library.any", language)
    st.selectbox(
        t(f"library.{label}", language),
        values,
        format_func=lambda value: labels.get(value, value) if value else empty,
        key=f"library_{name}",
        width=width or "stretch",
        on_change=_take,
        args=(name,),
    )


def _put(name: str, value: str) -> None:
    """Give a widget the value of the address where it has another: what is just being typed must not be put back."""
    key = f"library_{name}"
    if str(st.session_state.get(key, "")).strip() != value:
        st.session_state[key] = value


def _take(name: str) -> None:
    """What was typed or chosen; another list begins with its first page."""
    page_state().ask(name, str(st.session_state[f"library_{name}"]).strip())
    page_state().ask("page", "")


def _clear() -> None:
    for name in (*_FILTERS, "page"):
        page_state().ask(name, "")
