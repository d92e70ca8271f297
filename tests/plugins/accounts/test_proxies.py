"""The address of a login behind a reverse proxy: in its limits and in the audit log."""

import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from framelens.composition import Services
from framelens.plugins.accounts import login_limits, logins
from framelens.plugins.accounts.accounts import Accounts
from framelens.plugins.accounts.audit import entries
from framelens.store.database import Store
from tests.api import test_proxies
from tests.api.test_proxies import FROM_PROXY, Open
from tests.browser.conftest import running

PASSWORD = "correct horse battery"
open_app = test_proxies.open_app


@pytest.mark.thorough
@pytest.mark.slow
def test_login_limits_and_audit_have_the_real_client(
    open_app: Open, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    Accounts(services.store).add("ann", PASSWORD, "administrator")
    client = open_app("127.0.0.1")

    def attempt(number: int, address: str, **headers: str) -> int:
        given = {"name": f"name{number}", "password": "wrong"}
        return client.post("/api/session", json=given, headers={"X-Forwarded-For": address, **headers}).status_code

    monkeypatch.setattr(logins, "fits", lambda *_: False)
    for number in range(login_limits.PER_ADDRESS):
        assert attempt(number, f"10.9.9.{number}, 203.0.113.9") == 401
    assert attempt(99, "192.0.2.1, 203.0.113.9") == 429
    assert attempt(99, "203.0.113.10") == 401
    monkeypatch.undo()
    sent = {"name": "ann", "password": PASSWORD}
    assert client.post("/api/session", json=sent, headers=FROM_PROXY).status_code == 429
    assert client.post("/api/session", json=sent, headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 204
    assert entries(services.store, limit=1)[0].object_name == "ann (203.0.113.7)"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the other addresses of loopback aren't set up")
def test_the_real_server_believes_no_other_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMELENS_NETWORK", '{"trusted_proxies": ["127.0.0.9", "10.0.0.0/8"]}')
    with closing(Store(tmp_path / "data" / "framelens.sqlite")) as store, running("app/main.py", tmp_path) as app:
        Accounts(store).add("ann", PASSWORD, "administrator")

        def seen(peer: str, forwarded: str) -> str:
            """The address that the audit log has of a login."""
            transport = httpx.HTTPTransport(local_address=peer)
            headers = {"X-Forwarded-For": forwarded, "Origin": app.url.rstrip("/")}
            with httpx.Client(base_url=app.url, transport=transport, headers=headers) as client:
                sent = client.post("api/session", json={"name": "ann", "password": PASSWORD})
            assert sent.status_code == 204, sent.text
            return entries(store, limit=1, actions=["login"])[0].object_name

        assert seen("127.0.0.1", "203.0.113.9") == "ann (127.0.0.1)"  # uvicorn alone would believe this address
        assert seen("127.0.0.9", "203.0.113.9") == "ann (203.0.113.9)"
        assert seen("127.0.0.9", "198.51.100.1, 203.0.113.8, 10.1.2.3") == "ann (203.0.113.8)"
