"""Folds the sidebar away on a small screen when another page was chosen there."""

from __future__ import annotations

from app.ui.components.assets import component

_mount = component("turned")


def draw(page: str) -> None:
    """Drawn beside the sidebar, in the page itself, and of no size."""
    _mount(key="turned", data={"page": page or "first"})
