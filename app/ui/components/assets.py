"""Makes a component from the files of its name, put behind what all of them share."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer


def component(name: str) -> ComponentRenderer:
    """The mounting command of the component `name`, defined by name.html, name.css and name.js in this folder."""
    return st.components.v2.component(
        f"framelens_{name}",
        html=_read(f"{name}.html"),
        css=_read("shared.css") + _read(f"{name}.css"),
        js=_read("shared.js") + _read(f"{name}.js"),
    )


def _read(file: str) -> str:
    return (files(__package__) / file).read_text(encoding="utf-8")
