"""Buttons and choices as the pages use them, and the sentences about what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from framelens.core.background_task import BackgroundTask
from framelens.core.errors import AppError
from framelens.i18n import t
from framelens.plugin_page import ButtonKind
from framelens.reports.content.page_text import error_words, plain

_POLL_SECONDS = 1.0
_MENUS = "menus_closed"
"""Key of the number of times that a menu was closed; it is part of each menu's widget key."""


def button(
    label: str,
    key: str,
    act: Callable[..., Any],
    *arguments: object,
    icon: str = "",
    kind: ButtonKind = "secondary",
    **options: Any,
) -> None:
    """Draw a button.

    Args:
        label: Its label, in Markdown.
        key: The widget key.
        act: Called when it is pressed, before the page is drawn again.
        *arguments: What `act` is called with.
        icon: Name of a Material symbol, or "" for a button without an icon.
        kind: Its weight on the page.
        **options: Other arguments of `st.button`.
    """
    symbol = f":material/{icon}:" if icon else None
    st.button(label, key=key, type=kind, icon=symbol, on_click=act, args=arguments, **options)


def menu(label: str, **options: Any) -> AbstractContextManager[Any]:
    """Draw a menu that `close_menu` closes; a plain popover would stay open behind a dialog and take its Escape."""
    return st.popover(label, key=f"menu_{st.session_state.get(_MENUS, 0)}", **options)


def close_menu() -> None:
    """Close the menu of which an entry was chosen, before the page is drawn again."""
    st.session_state[_MENUS] = st.session_state.get(_MENUS, 0) + 1


def removable(name: str, key: str, act: Callable[..., Any], *arguments: object) -> None:
    """Draw a button with the name of a file that takes it away."""
    button(plain(name), key, act, *arguments, icon="close", help=plain(t("ui.remove_video_help", name=name)))


def choose(
    label: str, labels: Mapping[Any, str], key: str, draw: Callable[..., Any] = st.selectbox, **options: Any
) -> Any:
    """Draw a choice of values by their labels and return what is chosen; `options` are others of `draw`."""
    return draw(label, list(labels), format_func=labels.__getitem__, key=key, **options)


def follow(task: BackgroundTask[Any, Any], draw: Callable[..., None], *arguments: object) -> None:
    """Draw what a task does, again and again while it runs; the whole page is drawn when it begins or ends."""
    was_running = task.is_running

    def draw_task() -> None:
        if task.is_running != was_running:
            st.rerun()
        draw(*arguments)

    st.fragment(draw_task, run_every=_POLL_SECONDS if was_running else None)()


def show_error(reason: AppError) -> None:
    """Show why something failed."""
    st.error(plain(error_words(reason)), icon=":material/error:")


def show_warning(text: str, icon: str = "warning") -> None:
    """Show a sentence, literally, that something may be wrong, with this Material symbol."""
    st.warning(plain(text), icon=f":material/{icon}:")


def show_refusals(sentences: Iterable[str]) -> None:
    """Show why files were refused."""
    for sentence in sentences:
        show_warning(sentence, "block")
