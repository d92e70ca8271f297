"""An installation with accounts behind nginx with HTTPS, as its users see it, and logins through another service."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.audit import entries
from framelens.store.authentication import COOKIE
from framelens.store.database import Store
from tests.browser.conftest import Visit, expect_user, log_out, running
from tests.browser.test_analyse_in_browser import is_video, upload, video_of
from tests.plugins.accounts.browser.test_login_in_browser import PASSWORD, log_in
from tests.reverse_proxy import NAME, NGINX, free_port, reverse_proxy

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(NGINX is None, reason="no nginx (apt-get install nginx-light)"),
]
BASE = "frames/"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "data" / "framelens.sqlite")
    accounts = Accounts(opened)
    accounts.add("ann", PASSWORD, "administrator")
    accounts.add("ben@example.org", None, "analyst")
    yield opened
    opened.close()


@pytest.fixture
def url(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page below a path of an HTTPS server, with a service that checks logins."""
    monkeypatch.setenv("FRAMELENS_NETWORK", '{"trusted_proxies": "127.0.0.1"}')
    port = free_port()
    with provider() as login:
        secrets = tmp_path / "secrets.toml"
        secrets.write_text(
            f"""[auth]
redirect_uri = "https://{NAME}:{port}/{BASE}oauth2callback"
cookie_secret = "a long random text of this test"
client_id = "framelens"
client_secret = "a secret"
server_metadata_url = "{login}/.well-known/openid-configuration"
"""
        )
        options = (
            f"--browser.serverAddress={NAME}",
            f"--browser.serverPort={port}",
            f"--secrets.files={secrets}",
            f"--server.baseUrlPath={BASE}",
        )
        with (
            running("app/main.py", tmp_path, *options) as app,
            reverse_proxy(tmp_path / "nginx", port, urlsplit(app.url).port or 0) as url,
        ):
            yield f"{url}/{BASE}"


@contextmanager
def provider() -> Iterator[str]:
    """A service that checks logins (OpenID Connect), in a process of its own."""
    port = free_port()
    claims = json.dumps({"sub": "ben", "email": "ben@example.org", "email_verified": True})
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--user-claims", claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def fetched(page: Page, url: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of what the page itself gets at an address."""
    program = """([url, headers]) => fetch(url, {headers, cache: "no-store"})
        .then(got => [got.status, Object.fromEntries(got.headers)])"""
    status, answered = page.evaluate(program, [url, headers])
    return status, answered


def is_secure(page: Page, url: str) -> bool:
    """Whether each cookie is sent by HTTPS only, and the browser is to use nothing else."""
    cookies = [one for one in page.context.cookies() if one["domain"] == NAME]
    return all(one["secure"] for one in cookies) and "strict-transport-security" in fetched(page, url)[1]


def test_a_user_behind_a_proxy_gets_from_login_to_logout(url: str, visit: Visit, clip: Path, store: Store) -> None:
    page, statuses = visit.page, []
    page.on("response", lambda got: statuses.append(got.status) if is_video(got.url) else None)
    page.goto(url)
    log_in(page, "ann")
    expect_user(page, "ann · administrator")
    assert is_secure(page, url)
    (cookie,) = [one for one in page.context.cookies() if one["name"] == COOKIE]
    assert cookie["path"] == "/frames" and cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    upload(page, clip)
    video = video_of(page)
    assert set(statuses) == {206}
    page.get_by_role("button", name="Analyse without a model").click()
    expect(page.get_by_text("No model has seen this")).to_be_visible()
    page.get_by_role("button", name="Save report").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML", exact=True).click()
    assert "</html>" in Path(download.value.path()).read_text(encoding="utf-8")
    media = video.get_attribute("src") or ""
    address = f"{url.removesuffix('/frames/')}{media}"
    assert fetched(page, address, Range="bytes=0-9")[0] == 206
    log_out(page)
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    assert fetched(page, address)[0] == 401
    assert entries(store, limit=1, actions=["login"])[0].object_name == "ann (127.0.0.1)"
    assert visit.hosts <= {url.split("/")[2], ""}
    assert [one for one in visit.complaints if "401" not in one] == []


@pytest.mark.thorough
def test_another_service_checks_a_login(url: str, visit: Visit, store: Store) -> None:
    page = visit.page
    page.goto(url)
    page.get_by_role("button", name="Log in with your organisation").click()
    page.get_by_role("button", name="ben", exact=True).click()
    expect_user(page, "ben@example.org · analyst")
    assert page.url.startswith(url)
    assert is_secure(page, url)
    page.reload()
    expect_user(page, "ben@example.org · analyst")
    log_out(page)
    # Wherever the service leads, or where the way there was cut off: the login there begins no second session.
    page.goto(url)
    expect(page.get_by_role("button", name="Log in with your organisation")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    page.get_by_role("button", name="Log in with your organisation").click()
    page.get_by_role("button", name="ben", exact=True).first.click()
    expect_user(page, "ben@example.org · analyst")
