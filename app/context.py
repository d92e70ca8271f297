"""Context of the page that is drawn: its language and its user, which texts and roles ask for here, and the services.

The language is read from the session's state, the user from the browser's cookie, so both are current in fragments and
callbacks, which run in new threads.
Labels of options are made before the widget is drawn, not by its `format_func`: Streamlit calls that again after the
run, when the language may have changed, and looks for the label among the drawn labels.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from app import resources
from framelens import i18n
from framelens.core.domain import Language
from framelens.core.errors import InputError
from framelens.core.roles import User, current_user, set_page_user

if TYPE_CHECKING:
    from framelens.composition import Services

_log = logging.getLogger(__name__)
T = TypeVar("T")
LANGUAGE_KEY = "language"
"""Key of the language switch."""
LANGUAGE_COOKIE = "framelens_language"
"""Cookie with the language that was chosen last in the browser, for the next visit."""


def page_language() -> Language:
    """Return the language that the reader has chosen, or the default language before the switch is drawn."""
    chosen = st.session_state.get(LANGUAGE_KEY) or st.query_params.get(LANGUAGE_KEY)
    return chosen if chosen in i18n.LANGUAGES else default_language()


def default_language() -> Language:
    """Return the language of the reader's last choice; without a choice the server's, or else the browser's."""
    chosen = resources.cookie(LANGUAGE_COOKIE)
    if chosen in i18n.LANGUAGES:
        return chosen
    installed = resources.installed().services
    setting = installed.settings.language if installed else None
    return setting or i18n.language_of(st.context.locale)


def services() -> Services:
    """Return the open services.

    Raises:
        AppError: The error that kept them from opening.
        RuntimeError: No services are installed: the page runs outside of app.main.
    """
    installed = resources.installed()
    if installed.services is None:
        raise installed.error or RuntimeError("no services are installed: the page runs outside of app.main")
    return installed.services


def may_change() -> bool:
    """Return whether the reader may upload, analyse, ask and delete. The actions check it, too."""
    return current_user().may("analyst")


def is_visitor() -> bool:
    """Return whether the reader must log in first. Empty the state of another user's session.

    Raises:
        ConfigError: "accounts_without_plugin".
    """
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


def _page_user() -> User | None:
    session = resources.login_session()
    return session.user if session else None


i18n.set_page_language(page_language)
set_page_user(_page_user)
