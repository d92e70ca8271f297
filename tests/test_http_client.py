"""Clients for engines: addresses and proxies that can't be used are named."""

import os
from collections.abc import Callable

import httpx
import pytest

from framelens.core.errors import ConfigError
from framelens.http_client import short_request
from framelens.i18n import LANGUAGES, error_text
from framelens.llm.chat import EngineChat

ENGINE = "http://engine.example/v1"
CLIENTS: dict[str, Callable[[str], object]] = {
    "chat": lambda url: EngineChat(base_url=url, model="model").invoke("What?"),
    "short": lambda url: short_request(url, "GET", url, api_key="", timeout_seconds=1.0),
}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.http_client._clients", {})
    for name in list(os.environ):
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("proxy", ["socks://me:secret@127.0.0.1:9", "http://127.0.0.1:port"])
def test_unusable_proxy_is_named(monkeypatch: pytest.MonkeyPatch, kind: str, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ConfigError) as caught:
        CLIENTS[kind](ENGINE)
    for language in LANGUAGES:
        text = error_text(caught.value, language)
        assert "ALL_PROXY" in text and "socks5h://" in text and "secret" not in text


def test_engine_on_this_machine_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]"):
        with pytest.raises(httpx.ConnectError):
            CLIENTS["short"](f"http://{host}:1/v1")


def test_name_that_begins_like_loopback_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    with pytest.raises(ConfigError) as caught:
        CLIENTS["short"]("http://127.example.invalid/v1")
    assert caught.value.key == "proxy_unusable"


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("url", ["nonsense", "http://[bad", "http://host:abc", "http://a\x00b/v1", "http://xn--/v1"])
def test_unusable_address_is_named(kind: str, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CLIENTS[kind](url)
    assert caught.value.key == "base_url_invalid"
