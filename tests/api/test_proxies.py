"""What headers of reverse proxies change: nothing, unless a trusted proxy sends them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from framelens import config
from framelens.api import AllowedHosts, Gate, PageProtection, SessionProtection, TrustedProxies, routes
from framelens.composition import Services
from framelens.core.errors import ConfigError
from tests.api.test_sessions import ANYTHING
from tests.app.fake_services import with_bench
from tests.users import ADA, SESSIONS, add_users

HOSTS = AllowedHosts.for_server("127.0.0.1", public_name="frames.example.org")
FROM_PROXY = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "frames.example.org",
}
Open = Callable[..., TestClient]


async def _shown(request: Request) -> Response:
    client = request.client.host if request.client else ""
    names = [name for name in request.headers if name.startswith("x-") or name == "forwarded"]
    shown = {"client": client, "url": str(request.url), "proxy": names}
    answer = JSONResponse(shown)
    answer.set_cookie("other", "1")
    return answer


@pytest.fixture
def open_app(services: Services) -> Iterator[Open]:
    opened: list[TestClient] = []

    def open_client(trusted: str = "", client: str = "127.0.0.1") -> TestClient:
        gate = Gate(HOSTS)
        settings = services.settings
        access = replace(settings.access, trusted_proxies=tuple(trusted.split()))
        gate.services = with_bench(services, settings=replace(settings, access=access))
        places = [Route(path, _shown) for path in ("/", "/_stcore/metrics")]
        middleware = [
            Middleware(TrustedProxies, gate=gate),
            Middleware(PageProtection, allowed=HOSTS, policy="default-src 'self'"),
            Middleware(SessionProtection, gate=gate, base_path="", messages=ANYTHING),
        ]
        app = Starlette(routes=[*routes(gate), *places], middleware=middleware)
        opened.append(TestClient(app, base_url="http://127.0.0.1:8501", client=(client, 50000)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def accounts(services: Services, use_plugins: Callable[..., None]) -> None:
    use_plugins(accounts=SESSIONS)
    add_users(services.store, ADA)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_a_trusted_proxy_says_who_asks(open_app: Open, accounts: None, peer: str) -> None:
    answer = open_app("127.0.0.1", peer).get("/", headers=FROM_PROXY)
    assert answer.json() == {"client": "203.0.113.9", "url": "https://frames.example.org/", "proxy": []}
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8 fd00::1"])
def test_headers_of_others_change_nothing(open_app: Open, accounts: None, trusted: str) -> None:
    forged = {**FROM_PROXY, "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9;proto=https"}
    answer = open_app(trusted).get("/", headers=forged)
    assert answer.json() == {"client": "127.0.0.1", "url": "http://127.0.0.1:8501/", "proxy": []}
    assert "strict-transport-security" not in answer.headers and "Secure" not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first is what the browser said
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),  # through two trusted proxies
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("unknown", "unknown"),
        ("", "127.0.0.1"),
    ],
)
def test_the_last_untrusted_address_is_the_client(open_app: Open, accounts: None, given: str, client: str) -> None:
    answer = open_app("127.0.0.1 10.0.0.0/8").get("/", headers={"X-Forwarded-For": given})
    assert answer.json()["client"] == client


def test_a_forwarded_name_must_be_one_of_ours(open_app: Open, accounts: None) -> None:
    client = open_app("127.0.0.1")
    assert client.get("/", headers={"X-Forwarded-Host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"X-Forwarded-Host": "evil.example, frames.example.org"}).status_code == 200


def test_without_accounts_a_proxied_request_is_public(open_app: Open) -> None:
    direct = open_app("127.0.0.1")
    assert direct.get("/").status_code == 200
    assert direct.get("/", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 200
    refused = direct.get("/", headers=FROM_PROXY)
    assert (
        refused.status_code == 403
        and "framelens admin users add" in refused.text
        and "frames.example.org" in refused.text
    )
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        assert open_app().get("/", headers=headers).status_code == 403  # a proxy of which no setting says anything


def test_a_wrong_proxy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        config.load({"FRAMELENS_NETWORK": '{"trusted_proxies": ["10.0.0.0/8", "nginx"]}'}, dotenv=tmp_path / "none")
    assert refused.value.values == {"key": "FRAMELENS_NETWORK: trusted_proxies", "value": "nginx"}
