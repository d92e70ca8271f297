"""Folds the sidebar away on a small screen when another page was chosen there."""

from __future__ import annotations

from importlib.resources import files

import streamlit as st

from app.ui.components.assets import component

_mount_autoclose = component("turned")
WATCHED = "watched"
"""The key of the container whose column stays in view."""
PHONE_PAGES = "pages_on_phone"
"""The key of the links that only a small screen shows."""


def close_sidebar(page: str) -> None:
    """Drawn beside the sidebar, in the page itself, and of no size."""
    _mount_autoclose(key="turned", data={"page": page or "first"})


def draw_styles() -> None:
    """Add page.css to the page; it takes no room."""
    st.html(f"<style>{(files(__package__) / 'page.css').read_text(encoding='utf-8')}</style>")
