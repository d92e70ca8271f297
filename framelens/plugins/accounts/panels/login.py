"""Login page, and the account in the menu.

The form is sent by the browser to a route, which answers with the cookie; the password doesn't pass through Streamlit.
Services that Streamlit's secrets name (OpenID Connect) have buttons.
"""

from collections.abc import Mapping
from typing import cast

import streamlit as st

from framelens import AppError
from framelens.plugin import current_user, language, t
from framelens.plugin.texts import plain
from framelens.plugin_page import PageTools
from framelens.plugins.accounts.logins import Logins

_COLUMNS = (1, 1, 1)
_TEXTS = ("name", "password", "go", "failed")


def draw(ui: PageTools) -> None:
    """Draw the page; the browser loads the app again once it is logged in."""
    with st.columns(_COLUMNS)[1]:
        st.markdown("## FrameLens")
        st.caption(t("login.about"))
        ticket = _draw_providers(ui) if "is_logged_in" in st.user else ""
        texts = {key: t(f"login.{key}") for key in _TEXTS}
        url = f"{ui.api_url('session', with_key=False)}?lang={language()}"
        ui.mount("login", __package__, key="login", data={"url": url, "ticket": ticket, "words": texts})


def draw_account(ui: PageTools) -> None:
    """Draw the account of the reader with the button that logs out; nothing without accounts."""
    if not (user := current_user()).id:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="account"):
        st.caption(plain(f"{user.name} · {t(f'login.role_{user.role}')}"), width="content")
        if st.button(t("login.out"), key="log_out", type="tertiary", icon=":material/logout:"):
            _log_out(ui)


def _log_out(ui: PageTools) -> None:
    """End the session of the page, and the session of the other service that has checked the login."""
    _logins(ui).log_out(ui.session_cookie())
    with_provider = bool(st.user.get("is_logged_in"))
    st.session_state.clear()
    if with_provider:
        st.logout()
    st.rerun()


def _draw_providers(ui: PageTools) -> str:
    """Draw a button for each service, or return the ticket of a user whom a service has identified."""
    proof, issued = _proof()
    if proof and not _logins(ui).is_used(proof, issued):
        try:
            # Some services don't say whether they have checked an address; false says that they have not.
            is_verified = st.user.get("email_verified") is not False
            return _logins(ui).ticket_for(str(st.user.get("email") or ""), is_verified=is_verified, proof=proof)
        except AppError as error:
            ui.show_error(error)
            ui.button(t("login.other"), "login_other", st.logout, icon="logout")
            return ""
    names = [name for name, value in st.secrets["auth"].items() if isinstance(value, Mapping)]
    for name in names or [None]:
        label = t("login.provider_named", name=name) if name else t("login.provider")
        if st.button(plain(label), key=f"login_{name or 'provider'}", icon=":material/login:", width="stretch"):
            st.login(name)
    return ""


def _proof() -> tuple[str, float]:
    """Return what identifies the login at another service and when it confirmed the login; "" and 0 without a login."""
    if not st.user["is_logged_in"]:
        return "", 0.0
    claims = {name: str(st.user.get(name)) for name in ("iss", "sub", "email", "iat", "nonce", "at_hash")}
    issued = st.user.get("iat")
    return str(sorted(claims.items())), float(issued) if isinstance(issued, (int, float)) else 0.0


def _logins(ui: PageTools) -> Logins:
    return cast(Logins, ui.services.authentication.plugin)
