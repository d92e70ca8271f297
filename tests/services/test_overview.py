"""Overviews of videos at links: I-frames that are read in parts, at their times, or the whole with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from framelens.core.domain import Notice
from framelens.core.errors import AppError, Cancelled
from framelens.core.events import KeyframesChosen, Probed
from framelens.core.links import SourceSettings
from framelens.i18n import LANGUAGES, in_language, notice_text
from framelens.services import overview
from framelens.services.link_transfer import FetchProgress
from framelens.services.links import LinkFetcher
from framelens.store.videos.video_repository import VideoRepository, link_of, notice_of
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from tests.media import write_video
from tests.video_server import Served, serving

RATE, SECONDS, DISTANCE = 10, 90, 60
"""An I-frame every six seconds."""


def film(path: Path, size: tuple[int, int] = (96, 160), **options: object) -> Path:
    """Pictures of noise, on a ground that says which I-frame they follow."""
    random = np.random.default_rng(1)
    levels = (20 + 12 * (number // DISTANCE) for number in range(RATE * SECONDS))
    images = (random.integers(level, level + 30, (*size, 3), dtype=np.uint8) for level in levels)
    encoder = {"g": str(DISTANCE), "keyint_min": str(DISTANCE), "sc_threshold": "0", "preset": "ultrafast", "qp": "4"}
    return write_video(path, images, rate=RATE, options=encoder, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("films")
    made = {
        "mp4": film(folder / "a.mp4"),
        "begin": film(folder / "b.mp4", muxer={"movflags": "faststart"}),
        "mkv": film(folder / "a.mkv"),
        "fragments": film(folder / "c.mp4", muxer={"movflags": "frag_keyframe+empty_moov"}),
        "unlisted": film(folder / "d.mp4", muxer={"movflags": "frag_keyframe+empty_moov+skip_trailer"}),
        "ts": film(folder / "a.ts"),
    }
    return {name: path.read_bytes() for name, path in made.items()}


@pytest.fixture
def served(films: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(overview, "LEAST_BYTES", 100_000)
    with serving(films["mp4"]) as server:
        yield server


class Fetching:
    def __init__(self, folder: Path) -> None:
        self.videos = VideoRepository(folder / "data", (), folder / "sample.mp4")
        self.links = LinkFetcher(self.videos, SourceSettings(private_networks=("127.0.0.0/8",)), is_open=True)
        self.cancel = threading.Event()
        self.seen: list[FetchProgress] = []

    def __call__(self, url: str, *, overview: bool = True) -> Path:
        return self.videos.path(self.links.fetch(url, self.seen.append, self.cancel, overview=overview))


@pytest.fixture
def fetch(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path)


def reason(path: Path) -> str:
    """Why the whole was fetched; both languages have a sentence for it."""
    notice = notice_of(path)
    assert notice and notice.key == "overview_whole"
    for language in LANGUAGES:
        with in_language(language):
            assert "{" not in notice_text(notice)
    inner = notice.values["reason"]
    assert isinstance(inner, Notice)
    return inner.key


def times(path: Path) -> list[float]:
    """The times of all chosen frames; the video must have the whole video's length."""
    options = ExtractOptions(64, read_text=False)
    for event in extract(path, options):
        if isinstance(event, Probed):
            assert event.video.duration_seconds_from_header == pytest.approx(SECONDS, abs=0.5)
        elif isinstance(event, KeyframesChosen):
            return [one.time_seconds for one in event.keyframes]
    raise AssertionError


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mp4", "begin", "fragments", "unlisted", "mkv"])
def test_iframes_are_read_at_their_times(served: Served, fetch: Fetching, films: dict[str, bytes], kind: str) -> None:
    served.data = films[kind]
    path = fetch(f"{served.url}/good/film.mp4?id=7&token=secret")
    notice, link = notice_of(path), link_of(path)
    assert served.sent < 0.3 * len(served.data)
    assert times(path) == pytest.approx([6.0 * number for number in range(SECONDS // 6)], abs=0.002)
    assert notice and (notice.key, notice.level) == ("overview", "warning")
    assert notice.values["iframes"] == notice.values["of"] == SECONDS // 6
    assert link and link.url == f"{served.url}/good/film.mp4?id=7"
    assert path.name == "film.mp4" and not list(fetch.videos._parts.iterdir())
    assert fetch.seen[-1].iframes == (15, 15) and fetch.seen[-1].size_bytes == len(served.data)


@pytest.mark.slow
def test_an_unchanged_overview_is_not_read_again(served: Served, fetch: Fetching) -> None:
    first = fetch(f"{served.url}/good/film.mp4")
    sent = served.sent
    assert fetch(f"{served.url}/good/film.mp4") == first and served.sent - sent <= overview.PROBED_BYTES
    whole = fetch(f"{served.url}/good/film.mp4", overview=False)
    assert whole.read_bytes() == served.data and notice_of(whole) is None
    sent = served.sent
    assert fetch(f"{served.url}/good/film.mp4") == whole and served.sent - sent <= overview.PROBED_BYTES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "kind", "key"),
    [
        ("noranges/a.mp4", "mp4", "overview_no_ranges"),
        ("unversioned/a.mp4", "mp4", "overview_no_version"),
        ("typed/a.mp2t", "ts", "overview_format"),
    ],
)
def test_others_are_fetched_whole_with_the_reason(
    served: Served, fetch: Fetching, films: dict[str, bytes], path: str, kind: str, key: str
) -> None:
    served.data = films[kind]
    found = fetch(f"{served.url}/{path}")
    assert found.read_bytes() == served.data and reason(found) == key


def test_a_small_video_is_fetched_whole(served: Served, fetch: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "LEAST_BYTES", len(served.data) + 1)
    assert reason(fetch(f"{served.url}/good/a.mp4")) == "overview_small"


@pytest.mark.slow
def test_iframes_far_apart_give_no_overview(served: Served, fetch: Fetching, tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    images = [random.integers(0, 255, (96, 160, 3), dtype=np.uint8) for _ in range(10)]
    path = write_video(tmp_path / "a.mp4", images, times=[30.0 * number for number in range(10)], options={"qp": "0"})
    served.data = path.read_bytes()
    assert reason(fetch(f"{served.url}/good/a.mp4")) == "overview_sparse"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "key"), [("changing", "url_changes"), ("moving", "url_leads_inward")])
def test_nothing_is_kept_of_two_versions(served: Served, fetch: Fetching, kind: str, key: str) -> None:
    with pytest.raises(AppError) as refused:
        fetch(f"{served.url}/{kind}/a.mp4")
    assert refused.value.key == key
    assert not list(fetch.videos._parts.iterdir()) and not list(fetch.videos._folder.glob("*.json"))


@pytest.mark.slow
def test_a_broken_connection_is_tried_again(served: Served, fetch: Fetching) -> None:
    path = fetch(f"{served.url}/shaky/film.mp4")
    notice = notice_of(path)
    assert notice and notice.key == "overview" and len(times(path)) == SECONDS // 6


@pytest.mark.slow
def test_an_overview_is_cancelled(served: Served, fetch: Fetching) -> None:
    def stop(now: FetchProgress) -> None:
        if now.iframes:
            fetch.cancel.set()

    with pytest.raises(Cancelled):
        fetch.links.fetch(f"{served.url}/good/a.mp4", stop, fetch.cancel, overview=True)
    assert not list(fetch.videos._parts.iterdir())
