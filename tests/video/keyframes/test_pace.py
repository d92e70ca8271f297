"""The fast pace: what is decoded, and that a still video is seen as at the full pace."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream

from framelens.core.domain import Pace, Selection
from framelens.core.events import KeyframesChosen
from framelens.i18n import notice_text
from framelens.video.keyframes import pace as pace_module
from framelens.video.keyframes import pipeline
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.pace import pacing_of
from framelens.video.readers import open_reader
from framelens.video.readers.packets import DecodePlan
from framelens.video.readers.pyav import AvReader
from tests.media import Image, moving, textured, write_video

_PAGE_FRAMES, _PAGES = 230, 6
_PAGE_SECONDS = _PAGE_FRAMES / 25


def pages() -> Iterator[Image]:
    """Six pages of 9.2 s, in groups of two seconds: most groups are still."""
    for seed in range(_PAGES):
        grain = np.random.default_rng(seed).integers(0, 30, (192, 320, 1), dtype=np.uint8)
        yield from [textured(seed, 320, 192) // 2 + grain] * _PAGE_FRAMES


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("pace") / "slides.mp4", pages())


def surveyed(path: Path, pace: Pace, start_seconds: float = 0.0) -> KeyframesChosen:
    options = ExtractOptions(8, Selection(start_seconds=start_seconds, pace=pace))
    with open_reader(path, every_frame=False) as reader:
        return next(event for event in pipeline.run(reader, options) if isinstance(event, KeyframesChosen))


def test_a_still_video_is_decoded_where_it_changes(slides: Path) -> None:
    fast, full = surveyed(slides, "fast"), surveyed(slides, "full")
    assert fast.decode.decoded_share < 0.5
    assert full.decode.decoded_share == 1
    assert fast.decode.boundaries == full.decode.boundaries
    assert [shot.start_seconds for shot in fast.decode.shots] == pytest.approx(
        [page * _PAGE_SECONDS for page in range(_PAGES)]
    )
    assert fast.decode.frames_decoded == full.decode.frames_decoded == _PAGES * _PAGE_FRAMES
    assert fast.decode.readable_seconds == full.decode.readable_seconds


def test_a_fast_choice_shows_every_page_at_its_true_time(slides: Path) -> None:
    keyframes = surveyed(slides, "fast").keyframes
    assert {int(keyframe.time_seconds / _PAGE_SECONDS) for keyframe in keyframes} == set(range(_PAGES))
    assert [keyframe.frame_index for keyframe in keyframes] == [round(25 * k.time_seconds) for k in keyframes]


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx265", {"preset": "ultrafast", "x265-params": "keyint=50:log-level=none"}),
        ("libvpx-vp9", {"g": "50", "deadline": "realtime", "cpu-used": "8"}),
        ("mpeg4", {"g": "50", "bf": "2", "qmin": "5", "qmax": "5"}),
    ],
)
def test_other_codecs_are_seen_as_at_the_full_pace(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    path = write_video(tmp_path / "slides.mkv", pages(), codec=codec, options=options)
    fast, full = surveyed(path, "fast"), surveyed(path, "full")
    assert fast.decode.decoded_share < 0.5
    assert [shot.start_seconds for shot in fast.decode.shots] == [shot.start_seconds for shot in full.decode.shots]


def test_a_report_says_how_much_was_decoded(slides: Path) -> None:
    decode = surveyed(slides, "fast").decode
    (notice,) = decode.notices
    assert f"{100 * decode.decoded_share:.0f} % of the frames" in notice_text(notice, "en")
    assert surveyed(slides, "full").decode.notices == ()


@pytest.mark.parametrize(
    ("images", "options"),
    [
        (list(moving(300, 320, 192)), {"preset": "ultrafast", "g": "50"}),
        ([textured(1, 320, 192)] * 100, {"preset": "ultrafast", "g": "1"}),
        ([textured(1, 320, 192)] * 100, {"preset": "ultrafast", "g": "250"}),
    ],
    ids=["all moves", "every frame stored whole", "a single group"],
)
def test_what_packets_cannot_tell_is_decoded(tmp_path: Path, images: list[Image], options: dict[str, str]) -> None:
    path = write_video(tmp_path / "video.mp4", images, options=options)
    decode = surveyed(path, "fast").decode
    assert decode.decoded_share == 1
    assert [notice.key for notice in decode.notices] == ["surveyed_full"]


def test_a_range_is_read_at_the_full_pace(slides: Path) -> None:
    assert surveyed(slides, "fast", start_seconds=10.0).decode.decoded_share == 1


@pytest.mark.parametrize(("long_seconds", "is_fast"), [(1800.0, False), (20.0, True)])
def test_only_long_still_videos_are_fast_by_themselves(
    slides: Path, monkeypatch: pytest.MonkeyPatch, long_seconds: float, is_fast: bool
) -> None:
    monkeypatch.setattr(pace_module, "_LONG_SECONDS", long_seconds)
    assert (surveyed(slides, "auto").decode.decoded_share < 1) == is_fast


def test_packets_of_a_long_video_that_moves_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "video.mp4", moving(300, 320, 192), options={"preset": "ultrafast", "g": "50"})
    monkeypatch.setattr(pace_module, "_LONG_SECONDS", 5.0)
    monkeypatch.setattr(pace_module, "groups_of", None)
    assert surveyed(path, "auto").decode.decoded_share == 1


def test_a_change_too_slow_for_packets_shows_at_key_frames(tmp_path: Path) -> None:
    def images() -> Iterator[Image]:
        for number in range(400):
            image = textured(3, 320, 192)
            if number > 150:
                image[40:120, 60:180] = np.clip(image[40:120, 60:180] + min(60.0, (number - 150) / 3), 0, 255)
            yield image

    path = write_video(tmp_path / "slow.mp4", images())
    with AvReader(path) as reader:
        pacing = pacing_of(reader.info)
    assert pacing is not None
    changing = [last for key, last in pacing.until.items() if 3 * 50 <= key / 512 < 6 * 50]
    assert changing and all(last == inf for last in changing)


def test_a_plan_takes_groups_up_to_their_last_frame() -> None:
    plan = DecodePlan({0: 2.0, 5: 5.0, 10: inf})
    shown = [
        (0, True),
        (1, False),
        (2, False),
        (3, False),
        (5, True),
        (4, False),
        (6, False),
        (10, True),
        (9, False),
        (11, False),
    ]
    taken = [pts for pts, is_key in shown if plan.takes(packet(pts, is_key=is_key))]
    assert taken == [0, 1, 2, 5, 10, 11]
    assert [pts for pts in taken if plan.gap_before(pts)] == [5, 10]


def packet(pts: int, *, is_key: bool) -> Packet[Stream]:
    made: Packet[Stream] = Packet(b"frame")
    made.pts, made.is_keyframe = pts, is_key
    return made
