"""Requests that programs ask for: only to listed and public addresses, bounded, and to the address that was checked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest

from framelens.core.errors import AppError, Cancelled
from framelens.core.links import SourceSettings
from framelens.store.videos import outbound
from framelens.store.videos.outbound import Outbound
from tests.loopback import Handler, listening

LOOPBACK = ("127.0.0.0/8", "::1/128")
Answer = Callable[[Any], None]


@pytest.fixture
def answers() -> dict[str, Answer]:
    """What the server does with a request, by its path."""
    return {}


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    """Path and Host of the requests that arrived."""
    return []


@pytest.fixture
def server(answers: dict[str, Answer], asked: list[tuple[str, str]]) -> Iterator[str]:
    class Files(Handler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Host"]))
            answers[self.path.partition("?")[0]](self)

        do_POST = do_GET

    with listening(Files) as url:
        yield url


def body(content: bytes, length: int | None = None) -> Answer:
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    return answer


def redirect(target: str) -> Answer:
    def answer(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def fetched(url: str, *urls: str, networks: tuple[str, ...] = LOOPBACK, **settings: Any) -> bytes:
    file = BytesIO()
    client = Outbound(SourceSettings(urls or (url,), networks, **settings))
    client.get(url, lambda _: file.write, threading.Event())
    return file.getvalue()


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(AppError) as refused:
        work()
    return refused.value.key


def test_a_file_is_fetched_from_a_listed_address(server: str, answers: dict[str, Answer]) -> None:
    answers["/films/a.mp4"] = body(b"a video")
    assert fetched(f"{server}/films/a.mp4", f"{server}/films/") == b"a video"


def test_the_connection_goes_to_the_checked_address(
    server: str, answers: dict[str, Answer], asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers["/a"] = body(b"here")
    port = int(server.rpartition(":")[2])
    resolved = []

    def resolve(host: str, *_: Any, **__: Any) -> list[Any]:
        resolved.append(host)
        address = "127.0.0.1" if len(resolved) == 1 else "192.0.2.1"  # another address, asked again
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(
        outbound.socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve(host) if host == "media.test" else real(host, *a, **k),
    )
    assert fetched(f"http://media.test:{port}/a") == b"here"
    assert asked == [("/a", f"media.test:{port}")]
    assert resolved == ["media.test"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "192.0.0.8", "192.0.0.1", "192.88.99.1",
        "198.18.0.1", "240.0.0.1", "255.255.255.255", "2001:db8::1", "2001:0:7f00:1::", "2001:20::1", "3fff::1",
        "5f00::1", "100::1", "ff0e::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::", "::2",
        "4000::1",
    ],
)  # fmt: skip
def test_no_private_address_is_reached(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    client = Outbound(SourceSettings())
    assert refusal(lambda: client.resolve(f"http://{host}/")) == "address_private"
    assert refusal(lambda: client.post(f"http://{host}/", b"", {}, 5)) == "address_private"


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::"]
)
def test_an_address_of_the_whole_world_is_reached(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert Outbound(SourceSettings()).resolve(f"http://{host}/") == str(address)


def test_a_name_with_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: found)
    assert refusal(lambda: fetched("https://innocent.example/a", networks=())) == "address_private"


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/other/a.mp4", "https://media.example/filmsx", "http://media.example/films/a.mp4",
        "https://media.example:444/films/a", "https://evil.example/films/a", "https://xmedia.example/films/a",
        "https://media.example/films-private/a.mp4", "https://example.org/a",
    ],
)  # fmt: skip
def test_other_addresses_are_not_listed(url: str) -> None:
    listed = ("https://media.example/films/", "https://*.example.org/")
    assert refusal(lambda: Outbound(SourceSettings(listed)).check_source(url)) == "url_not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/films/a.mp4", "https://media.example:443/films/a",
        "https://a.example.org/x", "https://MEDIA.example/films/b",
    ],
)  # fmt: skip
def test_listed_addresses_are_accepted(url: str) -> None:
    listed = ("https://media.example/films/", "https://*.example.org/")
    Outbound(SourceSettings(listed)).check_source(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/films/../secret", "https://media.example/films/%2e%2e/secret", "ftp://media.example/films/",
        "https://me:pw@media.example/films/a", "https:///films/a", "https://media.example:0/films/a",
        "https://media.example:99999/films/", "https://media.example/films/\r\nX: y", "https://media.example\\@evil/films/",
        "file:///etc/passwd", "https://[::1/films/",
    ],
)  # fmt: skip
def test_odd_addresses_are_invalid(url: str) -> None:
    client = Outbound(SourceSettings(("https://media.example/films/",)))
    assert refusal(lambda: client.check_source(url)) == "url_invalid"


def test_redirects_stay_on_the_list(server: str, answers: dict[str, Answer], asked: list[tuple[str, str]]) -> None:
    answers |= {
        "/a": redirect("/b"),
        "/b": body(b"moved"),
        "/out": redirect(f"{server}/secret"),
        "/loop": redirect("/loop"),
    }
    listed = tuple(f"{server}/{name}" for name in ("a", "b", "out", "loop"))
    assert fetched(f"{server}/a", *listed) == b"moved"
    assert refusal(lambda: fetched(f"{server}/out", *listed)) == "url_not_allowed"
    assert refusal(lambda: fetched(f"{server}/loop", *listed)) == "url_redirects"
    assert "/secret" not in [path for path, _ in asked]


def test_faults_of_the_server_are_named(server: str, answers: dict[str, Answer]) -> None:
    answers |= {"/cut": body(b"half", 8), "/none": lambda request: request.send_error(404)}
    assert refusal(lambda: fetched(f"{server}/cut")) == "url_unreachable"
    assert refusal(lambda: fetched(f"{server}/none")) == "url_refused"
    assert refusal(lambda: fetched("http://127.0.0.1:9/a")) == "url_unreachable"
    assert refusal(lambda: fetched("http://nothing.invalid/a")) == "host_unknown"


def answering(status: int, **headers: str) -> Answer:
    def answer(request: Any) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content_Length": "0"}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (answering(403), "url_denied"),
        (answering(503), "url_busy"),
        (answering(429, Retry_After="7"), "url_busy"),
        (answering(404), "url_refused"),
    ],
)
def test_refusals_of_files_are_named(server: str, answers: dict[str, Answer], answer: Answer, key: str) -> None:
    answers |= {"/films/a": answer}
    assert refusal(lambda: fetched(f"{server}/films/a")) == key


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("17", 17), ("", 60), ("soon", 60), ("9" * 30, 86_400), ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400)],
)
def test_a_busy_server_says_when_to_try_again(
    server: str, answers: dict[str, Answer], given: str, seconds: int
) -> None:
    answers |= {"/a": answering(429, Retry_After=given)}
    with pytest.raises(AppError) as refused:
        fetched(f"{server}/a")
    assert refused.value.values["wait"] == seconds


def test_size_is_bounded_announced_or_not(server: str, answers: dict[str, Answer]) -> None:
    def endless(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(bytes(1 << 16))

    answers |= {"/announced": body(b"x" * 2000), "/endless": endless}
    for path in ("announced", "endless"):
        assert refusal(lambda path=path: fetched(f"{server}/{path}", most_bytes=1000)) == "url_too_large"  # type: ignore[misc]


@pytest.mark.parametrize("is_in_headers", [True, False])
def test_a_dripping_server_ends_at_the_deadline(server: str, answers: dict[str, Answer], is_in_headers: bool) -> None:
    def drip(request: Any) -> None:
        if not is_in_headers:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(2000):
            request.wfile.write(b"x")
            time.sleep(0.01)

    answers["/drip"] = drip
    assert refusal(lambda: fetched(f"{server}/drip", most_seconds=0.3)) == "url_too_slow"


def test_a_cancelled_fetch_ends(server: str, answers: dict[str, Answer]) -> None:
    waiting, cancel = threading.Event(), threading.Event()

    def stall(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        waiting.wait(60)

    answers["/a"] = stall
    client = Outbound(SourceSettings((server,), LOOPBACK))
    with pytest.raises(Cancelled):
        client.get(f"{server}/a", lambda _: lambda piece: cancel.set(), cancel)
    waiting.set()
