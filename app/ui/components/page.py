"""Styles of the page around the components: no fading, a video that stays in view, links to the pages on a phone."""

from __future__ import annotations

from importlib.resources import files

import streamlit as st

WATCHED = "watched"
"""The key of the container whose column stays in view."""
PHONE_PAGES = "pages_on_phone"
"""The key of the links that only a small screen shows."""


def draw_styles() -> None:
    """Add page.css to the page; it takes no room."""
    st.html(f"<style>{(files(__package__) / 'page.css').read_text(encoding='utf-8')}</style>")
