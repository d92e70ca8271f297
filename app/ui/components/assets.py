"""Assets of the components: mounts a component from its HTML, CSS and JavaScript files and the shared ones."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


def component(name: str, *parts: str) -> ComponentRenderer:
    """Define a component and return the command that mounts it.

    Args:
        name: The component, defined by name.html, name.css and name.js in this folder.
        *parts: Modules whose JavaScript, and CSS where they have some, is put before the component's own.
    """
    return st.components.v2.component(
        f"framelens_{name}",
        html=_read(f"{name}.html"),
        css="".join(_read(f"{part}.css") for part in ("shared", *parts, name) if _exists(f"{part}.css")),
        js="".join(_read(f"{part}.js") for part in ("shared", *parts, name)),
    )


def _exists(file: str) -> bool:
    return (files(__package__) / file).is_file()


def _read(file: str) -> str:
    return (files(__package__) / file).read_text(encoding="utf-8")
