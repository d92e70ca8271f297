"""Videos of pages, found by yt-dlp on a server of this machine, and links given to a command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framelens.plugins.sources import ytdlp
from framelens.store.videos.video_repository import VideoRepository
from tests.store.test_links import SETTINGS, Fetching, fetch, parts, refusal, served, videos
from tests.video_server import Served

__all__ = ["fetch", "served", "videos"]


@pytest.mark.slow
def test_the_video_of_a_page_is_fetched(served: Served, fetch: Fetching) -> None:
    path = fetch(f"{served.url}/page/")
    assert path.read_bytes() == served.data and path.name == "门口的猫.mp4"
    link = VideoRepository.link_of(path)
    assert link and (link.url, link.title) == (f"{served.url}/page/", "门口的猫")
    sent = served.sent
    assert fetch(f"{served.url}/page/") == path and served.sent - sent < 1000  # the page alone


@pytest.mark.slow
def test_a_page_can_lead_nowhere_private(served: Served, fetch: Fetching) -> None:
    assert refusal(lambda: fetch(f"{served.url}/inward/")) == "address_private"


def test_pages_need_yt_dlp(served: Served, fetch: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ytdlp, "_command", lambda: None)
    assert refusal(lambda: fetch(f"{served.url}/page/")) == "links_missing"


Say = Callable[[object], None]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Return a function that sets what a stand-in for yt-dlp says of every page."""
    said = tmp_path / "said.json"
    program = [sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", str(said)]
    monkeypatch.setattr(ytdlp, "_command", lambda: program)

    def set_page(page: object) -> None:
        said.write_text(json.dumps(page))

    return set_page


@pytest.mark.parametrize("url", ["s3://private/secret.mp4", "S3://b/a.mp4", "file:///etc/hosts", "ftp://h/a", "a"])
@pytest.mark.parametrize("is_apart", [False, True])
def test_a_page_names_files_of_the_web_alone(
    url: str, is_apart: bool, served: Served, videos: VideoRepository, say: Say
) -> None:
    fetch = Fetching(videos, SETTINGS)
    good = {"url": f"{served.url}/good/a.mp4", "protocol": "http"}
    bad = {"url": url, "protocol": "https"}
    say({"requested_formats": [good, bad]} if is_apart else bad)
    assert refusal(lambda: fetch(f"{served.url}/page/")) == "url_invalid"
    say(good)
    assert fetch(f"{served.url}/page/").read_bytes() == served.data


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e308, 10**400, -5, "long", [], True])
def test_a_length_that_makes_no_sense_is_unknown(seconds: object, served: Served, fetch: Fetching, say: Say) -> None:
    say({"url": f"{served.url}/good/a.mp4", "protocol": "http", "duration": seconds})
    assert fetch(f"{served.url}/page/").read_bytes() == served.data
    assert {now.duration_seconds for now in fetch.seen} == {None}
    served.data = served.data[::-1]
    say({"url": f"{served.url}/good/a.mp4", "protocol": "http", "duration": "12.5"})
    fetch(f"{served.url}/page/")
    assert fetch.seen[-1].duration_seconds == 12.5


@pytest.mark.parametrize(
    "page",
    [[1], "text", {"_type": "playlist", "entries": [1, 2], "playlist_count": float("nan")}, {"requested_downloads": 7},
     {"requested_formats": [None]}, {"url": "http://h/a", "protocol": "http", "http_headers": 5}],
)  # fmt: skip
def test_a_page_that_makes_no_sense_has_a_sentence(page: object, served: Served, fetch: Fetching, say: Say) -> None:
    say(page)
    assert refusal(lambda: fetch(f"{served.url}/page/")) == "url_no_video"


@pytest.mark.slow
def test_segments_are_fetched_by_yt_dlp(served: Served, fetch: Fetching) -> None:
    path = fetch(f"{served.url}/segments/film.m3u8")
    assert path.read_bytes() == served.data and path.suffix == ".ts"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "key"),
    [("html/", "url_no_video"), ("login/", "url_login"), ("two/", "url_several"), ("hidden/a.mp4", "url_other")],
)
def test_each_fault_has_a_sentence(served: Served, fetch: Fetching, path: str, key: str) -> None:
    assert refusal(lambda: fetch(f"{served.url}/{path}")) == key
    assert parts(fetch.videos) == [] and not list(fetch.videos._folder.glob("*.json"))


@pytest.mark.slow
def test_a_killed_program_continues(served: Served, videos: VideoRepository, tmp_path: Path) -> None:
    served.going.clear()
    settings = {
        "FRAMELENS_DATA_DIR": str(tmp_path / "data"),
        "FRAMELENS_NETWORK": '{"private_networks": "127.0.0.0/8"}',
    }
    command = [sys.executable, "-m", "framelens", "keyframes", f"{served.url}/slow/a.mp4"]
    killed = subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    half = len(served.data) // 2
    while not any(path.stat().st_size > half // 2 for path in videos._parts.glob("*.part")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not list(videos._folder.glob("*.json"))
    served.going.set()
    sent = served.sent
    assert Fetching(videos)(f"{served.url}/slow/a.mp4").read_bytes() == served.data
    assert served.asked[-1][1]["Range"].startswith("bytes=") and sent <= len(served.data)
