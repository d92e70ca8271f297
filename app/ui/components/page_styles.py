"""Styles of the page around the components: no fading, a video that stays in view, page links on a phone.

It also folds the sidebar on a small screen when another page was chosen there.
"""

from __future__ import annotations

from importlib.resources import files

import streamlit as st

from app.ui.components.assets import component

_mount_autoclose = component("turned")
WATCHED = "watched"
"""Key of the container whose column stays in view."""
PHONE_PAGES = "pages_on_phone"
"""Key of the page links that only small screens show."""


def close_sidebar(page: str) -> None:
    """Mount the component, which has no size, in the page itself."""
    _mount_autoclose(key="turned", data={"page": page or "first"})


def draw_styles() -> None:
    """Add page.css to the page; it takes no space."""
    st.html(f"<style>{(files(__package__) / 'page.css').read_text(encoding='utf-8')}</style>")
