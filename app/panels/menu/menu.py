"""Menu at the top of every page: the model in use, the pages about it, theme, language and account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import resources
from app.components.assets import component
from app.context import services
from app.formatting import plain
from app.panels.menu import account, engine, language
from app.state import page_state
from framelens.i18n import t

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.navigation.page import StreamlitPage

_THEMES = ("System", "Light", "Dark")
"""As Streamlit names them."""
_mount_theme = component("theme")


def draw(paths: Sequence[str], *, shows_model: bool, shows_account: bool) -> DeltaGenerator:
    """Draw the menu and return the place for what `draw_model` adds; it is drawn before anything else with words.

    Args:
        paths: The paths of all pages, which share the theme.
        shows_model: Whether the reader may know the model in use.
        shows_account: Whether the reader is logged in, or there are no accounts.
    """
    with (
        st.container(key="menu"),
        st.popover(_label() if shows_model else ":material/menu:", type="tertiary", key="menu_open"),
    ):
        place = st.container(gap="small")
        words = {name: t(f"ui.theme_{name.lower()}") for name in _THEMES}
        _mount_theme(key="theme", data={"words": words, "label": t("ui.theme"), "paths": list(paths)})
        language.draw()
        if shows_account:
            account.draw()
    return place


def draw_model(place: DeltaGenerator, pages: Sequence[StreamlitPage]) -> None:
    """Draw the model in use and the links to the pages about it."""
    with place:
        engine.draw()
        with st.container(gap="xsmall"):
            for one in pages:
                st.page_link(one, query_params=page_state().address)


def _label() -> str:
    """Return the name of the model in use, with a mark of its state."""
    if resources.installed().error:
        return ":material/menu:"
    status = services().engine.status()
    model = engine.short_model_name(status.model) or t("ui.menu_no_model")
    return f":{engine.COLOURS[status.state]}[●] {plain(model)}"
