"""Menu at the top of every page: the model in use, the pages about it, theme and language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components import slots
from app.components.assets import component
from app.components.controls import choose
from app.context import LANGUAGE_COOKIE, LANGUAGE_KEY, default_language, page_language, services
from app.panels.menu import engine
from app.state import page_state
from framelens.i18n import LANGUAGES, t
from framelens.plugin_page import Options
from framelens.reports.content.page_text import plain, short_model_name

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.navigation.page import StreamlitPage

_THEMES = ("System", "Light", "Dark")
"""As Streamlit names them."""
_TRANSLATED_CHOICES = ("template", "report_language", "side", "sum_format", "sum_picture")
"""Select boxes with translated options. The library's boxes are set from the address instead."""
_mount_theme = component("theme")


def draw(paths: Sequence[str], *, shows_model: bool, is_visitor: bool) -> DeltaGenerator:
    """Draw the menu and return the container for what `draw_model` adds; it is drawn before anything else with words.

    Args:
        paths: The paths of all pages, which share the theme.
        shows_model: Whether the reader may know the model in use.
        is_visitor: Whether the reader must log in first.
    """
    with (
        st.container(key="menu"),
        _open(shows_model=shows_model),
    ):
        container = st.container(gap="small")
        labels = {name: t(f"ui.theme_{name.lower()}") for name in _THEMES}
        _mount_theme(key="theme", data={"words": labels, "label": t("ui.theme"), "paths": list(paths)})
        draw_language()
        if not is_visitor:
            slots.draw("menu")
    return container


def draw_language() -> None:
    """Draw the switch of the language. It is drawn first, so that everything after it is in the new language."""
    usual = default_language()
    labels = {code: t(f"language.{code}", usual) for code in LANGUAGES}
    options: Options = {"default": usual, "required": True, "label_visibility": "collapsed", "bind": "query-params"}
    choose("Language · 语言", labels, LANGUAGE_KEY, st.segmented_control, on_change=_keep_language, **options)


def language_cookie() -> dict[str, object]:
    """Return the cookie that keeps the language for the next visit, once the reader has chosen a language."""
    return {"name": LANGUAGE_COOKIE, "value": page_language(), "isChosen": page_state().has_chosen_language}


def _keep_language() -> None:
    """Have the browser keep the language, and send the choices again: it keeps the labels that it was sent before."""
    page_state().has_chosen_language = True
    for key in st.session_state:
        if key in _TRANSLATED_CHOICES or str(key).startswith(("library_made", "library_sort", "another_template_")):
            st.session_state[key] = st.session_state[key]


def draw_model(container: DeltaGenerator, pages: Sequence[StreamlitPage]) -> None:
    """Draw the model in use and the links to the pages about it."""
    with container:
        engine.draw()
        with st.container(gap="xsmall"):
            for page in pages:
                st.page_link(page, query_params=page_state().address)


def _open(*, shows_model: bool) -> DeltaGenerator:
    """Draw the button with the name of the model in use and a mark of its state, or that there is no model yet."""
    if not shows_model or resources.installed().error:
        return st.popover(t("ui.menu"), icon=":material/menu:", type="tertiary", key="menu_open")
    status = services().engine.status()
    has_model = engine.has_model()
    model = plain(short_model_name(status.model)) if has_model else t("models.missing.none")
    label = f":{engine.COLOURS[status.state if has_model else 'stopped']}[●] {model}"
    return st.popover(label, type="tertiary", key="menu_open")
