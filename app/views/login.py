"""Login page: a form of our own, or the services that Streamlit's secrets name (OpenID Connect).

The form is sent by the browser to a route, which answers with the cookie; the password doesn't pass through Streamlit.
"""

from collections.abc import Mapping

import streamlit as st

from app import resources
from app.components.assets import component
from app.components.controls import button, show_error
from app.context import services
from framelens.core.errors import AppError, InputError
from framelens.i18n import language, t
from framelens.reports.content.page_text import plain

_COLUMNS = (1, 1, 1)
_mount = component("login")
_WORDS = ("name", "password", "go", "failed")


def is_needed() -> bool:
    """Return whether there are accounts and the browser isn't logged in. Empty the state of another user's session."""
    try:
        session = resources.login_session(uses=True)
    except InputError:
        st.session_state.pop("account", None)
        return True
    account = session.user.id if session else ""
    if st.session_state.setdefault("account", account) != account:
        st.session_state.clear()
        st.session_state["account"] = account
    return False


def draw() -> None:
    """Draw the page; the browser loads the app again once it is logged in."""
    with st.columns(_COLUMNS)[1]:
        st.markdown("## FrameLens")
        st.caption(t("login.about"))
        ticket = ""
        if "is_logged_in" in st.user:
            ticket = _draw_providers()
        words = {word: t(f"login.{word}") for word in _WORDS}
        _mount(key="login", data={"url": _url(), "ticket": ticket, "words": words})


def log_out() -> None:
    """End the session of the page, and the session of the other service that has checked the login."""
    services().accounts.log_out(resources.cookie())
    with_provider = bool(st.user.get("is_logged_in"))
    st.session_state.clear()
    if with_provider:
        st.logout()
    st.rerun()


def _url() -> str:
    return f"{resources.api_url('session', with_key=False)}?lang={language()}"


def _draw_providers() -> str:
    """Draw a button for each service, or return the ticket of a user whom a service has identified."""
    proof, issued = _proof()
    if proof and not services().accounts.is_used(proof, issued):
        try:
            # Some services don't say whether they have checked an address; false says that they have not.
            is_verified = st.user.get("email_verified") is not False
            return services().accounts.ticket_for(str(st.user.get("email") or ""), is_verified=is_verified, proof=proof)
        except AppError as error:
            show_error(error)
            button(t("login.other"), "login_other", st.logout, icon="logout")
            return ""
    names = [name for name, value in st.secrets["auth"].items() if isinstance(value, Mapping)]
    for name in names or [None]:
        words = t("login.provider_named", name=name) if name else t("login.provider")
        if st.button(plain(words), key=f"login_{name or 'provider'}", icon=":material/login:", width="stretch"):
            st.login(name)
    return ""


def _proof() -> tuple[str, float]:
    """Return what identifies the login at another service and when it confirmed the login; "" and 0 without a login."""
    if not st.user["is_logged_in"]:
        return "", 0.0
    claims = {name: str(st.user.get(name)) for name in ("iss", "sub", "email", "iat", "nonce", "at_hash")}
    issued = st.user.get("iat")
    return str(sorted(claims.items())), float(issued) if isinstance(issued, (int, float)) else 0.0
