"""Account of the reader in the sidebar, with the button that logs out; nothing without accounts."""

import streamlit as st

from app import resources
from app.formatting import plain
from app.views import login
from framelens.i18n import t


def draw() -> None:
    """Draw the account."""
    session = resources.login_session()
    if session is None:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="account"):
        st.caption(plain(f"{session.user.name} · {t(f'login.role_{session.user.role}')}"), width="content")
        if st.button(t("login.out"), key="log_out", type="tertiary", icon=":material/logout:"):
            login.log_out()
