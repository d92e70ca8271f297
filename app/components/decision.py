"""Last question of a dialog before something is deleted."""

from collections.abc import Callable

import streamlit as st

from app.components import dialogs
from framelens.i18n import t


def draw(words: str, key: str, icon: str, act: Callable[..., None], *arguments: object) -> None:
    """Draw the buttons that keep everything and that delete; either closes the dialog.

    Args:
        words: Label of the button that deletes.
        key: Beginning of the widget keys.
        icon: Its icon.
        act: What the button does.
        *arguments: What `act` is called with.
    """
    with st.container(horizontal=True):
        is_kept = st.button(t("library.delete_keep"), key=f"{key}_not")
        is_sure = st.button(f":red[{words}]", key=f"{key}_sure", icon=icon, on_click=act, args=arguments)
        if is_kept or is_sure:
            dialogs.close()
            st.rerun()
