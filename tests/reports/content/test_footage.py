"""Tests of framelens.reports.content.footage, with the motion of real recordings: means of a second, of 10,000."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from framelens.core.domain import Boundary, BoundaryType, DecodeSummary, Measures, Shot
from framelens.reports.content.footage import (
    Activity,
    activities,
    footage_of,
    light_changes,
    picture_at,
    quiet_spans,
    transitions,
)
from tests.reports.test_reports import analysis

# fmt: off
_ROOM = (
    5, 10, 11, 10, 13, 32, 870, 846, 165, 40, 35, 34, 23, 19, 20, 16, 21, 46, 1088, 1196, 258, 25, 164, 1556, 972, 169,
    30, 35, 20, 25, 23, 24, 22, 17, 19, 32, 44, 22, 22, 18, 17, 12, 22, 1601, 1837, 385, 22, 32, 13, 32, 827, 1409, 363,
)
"""A still room with a table that people come to, stand at, and leave."""
_ROAD = (
    25, 30, 32, 37, 526, 2169, 2131, 1395, 1006, 202, 32, 33, 39, 37, 188, 1007, 2612, 1889, 1021, 218, 32, 36, 36, 34,
    29, 497, 3260, 2379, 846, 764,
)
"""A road with three cars."""
_SQUARE = (
    258, 353, 291, 185, 296, 281, 221, 143, 128, 168, 191, 226, 244, 286, 292, 258, 232, 296, 402, 322, 299, 260, 358,
    400, 357, 371, 300, 253, 222, 178, 207, 149, 225, 240, 250, 279, 380, 333, 300, 222, 152, 49, 126, 148, 133, 168,
)
"""A square that people cross all the time; at 41 s nearly all have left."""
_TREE = (
    16, 66, 73, 41, 57, 38, 42, 78, 39, 81, 45, 98, 56, 57, 72, 57, 92, 66, 64, 69, 63, 160, 76, 301, 363, 1069, 540,
    908, 1063,
)
"""A tree in the wind; from 23 s on somebody walks by."""
_BLACK = (0,) * 20
# fmt: on


def measures(motion: Sequence[float], brightness: Sequence[float] = (), step: float = 1.0) -> Measures:
    light = tuple(brightness) or (0.5,) * len(motion)
    return Measures(step, (0.0,) * len(motion), tuple(one / 1e4 for one in motion), light, light, light)


def decoded(seconds: float, *boundaries: Boundary, measured: Measures | None = None) -> DecodeSummary:
    starts = [0.0, *(one.start_seconds for one in boundaries)]
    ends = [*starts[1:], seconds]
    shots = tuple(Shot(number, *edges) for number, edges in enumerate(zip(starts, ends, strict=True), start=1))
    return DecodeSummary(round(25 * seconds), seconds, False, "pyav", shots, boundaries, measures=measured)


def cut(at: float, kind: BoundaryType = "cut", length: float = 0.0) -> Boundary:
    return Boundary(at, at + length, kind)


@pytest.mark.parametrize(
    ("motion", "spans"),
    [
        (_ROOM, [(6, 9), (18, 26), (43, 46), (50, 53)]),
        (_ROAD, [(4, 10), (14, 20), (25, 30)]),
        (_SQUARE, [(0, 46)]),
        (_TREE, [(21, 29)]),
        (_BLACK, []),
        ((), []),
    ],
)
def test_stretches_exceed_the_noise_of_their_video(motion: tuple[int, ...], spans: list[tuple[int, int]]) -> None:
    found = activities(measures(motion), len(motion))
    assert [(one.start_seconds, one.end_seconds) for one in found] == spans
    assert all(one.start_seconds <= one.peak_seconds < one.end_seconds for one in found)


def test_curves_keep_times_and_peaks() -> None:
    # Peak is the strongest step.
    assert [one.peak_seconds for one in activities(measures(_ROAD), 30)] == [5.5, 16.5, 26.5]
    # A range of a video keeps its times.
    found = activities(replace(measures(_ROAD), start_seconds=100.0), 130)
    assert [one.start_seconds for one in found] == [104, 114, 125]
    # Quiet spans are between the stretches.
    found = (Activity(0.0, 4.0, 1.0), Activity(5.0, 10.0, 6.0), Activity(20.0, 30.0, 21.0))
    assert quiet_spans(found, 0.0, 40.0) == [(10.0, 20.0), (30.0, 40.0)]
    assert quiet_spans((), 0.0, 40.0) == [(0.0, 40.0)]
    # Shots know their transitions.
    decode = decoded(9.0, cut(2.0), cut(5.0, "dissolve", 0.5))
    assert {number: one.type for number, one in transitions(decode).items()} == {2: "cut", 3: "dissolve"}


@pytest.mark.parametrize("step", [0.25, 8.0])
def test_long_and_short_steps_find_the_same(step: float) -> None:
    motion = [value for value in _ROAD for _ in range(4)] if step < 1 else _ROAD
    found = activities(measures(motion, step=step), len(motion) * step)
    assert len(found) == 3


def test_a_light_stays_on_and_a_passing_car_does_not() -> None:
    switched = measures((0,) * 30, (0.2,) * 12 + (0.5,) * 18)
    assert [(one.time_seconds, one.is_on) for one in light_changes(switched)] == [(12.0, True)]
    assert not activities(measures((*(5,) * 12, 2500, *(5,) * 17), (0.2,) * 12 + (0.5,) * 18), 30)
    passing = measures((0,) * 30, (0.45,) * 12 + (0.3,) * 3 + (0.45,) * 15)
    assert not light_changes(passing) and not light_changes(None)
    dusk = measures((0,) * 30, [0.6 - 0.015 * place for place in range(30)])
    assert not light_changes(dusk)


@pytest.mark.parametrize(
    ("seconds", "boundaries", "kind"),
    [
        (10.0, [cut(1.2), cut(3.0), cut(5.5)], "film"),
        (10.0, [cut(4.0, "dissolve", 1.0)], "film"),
        (7200.0, [cut(6.0 * place) for place in range(1, 1000)], "film"),
        (10.0, [], "camera"),
        (3600.0, [cut(1200.0), cut(1201.0)], "camera"),
    ],
)
def test_cuts_make_a_film(seconds: float, boundaries: list[Boundary], kind: str) -> None:
    assert footage_of(decoded(seconds, *boundaries)) == kind


def test_a_light_is_no_cut() -> None:
    light = measures((0,) * 40, (0.2,) * 20 + (0.5,) * 20)
    decode = decoded(40.0, cut(20.0), measured=light)
    assert footage_of(decode) == "camera" and not transitions(decode)
    others = decoded(40.0, cut(10.0), cut(20.0), measured=light)
    assert footage_of(others) == "film" and len(transitions(others)) == 2
    faded = decoded(40.0, cut(19.5, "fade", 1.0), measured=light)
    assert footage_of(faded) == "film"


def test_a_stretch_has_its_own_picture_or_the_nearest() -> None:
    frames = analysis().keyframes
    first, second = frames[:2]
    between = (first.time_seconds + second.time_seconds) / 2
    own = Activity(second.time_seconds - 0.1, second.time_seconds + 1, second.time_seconds)
    assert picture_at(frames, own) == second
    near = Activity(between, between + 0.01, between)
    assert picture_at(frames[:2], near) in (first, second)
    assert picture_at(frames, Activity(9000.0, 9001.0, 9000.5)) is None
