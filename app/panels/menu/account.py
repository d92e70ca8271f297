"""Account of the reader in the sidebar, with the button that logs out; nothing without accounts."""

import streamlit as st

from app.i18n import t
from app.ui import plain, resources
from app.ui.views import login


def draw() -> None:
    """Draw the account."""
    session = resources.login_session()
    if session is None:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="account"):
        st.caption(plain(f"{session.user.name} · {t(f'login.role_{session.user.role}')}"), width="content")
        if st.button(t("login.out"), key="log_out", type="tertiary", icon=":material/logout:"):
            login.log_out()
