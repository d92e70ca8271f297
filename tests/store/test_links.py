"""Videos from links, from a server that behaves in twenty ways: each ends in a sentence or in the whole file."""

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import AppError, Cancelled, StorageError
from framelens.core.links import SourceSettings, typed_link, unsigned
from framelens.core.roles import User, as_user
from framelens.i18n import LANGUAGES, error_text, in_language
from framelens.store.videos import outbound, video_repository
from framelens.store.videos.link_transfer import FetchProgress
from framelens.store.videos.links import LinkFetcher, may_name_any
from framelens.store.videos.upload_limits import UploadLimits
from framelens.store.videos.video_repository import VideoRepository
from tests.video_server import Served, serving

LOOPBACK = ("127.0.0.0/8", "::1/128")
SETTINGS = SourceSettings(private_networks=LOOPBACK)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(os.urandom(300_000)) as server:
        yield server


@pytest.fixture
def videos(tmp_path: Path) -> VideoRepository:
    return VideoRepository(tmp_path / "data", (), tmp_path / "sample.mp4")


class Fetching:
    """A fetcher, with what it said on the way."""

    def __init__(self, videos: VideoRepository, settings: SourceSettings = SETTINGS) -> None:
        self.videos = videos
        self.links = LinkFetcher(videos, settings, is_open=True)
        self.cancel = threading.Event()
        self.seen: list[FetchProgress] = []

    def __call__(self, url: str, at: Callable[[FetchProgress], object] = lambda now: None) -> Path:
        def note(now: FetchProgress) -> None:
            self.seen.append(now)
            at(now)

        return self.videos.path(self.links.fetch(typed_link(url), note, self.cancel))


@pytest.fixture
def fetch(videos: VideoRepository) -> Fetching:
    return Fetching(videos)


def refusal(work: Callable[[], object]) -> str:
    """The key of the error, which has a sentence in both languages."""
    with pytest.raises(AppError) as refused:
        work()
    for language in LANGUAGES:
        with in_language(language):
            text = error_text(refused.value)
            assert len(text) > 20 and "{" not in text and refused.value.key not in text
    return refused.value.key


def parts(videos: VideoRepository) -> list[str]:
    return sorted(path.suffix for path in videos._parts.iterdir())


def test_a_file_is_fetched_with_its_link(served: Served, fetch: Fetching) -> None:
    path = fetch(f"{served.url}/good/door.mp4?id=7&token=secret")
    assert path.read_bytes() == served.data
    link = VideoRepository.link_of(path)
    assert link and link.url == f"{served.url}/good/door.mp4?id=7"
    assert link.retrieved.startswith("20") and path.name == "door.mp4"
    assert fetch.seen[0] == FetchProgress("door.mp4", 0, len(served.data))
    assert fetch.seen[-1].received_bytes == len(served.data)
    assert parts(fetch.videos) == []


def test_an_unchanged_file_is_not_fetched_again(served: Served, fetch: Fetching) -> None:
    first = fetch(f"{served.url}/good/a.mp4?Expires=1&Signature=x")
    sent = served.sent
    assert fetch(f"{served.url}/good/a.mp4?Expires=2&Signature=y") == first
    assert served.sent == sent
    served.data = os.urandom(1000)
    second = fetch(f"{served.url}/good/a.mp4")
    assert second != first and second.read_bytes() == served.data and first.is_file()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("good/%E9%97%A8%20a.mp4", "门 a.mp4"),
        ("good/门 a.mp4", "门 a.mp4"),
        ("good/%D6%D0%CE%C4.mp4", "中文.mp4"),  # in GBK
        ("named/x", "门口.mp4"),
        ("good/", "good.mp4"),
    ],
)
def test_names_are_readable(served: Served, fetch: Fetching, path: str, name: str) -> None:
    assert fetch(f"{served.url}/{path}").name == name


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("cut/a.mp4", "url_cut_off"), ("packed/a.mp4", "url_compressed"),
        ("endless/a.mp4", "url_too_large"), ("huge/a.mp4", "url_too_large"),
        ("live/a.m3u8", "url_live"), ("camera", "url_live"), ("picture/a.jpg", "url_other"),
        ("empty/a.mp4", "url_empty"), ("expired/a.mp4", "url_denied"), ("busy/a.mp4", "url_busy"),
        ("gone/a.mp4", "url_refused"), ("nowhere/", "url_refused"), ("unsized/a.mp4", "url_broken_off"),
        ("part/first/a.mp4", "url_cut_off"),
        ("to/?/to/?/to/?/to/?/to/?/to/?/to/?", "url_redirects"), ("to/?http://169.254.169.254/a", "url_leads_inward"),
        ("to/?http://10.0.0.1/a.mp4", "url_leads_inward"), ("to/?s3://bucket/a.mp4", "url_invalid"),
        ("to/?file:///etc/passwd", "url_invalid"),
    ],
)  # fmt: skip
def test_each_fault_has_a_sentence(served: Served, videos: VideoRepository, path: str, key: str) -> None:
    fetch = Fetching(videos, replace(SETTINGS, most_bytes=20_000_000))
    assert refusal(lambda: fetch(f"{served.url}/{path}")) == key
    assert parts(videos) == [] and not list(videos._folder.glob("*.json"))


def test_a_part_of_all_bytes_is_the_whole(served: Served, fetch: Fetching) -> None:
    assert fetch(f"{served.url}/part/a.mp4").read_bytes() == served.data


def test_pages_need_the_plugin(served: Served, fetch: Fetching, use_plugins: Callable[..., None]) -> None:
    use_plugins()
    assert refusal(lambda: fetch(f"{served.url}/page/")) == "url_is_page"


def test_loopback_is_private_unless_it_is_allowed(served: Served, videos: VideoRepository) -> None:
    fetch = Fetching(videos, SourceSettings())
    assert refusal(lambda: fetch(f"{served.url}/good/a.mp4")) == "address_private"
    assert refusal(lambda: fetch(f"{served.url.replace('127.0.0.1', 'localhost')}/good/a.mp4")) == "address_private"
    assert served.asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.2", "2130706434", "0x7f000002", "017700000002", "127.2", "[::1]", "[::ffff:127.0.0.2]", "0"],
)
def test_redirects_to_this_machine_are_refused(served: Served, videos: VideoRepository, address: str) -> None:
    fetch = Fetching(videos, SourceSettings(private_networks=("127.0.0.1/32",)))
    port = served.url.rpartition(":")[2]
    assert refusal(lambda: fetch(f"{served.url}/to/?http://{address}:{port}/good/a.mp4")) == "url_leads_inward"
    assert len(served.asked) == 1


def test_a_broken_connection_is_continued(served: Served, fetch: Fetching) -> None:
    assert fetch(f"{served.url}/broken/a.mp4").read_bytes() == served.data
    assert [asked.get("Range") for _, asked in served.asked] == [None, f"bytes={len(served.data) // 2}-"]
    assert served.sent == len(served.data)


@pytest.mark.slow
def test_a_silent_server_is_named(served: Served, fetch: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "_IDLE_SECONDS", 2.0)
    served.going.clear()
    path = fetch(f"{served.url}/slow/a.mp4")  # silent after its half, then a range
    assert path.read_bytes() == served.data
    served.data = b""
    assert refusal(lambda: fetch(f"{served.url}/slow/b.mp4")) == "url_empty"


def test_a_cancelled_fetch_continues_later(served: Served, fetch: Fetching) -> None:
    served.going.clear()
    half = len(served.data) // 2
    with pytest.raises(Cancelled):
        fetch(f"{served.url}/slow/a.mp4", lambda now: now.received_bytes == half and fetch.cancel.set())
    assert parts(fetch.videos) == [".json", ".part"]
    fetch.cancel.clear()
    assert fetch(f"{served.url}/slow/a.mp4").read_bytes() == served.data
    assert served.asked[-1][1]["If-Range"] == served.etag and served.sent == len(served.data)
    assert parts(fetch.videos) == []


@pytest.mark.parametrize("change", ["content", "size", "server"])
def test_a_changed_file_begins_again(served: Served, fetch: Fetching, change: str) -> None:
    served.going.clear()
    half = len(served.data) // 2
    with pytest.raises(Cancelled):
        fetch(f"{served.url}/slow/a.mp4", lambda now: now.received_bytes == half and fetch.cancel.set())
    fetch.cancel.clear()
    served.going.set()
    if change != "server":
        served.data = os.urandom(len(served.data) + (change == "size"))
    path = "wrongrange" if change == "server" else "good"
    part = next(videos_part for videos_part in fetch.videos._parts.glob("*.part"))
    other = fetch.videos._id_of(Path(f"link:{served.url}/{path}/a.mp4"))
    for suffix in (".part", ".json"):  # the same link, as another server answers it
        part.with_suffix(suffix).rename(part.with_name(f"{other}{suffix}"))
    if change == "server":
        assert refusal(lambda: fetch(f"{served.url}/{path}/a.mp4")) in ("url_unreachable", "url_changes")
        return
    assert fetch(f"{served.url}/{path}/a.mp4").read_bytes() == served.data


def test_without_ranges_it_begins_again(served: Served, fetch: Fetching) -> None:
    assert fetch(f"{served.url}/noranges/a.mp4").read_bytes() == served.data
    assert fetch(f"{served.url}/noranges/a.mp4").read_bytes() == served.data
    assert served.sent == 2 * len(served.data)  # nothing says that it is unchanged


def test_a_full_disk_is_named(served: Served, fetch: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = video_repository.shutil.disk_usage("/")
    monkeypatch.setattr(video_repository.shutil, "disk_usage", lambda _: usage._replace(free=100))
    assert refusal(lambda: fetch(f"{served.url}/good/a.mp4")) == "disk_full"
    assert parts(fetch.videos) == []


def test_the_quota_of_the_user_holds(served: Served, fetch: Fetching) -> None:
    fetch.videos._limits = UploadLimits(1000, 9)
    assert refusal(lambda: fetch(f"{served.url}/good/a.mp4")) == "upload_too_large"


def test_two_that_fetch_one_link_share_it(served: Served, fetch: Fetching, videos: VideoRepository) -> None:
    served.going.clear()
    found: list[Path] = []
    first = threading.Thread(target=lambda: found.append(fetch(f"{served.url}/slow/a.mp4")))
    first.start()
    while not fetch.seen:
        time.sleep(0.01)
    other = Fetching(videos)
    second = threading.Thread(target=lambda: found.append(other(f"{served.url}/slow/a.mp4")))
    second.start()
    served.going.set()
    first.join()
    second.join()
    assert [path.read_bytes() for path in found] == [served.data] * 2 and parts(videos) == []


def test_broken_tls_is_named(served: Served, fetch: Fetching, tmp_path: Path) -> None:
    certificate = tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
         "/CN=localhost", "-keyout", certificate, "-out", tmp_path / "crt.pem"], check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt.pem", certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(ssl.SSLError, ConnectionError):
                context.wrap_socket(listener.accept()[0], server_side=True)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        assert refusal(lambda: fetch(f"https://127.0.0.1:{port}/a.mp4")) == "url_insecure"
        thread.join()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_an_ipv6_address_is_reached(fetch: Fetching) -> None:
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvideo")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert fetch(f"http://[::1]:{listener.getsockname()[1]}/a.mp4").read_bytes() == b"video"
        thread.join()


def test_only_the_operator_names_any_address() -> None:
    assert may_name_any(is_shared=False) and not may_name_any(is_shared=True)
    with as_user(User("1", "ann", "analyst")):
        assert not may_name_any(is_shared=False)


def test_signatures_are_removed_from_links() -> None:
    signed = "https://b.s3.amazonaws.com/a.mp4?X-Amz-Signature=1&X-Amz-Date=2&versionId=3&Key-Pair-Id=4&AccessKeyId=5"
    assert unsigned(signed) == "https://b.s3.amazonaws.com/a.mp4?versionId=3"
    assert unsigned("https://host/watch?v=abc&list=x#t=3") == "https://host/watch?v=abc&list=x"


def test_a_disk_that_fills_is_named(served: Served, fetch: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("framelens.store.videos.arriving_video.ArrivingVideo.write", full)
    with pytest.raises(StorageError) as refused:
        fetch(f"{served.url}/good/a.mp4")
    assert refused.value.key == "disk_full_now"
