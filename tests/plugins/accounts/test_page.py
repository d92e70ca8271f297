"""The page of an installation with accounts, without a browser: who is drawn what, and who may do what."""

import time

import pytest
from streamlit import user_info
from streamlit.testing.v1 import AppTest

from app import context, resources
from framelens.composition import Services
from framelens.core.roles import Role, set_page_user
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.logins import Logins

PASSWORDS = {"ann": "correct horse battery", "ben": "another password", "eve": "yet another one"}


ROLES: dict[str, Role] = {"ann": "administrator", "ben": "analyst", "eve": "viewer"}


@pytest.fixture
def accounts(services: Services) -> Accounts:
    accounts = Accounts(services.store)
    for name, role in ROLES.items():
        accounts.add(name, PASSWORDS[name], role)
    return accounts


@pytest.fixture
def logins(services: Services, accounts: Accounts) -> Logins:
    plugin = services.authentication.plugin
    assert isinstance(plugin, Logins)
    return plugin


@pytest.fixture(autouse=True)
def page_user() -> None:
    set_page_user(context._page_user)


def as_name(name: str, logins: Logins, monkeypatch: pytest.MonkeyPatch) -> str:
    cookie = logins.log_in(name, PASSWORDS[name], "127.0.0.1")
    monkeypatch.setattr(resources, "cookie", lambda *_: cookie)
    return cookie


def links(page: AppTest) -> set[str]:
    return {one.proto.page for one in page.get("page_link")}


@pytest.mark.slow
def test_without_a_session_only_the_login_is_drawn(page: AppTest, accounts: Accounts) -> None:
    page.run()
    assert not page.exception and not page.get("page_link") and not page.button and not page.text_input
    assert "Log in to continue." in [one.value for one in page.caption]
    (menu,) = page.get("popover")
    assert menu.proto.popover.label == "Menu"


def test_no_login_is_drawn_without_accounts(page: AppTest, services: Services) -> None:
    page.run()
    assert page.get("page_link") and not [one for one in page.button if one.key == "log_out"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pages"), [("ann", 5), ("ben", 3), ("eve", 3)])
def test_pages_and_engine_follow_the_role(
    name: str, pages: int, page: AppTest, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_name(name, logins, monkeypatch)
    page.run()
    assert not page.exception
    assert len(links(page)) == pages
    assert [one.key for one in page.button if one.key == "use_sample"] == (["use_sample"] if name != "eve" else [])


@pytest.mark.slow
def test_logging_out_ends_the_session_and_draws_the_login(
    page: AppTest, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = as_name("ben", logins, monkeypatch)
    page.run().button("log_out").click().run()
    assert logins.session(cookie) is None
    assert not page.exception and not page.button


@pytest.mark.slow
def test_state_of_another_user_is_not_taken_over(
    page: AppTest, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_name("ben", logins, monkeypatch)
    page.run()
    page.session_state["secret"] = "ben's words"
    as_name("ann", logins, monkeypatch)
    page.run()
    assert "secret" not in page.session_state


@pytest.mark.slow
def test_an_expired_page_has_no_user(logins: Logins, page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def script() -> None:
        import streamlit as st

        from framelens.core import roles
        from framelens.core.errors import InputError

        try:
            st.write(roles.current_user().name)
        except InputError as error:
            st.write(error.key)

    cookie = as_name("ben", logins, monkeypatch)
    shown = AppTest.from_function(script).run()
    assert shown.markdown[0].value == "ben"
    logins.log_out(cookie)
    assert shown.run().markdown[0].value == "login_needed"


AUTH = {"redirect_uri": "http://127.0.0.1/oauth2callback", "cookie_secret": "secret"}
PROVIDER = {"client_id": "framelens", "client_secret": "secret", "server_metadata_url": "http://127.0.0.1:9/known"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("auth", "labels"),
    [
        ({**AUTH, **PROVIDER}, ["Log in with your organisation"]),
        ({**AUTH, "acme": PROVIDER, "corp": PROVIDER}, ["Log in with acme", "Log in with corp"]),
    ],
)
def test_services_of_the_secrets_have_buttons(
    auth: dict[str, object],
    labels: list[str],
    page: AppTest,
    accounts: Accounts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page.secrets["auth"] = auth
    monkeypatch.setattr(user_info, "_get_user_info", lambda: {"is_logged_in": False})
    page.run()
    assert not page.exception and [one.label for one in page.button] == labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"email": "Kim@example.org", "email_verified": True}, ""),
        ({"email": "kim@example.org"}, ""),
        ({"email": "kim@example.org", "email_verified": False}, "that it has checked"),
        ({}, "that it has checked"),
        ({"email": "new@example.org"}, "has no account here"),
    ],
)
def test_user_of_a_service_gets_a_ticket_by_e_mail(
    claims: dict[str, object],
    said: str,
    page: AppTest,
    accounts: Accounts,
    logins: Logins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kim = accounts.add("kim@example.org", None, "viewer")
    monkeypatch.setattr(user_info, "_get_user_info", lambda: {"is_logged_in": True, "iat": int(time.time()), **claims})
    page.run()
    assert not page.exception
    assert [owner for owner, *_ in logins._tickets.values()] == ([] if said else [kim.name])
    assert [one.key for one in page.button] == (["login_other"] if said else [])
    assert said in " ".join(one.value for one in page.error)
