"""Buttons that save a file, which a route writes when its button is pressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Literal

import streamlit as st

from app import resources
from app.components.assets import component, sent
from framelens.i18n import language, t
from framelens.plugin_page import SaveGroup

_mount = component("exports")


def export_url(path: str, **options: str) -> str:
    """Return the address of an export below /api, for the language of the page."""
    query = "&".join(f"{name}={value}" for name, value in {**options, "lang": language()}.items())
    return f"{resources.api_url(path, with_key=False)}?{query}"


def draw(
    groups: Sequence[SaveGroup],
    *,
    key: str,
    width: Literal["stretch", "content"] = "stretch",
    has_choices: bool = False,
) -> None:
    """Draw the buttons.

    Args:
        groups: The buttons.
        key: Key of the component.
        width: Width of the component.
        has_choices: Fields beside the buttons change their addresses. Then a press waits until input from just before
            it has been drawn.
    """
    texts = {"writing": t("ui.export_writing"), "failed": t("ui.export_failed")}
    data = {"groups": list(map(asdict, groups)), "words": texts, "key": resources.route_key(), "width": width}
    answer = {"has_choices": has_choices, "answer": st.session_state.get(_press_key(key))}
    _mount(key=key, data=data | answer, width=width, on_press_change=partial(_keep_press, key))


def _press_key(key: str) -> str:
    return f"{key}_press_key"


def _keep_press(key: str) -> None:
    """Keep a press until the next press: another run may overtake the run that the press causes."""
    st.session_state[_press_key(key)] = sent(key, "press")
