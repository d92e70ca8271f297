"""A time limit: what is decoded first, what is left out, and that the result names all that was not looked at."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream

from framelens.core.domain import DecodeSummary, Selection
from framelens.core.events import KeyframesChosen
from framelens.i18n import notice_text
from framelens.video.features.timeline_metrics import MOST_STRETCHES, TimelineMeter
from framelens.video.keyframes import pipeline, time_limit
from framelens.video.keyframes.groups import Groups
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.time_limit import Deadline, TimedPlan
from framelens.video.readers import open_reader
from framelens.video.readers.packets import PacketTable
from tests.media import moving, write_video

_GROUPS, _FRAMES = 40, 25
_SPIKES = (9, 23, 31)


class Clock:
    """A clock that goes on by `packet_seconds` with every packet that is decoded."""

    def __init__(self) -> None:
        self.now, self.packet_seconds = 100.0, 0.01

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time_limit, "time", clock)
    return clock


def camera() -> PacketTable:
    """A second a group, all of it noise, and something new in three groups."""
    noise, table = random.Random(3), PacketTable()
    for pts in range(_GROUPS * _FRAMES):
        group, frame = divmod(pts, _FRAMES)
        size = 60_000 if not frame else noise.randint(9_000, 11_000)
        table.add(pts, 40_000 if group in _SPIKES and frame == 12 else size, begins_group=not frame)
    return table


def decode(clock: Clock, limit_seconds: float) -> dict[int, int]:
    """Return the number of packets that are decoded of each group of the camera, and check that it is done in time."""
    table, deadline = camera(), Deadline(limit_seconds)
    plan = TimedPlan(Groups(table, 1 / _FRAMES, 3600), deadline)
    taken = dict.fromkeys(range(_GROUPS), 0)
    for pts in range(len(table.pts)):
        packet: Packet[Stream] = Packet(b"frame")
        packet.pts, packet.is_keyframe = pts, not pts % _FRAMES
        if plan.takes(packet):
            taken[pts // _FRAMES] += 1
            clock.now += clock.packet_seconds
            assert plan.gap_before(pts) in ("", "skipped")
    assert plan.decoded_share == pytest.approx(sum(taken.values()) / len(table.pts))
    assert clock.now - 100 <= limit_seconds + _FRAMES * clock.packet_seconds
    return taken


def test_what_has_most_that_is_new_comes_first(clock: Clock) -> None:
    taken = decode(clock, 0.01 * (_GROUPS + 6 * _FRAMES))
    whole = {group for group, number in taken.items() if number == _FRAMES}
    assert {0, *_SPIKES, _GROUPS - 1} <= whole and len(whole) <= 6
    assert set(taken.values()) == {1, _FRAMES}


def test_without_time_for_all_key_frames_some_are_seen_everywhere(clock: Clock) -> None:
    taken = decode(clock, 0.01 * (2 * _FRAMES + 12))
    seen = [group for group, number in taken.items() if number]
    assert 8 <= len(seen) <= 16
    assert max(after - before for before, after in pairwise(seen)) <= 6


def test_a_slower_machine_sees_less_and_is_done_in_time(clock: Clock) -> None:
    fast = sum(decode(clock, 4.0).values())
    clock.now, clock.packet_seconds = 100.0, 0.02
    assert sum(decode(clock, 4.0).values()) < 0.6 * fast
    clock.now, clock.packet_seconds = 100.0, 0.001
    assert set(decode(clock, 4.0).values()) == {_FRAMES}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [*moving(250, 320, 192), *moving(250, 320, 192)]
    return write_video(tmp_path_factory.mktemp("limit") / "v.mp4", images, options={"preset": "ultrafast", "g": "50"})


def surveyed(path: Path, **selection: float) -> KeyframesChosen:
    options = ExtractOptions(8, Selection(**selection))  # type: ignore[arg-type]
    with open_reader(path, every_frame=False) as reader:
        return next(event for event in pipeline.run(reader, options) if isinstance(event, KeyframesChosen))


def skipped(decode: DecodeSummary) -> list[tuple[float, float]]:
    return [(part.start_seconds, part.end_seconds) for part in decode.stretches if part.type == "skipped"]


def test_the_result_names_the_parts_that_were_not_looked_at(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deadline, "left", lambda self: -1.0)
    limited, whole = surveyed(video, limit_seconds=1.0), surveyed(video)
    (part,) = skipped(limited.decode)
    assert part == pytest.approx((2.0, 18.0), abs=0.05)
    assert limited.decode.decoded_share == pytest.approx(0.2, abs=0.03)
    assert limited.decode.frames_decoded == whole.decode.frames_decoded == 500
    assert limited.decode.readable_seconds == whole.decode.readable_seconds
    assert all(frame.frame_index == round(25 * frame.time_seconds) for frame in limited.keyframes)
    (notice,) = limited.decode.notices
    assert "Of 00:16 of the video only single frames" in notice_text(notice, "en")


def test_time_enough_is_the_full_survey(video: Path) -> None:
    limited, whole = surveyed(video, limit_seconds=600.0), surveyed(video)
    assert limited.keyframes == whole.keyframes
    assert limited.decode == whole.decode


@pytest.mark.parametrize("start_seconds", [0.0, 4.0])
def test_a_file_that_is_read_in_order_ends_early(
    video: Path, monkeypatch: pytest.MonkeyPatch, start_seconds: float
) -> None:
    monkeypatch.setattr(pipeline, "timed", lambda *_: None)
    lefts = iter([1.0] * 99)
    monkeypatch.setattr(Deadline, "left", lambda self: next(lefts, -1.0))
    decode = surveyed(video, limit_seconds=5.0, start_seconds=start_seconds).decode
    assert decode.readable_seconds == pytest.approx(start_seconds + 4.0, abs=0.3)
    (notice,) = decode.notices
    assert notice.key == "ended_early" and notice.values["whole"] == ("00:20" if not start_seconds else "00:16")


def test_nothing_is_said_of_what_was_not_looked_at(
    video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Deadline, "left", lambda self: -1.0)
    grey = write_video(tmp_path / "g.mp4", [np.full((192, 320, 3), 90, np.uint8)] * 500, options={"g": "50"})
    monkeypatch.setattr(Groups, "still", lambda self: [False] * len(self.begin))
    decode = surveyed(grey, limit_seconds=1.0).decode
    assert skipped(decode) == [pytest.approx((2.0, 18.0), abs=0.05)]
    frozen = [part for part in decode.stretches if part.type == "frozen"]
    assert all(part.end_seconds <= 2.05 or part.start_seconds >= 17.99 for part in frozen)


def test_more_parts_than_can_be_kept_are_joined_where_they_are_nearest() -> None:
    meter = TimelineMeter()
    starts = [10.0 * number for number in range(MOST_STRETCHES + 1)]
    starts[50] -= 3.0
    for start in starts:
        meter.skip(start, start + 2.0)
    _, stretches = meter.finish(2000.0)
    assert len(stretches) == MOST_STRETCHES
    assert (stretches[49].start_seconds, stretches[49].end_seconds) == (490.0, 499.0)
    assert meter.skipped_seconds == pytest.approx(2.0 * len(starts))
