"""Overviews of the videos of pages: of a file that the page names, and the whole of what comes in segments."""

from __future__ import annotations

import pytest

from framelens.store.videos.video_repository import link_of, notice_of
from tests.services.test_overview import Fetching, fetch, films, reason, served
from tests.video_server import Served

__all__ = ["fetch", "films", "served"]


@pytest.mark.slow
def test_segments_are_fetched_whole(served: Served, fetch: Fetching, films: dict[str, bytes]) -> None:
    served.data = films["ts"]
    assert reason(fetch(f"{served.url}/segments/film.m3u8")) == "overview_segments"


@pytest.mark.slow
def test_the_video_of_a_page_has_an_overview(served: Served, fetch: Fetching) -> None:
    path = fetch(f"{served.url}/film/")
    link, notice = link_of(path), notice_of(path)
    assert link and link.title == "Film" and notice and notice.key == "overview"
