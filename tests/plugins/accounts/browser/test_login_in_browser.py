"""An installation with accounts as its users see it: log in, a wrong password, roles, log out, an account removed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from framelens.core.roles import Role
from framelens.plugins.accounts.accounts import Accounts
from framelens.store.authentication import COOKIE
from framelens.store.database import Store
from tests.browser.conftest import App, Visit, expect_report, expect_user, log_out, open_menu, press_sample, running

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"
USERS: tuple[tuple[str, Role], ...] = (("ann", "administrator"), ("ben", "analyst"))


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """The accounts as the command line changes them, in another process than the app's."""
    store = Store(tmp_path / "data" / "framelens.sqlite")
    opened = Accounts(store)
    for name, role in USERS:
        opened.add(name, PASSWORD, role)
    yield opened
    store.close()


@pytest.fixture
def login_app(accounts: Accounts, tmp_path: Path) -> Iterator[App]:
    with running("tests/browser/rich_app.py", tmp_path) as app:
        app.go.touch()
        yield app


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def test_users_log_in_do_what_they_may_and_log_out(login_app: App, visit: Visit, accounts: Accounts) -> None:
    page = visit.page
    page.goto(f"{login_app.url}library")
    log_in(page, "ben", "a wrong password")
    expect(page.get_by_role("alert")).to_have_text(re.compile("name or the password is wrong"))
    expect(page.get_by_role("link", name="Library")).to_have_count(0)
    log_in(page, "ben")
    expect_user(page, "ben · analyst")
    (cookie,) = [one for one in page.context.cookies() if one["name"] == COOKIE]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    expect(open_menu(page).get_by_role("link", name="System")).to_have_count(0)
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Analyse").click()
    press_sample(page)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    video = page.locator("video").first.get_attribute("src") or ""
    assert page.request.get(f"{login_app.url}{video.lstrip('/')}").status == 200

    accounts.set_role("ben", "viewer")
    page.goto(f"{login_app.url}library")
    expect_user(page, "ben · viewer")
    page.get_by_role("checkbox", name=re.compile("^Select:")).first.check()
    expect(page.get_by_role("button", name=re.compile("^Export 1"))).to_be_visible()
    expect(page.get_by_role("button", name="Delete", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Rename"))).to_have_count(0)
    expect(page.get_by_text("Import reports")).to_have_count(0)

    log_out(page)
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    assert page.request.get(f"{login_app.url}{video.lstrip('/')}").status == 401
    log_in(page, "ann")
    expect_user(page, "ann · administrator")
    expect(open_menu(page).get_by_role("link", name="System")).to_be_visible()


def test_open_page_ends_with_its_account(login_app: App, visit: Visit, accounts: Accounts) -> None:
    page = visit.page
    page.goto(login_app.url)
    log_in(page, "ben")
    expect_user(page, "ben · analyst")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    accounts.remove("ben")
    page.get_by_role("link", name="Library").click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
