"""The proxy of yt-dlp: its own password, checked addresses, and no more bytes than the limit."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from framelens.core.links import SourceSettings
from framelens.plugins.sources.guard_proxy import GuardProxy
from framelens.store.videos.outbound import Outbound
from tests.video_server import Served, serving

NETWORKS = ("127.0.0.0/8",)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(os.urandom(200_000)) as server:
        yield server


def through(proxy: GuardProxy, url: str) -> httpx.Response:
    with httpx.Client(proxy=proxy.url, trust_env=False, timeout=20) as client:
        return client.get(url)


def tunnel(proxy: GuardProxy, target: str, password: str | None = None) -> bytes:
    """The first line of the answer to CONNECT."""
    parts = urlsplit(proxy.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        given = httpx.BasicAuth(parts.username or "", password or parts.password or "")._auth_header
        connection.sendall(f"CONNECT {target} HTTP/1.1\r\nProxy-Authorization: {given}\r\n\r\n".encode())
        return connection.recv(4096).split(b"\r\n")[0]


def test_requests_pass_to_allowed_hosts(served: Served) -> None:
    with GuardProxy(Outbound(SourceSettings((), NETWORKS), is_open=True)) as proxy:
        assert through(proxy, f"{served.url}/noranges/a.mp4").content == served.data
        assert tunnel(proxy, served.url.removeprefix("http://")) == b"HTTP/1.1 200 Connection established"
    assert proxy.refused is None


@pytest.mark.slow
def test_each_answer_is_the_last_of_its_connection(served: Served) -> None:
    with GuardProxy(Outbound(SourceSettings((), NETWORKS), is_open=True)) as proxy:
        answer = through(proxy, f"{served.url}/good/a.mp4")
        assert answer.headers["connection"] == "close" and answer.content == served.data
        with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as threads:
            threads.submit(lambda: silent.accept()[0].close())
            assert through(proxy, f"http://127.0.0.1:{silent.getsockname()[1]}/").status_code == 502


@pytest.mark.parametrize("target", ["127.0.0.1:80", "[::1]:443", "169.254.169.254:80", "localhost:22", "10.0.0.1:443"])
def test_private_hosts_are_refused(target: str) -> None:
    with GuardProxy(Outbound(SourceSettings(), is_open=True)) as proxy:
        assert tunnel(proxy, target) == b"HTTP/1.1 403 Forbidden"
        assert "[" in target or through(proxy, f"http://{target}/").status_code == 403
    assert proxy.refused and proxy.refused.key == "address_private"


def test_other_programs_are_refused(served: Served) -> None:
    with GuardProxy(Outbound(SourceSettings((), NETWORKS), is_open=True)) as proxy:
        target = served.url.removeprefix("http://")
        assert tunnel(proxy, target, "guessed") == b"HTTP/1.1 407 Proxy Authentication Required"
    assert served.asked == []


def test_unlisted_hosts_are_refused_to_others(served: Served) -> None:
    with GuardProxy(Outbound(SourceSettings((f"{served.url}/films/",), NETWORKS))) as proxy:
        assert through(proxy, f"{served.url}/good/a.mp4").status_code == 403
    with GuardProxy(Outbound(SourceSettings((f"{served.url}/",), NETWORKS))) as proxy:
        assert through(proxy, f"{served.url}/good/a.mp4").content == served.data


def test_bytes_are_limited(served: Served) -> None:
    limited = Outbound(SourceSettings((), NETWORKS, most_bytes=100_000), is_open=True)
    with GuardProxy(limited) as proxy, pytest.raises(httpx.RemoteProtocolError):
        through(proxy, f"{served.url}/noranges/a.mp4")


@pytest.mark.parametrize("request_line", [b"GET /etc/passwd HTTP/1.1", b"nonsense", b"GET ftp://host/a HTTP/1.1"])
def test_other_requests_end_with_an_error(request_line: bytes) -> None:
    with GuardProxy(Outbound(SourceSettings(), is_open=True)) as proxy:
        parts = urlsplit(proxy.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            given = httpx.BasicAuth(parts.username or "", parts.password or "")._auth_header.encode()
            connection.sendall(request_line + b"\r\nProxy-Authorization: " + given + b"\r\n\r\n")
            assert connection.recv(4096)[9:12] in (b"403", b"502")
