"""Dialogs over a page. A requested dialog is drawn until it is dismissed or closed.

Streamlit closes a dialog that a run of the page doesn't draw, and on a busy machine another run may replace the run in
which the dialog was requested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import streamlit as st

from app.components.controls import close_menu
from framelens.i18n import t

_KEY = "dialog"
"""Key of the dialog that was asked for last."""


@dataclass(frozen=True, eq=False)
class _Dialog:
    """A dialog by its title and what draws it; no two are equal."""

    title: str
    draw: Callable[..., None]
    arguments: tuple[Any, ...]
    width: Literal["small", "large"]


def ask(title: str, draw: Callable[..., None], *arguments: object, width: Literal["small", "large"] = "small") -> None:
    """Ask for a dialog that `draw` fills, called with `arguments`; `draw_dialog` opens it over the page."""
    st.session_state[_KEY] = _Dialog(title, draw, arguments, width)
    close_menu()


def draw_dialog() -> None:
    """Draw the dialog that was asked for, if any; while it is open, it draws itself."""
    if dialog := st.session_state.get(_KEY):
        dismissed = partial(_forget, dialog)
        st.dialog(dialog.title, width=dialog.width, on_dismiss=dismissed)(dialog.draw)(*dialog.arguments)


def close() -> None:
    """Close the open dialog with the next run of the page."""
    st.session_state.pop(_KEY, None)


def draw_decision(label: str, key: str, icon: str, act: Callable[..., None], *arguments: object) -> None:
    """Draw the buttons that keep everything and that delete; either closes the dialog.

    Args:
        label: Label of the button that deletes.
        key: Beginning of the widget keys.
        icon: Its icon.
        act: What the button does.
        *arguments: What `act` is called with.
    """
    with st.container(horizontal=True):
        is_kept = st.button(t("library.delete_keep"), key=f"{key}_not")
        is_sure = st.button(f":red[{label}]", key=f"{key}_sure", icon=icon, on_click=act, args=arguments)
        if is_kept or is_sure:
            close()
            st.rerun()


def _forget(dismissed: _Dialog) -> None:
    """Forget a dismissed dialog, unless another dialog was requested before the page heard of the dismissal."""
    if st.session_state.get(_KEY) is dismissed:
        close()
