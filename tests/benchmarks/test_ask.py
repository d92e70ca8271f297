"""The benchmark of questions: cards are where the record says, and what is found is counted by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.ask import moment
from benchmarks.ask.planted import RATE, Occurrence, PlantedVideo, planted
from benchmarks.ask.when import Tally
from framelens.core.evidence import Interval, Moments, Point
from tests.cards import CARDS
from tests.media import moving, write_video

CARD = Occurrence("red", 50, 75, 1.0)


@pytest.fixture
def footage(tmp_path: Path) -> list[Path]:
    """Gray footage of two clips, one of them longer than a piece, and a file that is not a video."""
    clips = [write_video(tmp_path / f"{name}.mp4", moving(10 * seconds, seed=seconds)) for name, seconds in LENGTHS]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    return [*clips, tmp_path / "broken.mp4"]


needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
LENGTHS = (("long", 12), ("short", 4))


def frames_of(video: PlantedVideo) -> list[np.ndarray]:
    with av.open(str(video.path)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.time for frame in decoded] == pytest.approx([place / RATE for place in range(len(decoded))])
    return [frame.to_ndarray(format="rgb24") for frame in decoded]


def share_of(picture: np.ndarray, colour: str) -> float:
    return float((abs(picture.astype(int) - np.array(CARDS[colour])).max(axis=-1) < 40).mean())


@pytest.mark.thorough
@pytest.mark.slow
@needs_ffmpeg
def test_cards_are_planted_to_the_frame(tmp_path: Path, footage: list[Path]) -> None:
    video = planted(tmp_path / "work", footage, minutes=1, seed=3)
    pictures = frames_of(video)
    assert len(pictures) == video.num_frames >= 60 * RATE and len({one.colour for one in video.occurrences}) > 1
    for card in video.occurrences:
        shown = [
            share_of(picture, card.colour) > 0.8 * card.share for picture in pictures[card.first - 9 : card.end + 9]
        ]
        assert shown == [False] * 9 + [True] * (card.end - card.first) + [False] * 9


@pytest.mark.slow
@pytest.mark.thorough
@needs_ffmpeg
def test_planted_video_is_made_once_for_a_seed(tmp_path: Path, footage: list[Path]) -> None:
    first = planted(tmp_path / "work", footage, minutes=1, seed=3)
    made = first.path.stat().st_mtime_ns
    assert planted(tmp_path / "work", footage, minutes=1, seed=3) == first and first.path.stat().st_mtime_ns == made
    assert planted(tmp_path / "work", footage, minutes=1, seed=4).occurrences != first.occurrences


def found(*spans: tuple[int, int]) -> Moments:
    intervals = tuple(
        Interval(
            Point(first, first / RATE), Point(last, last / RATE), None, None, Point(first, first / RATE), 2, 0, 1.0
        )
        for first, last in spans
    )
    return Moments("id", "a red card", 0.0, 60.0, intervals=intervals)


def test_tally_counts_what_was_found() -> None:
    tally = Tally()
    tally.add([CARD, Occurrence("red", 200, 220, 1.0)], found((50, 73), (400, 401)), hours=0.5)
    assert (tally.cards, tally.found, tally.false, tally.hours) == (2, 1, 1, 0.5)
    assert tally.border_errors == [0, 1]
    tally.add([CARD], found((75, 90)), hours=0.5)
    assert (tally.cards, tally.found, tally.false) == (3, 1, 2)


@pytest.mark.slow
@pytest.mark.thorough
def test_rare_cards_are_where_the_record_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment, "_MINUTES", 1)
    path, rare = moment.made(tmp_path, seed=5)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len({card.colour for card in rare}) == len(rare) == 5
    for card in rare:
        places = [place for place, picture in enumerate(pictures) if share_of(picture, card.colour) > 0.9]
        assert places == list(range(card.first, card.end))
