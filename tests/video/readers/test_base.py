"""Times of frames from what the container says, and the shapes of pictures."""

from itertools import pairwise

import pytest

from framelens.video.readers.base import Clock, fitted


def stamps(raw: list[float | None], nominal: float = 0.04) -> list[float]:
    clock = Clock(nominal)
    return [round(clock.stamp(value), 6) for value in raw]


@pytest.mark.parametrize("start", [0.0, 3.0, -0.4])
def test_times_count_from_first_frame(start: float) -> None:
    assert stamps([start, start + 0.04, start + 0.5]) == [0.0, 0.04, 0.5]


def test_frames_have_times_whatever_the_container_says() -> None:
    assert stamps([1.0, None, 1.08, None]) == [0.0, 0.04, 0.08, 0.12]  # a frame without a time follows the one before
    assert stamps([None, None, 0.0, 0.04]) == [0.0, 0.04, 0.08, 0.12]  # late timestamps continue from earlier frames
    assert stamps([10.0, 10.04, 0.0, 0.04]) == [0.0, 0.04, 0.08, 0.12]  # times that begin again continue
    # Frames out of order at a gap are no restarts.
    assert stamps([0.0, 0.04, 40.08, 0.12, 40.16, 0.2, 40.24]) == [0.0, 0.04, 40.08, 40.12, 40.16, 40.2, 40.24]
    assert stamps([0.0, 0.04, 30.0]) == [0.0, 0.04, 30.0]  # a gap in a recording stays a gap


def test_times_always_rise() -> None:
    times = stamps([0.0, 0.04, 0.04, 0.03, 0.12])
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[-1] == 0.12


def test_pictures_are_shrunk_and_never_enlarged() -> None:
    assert fitted(1920, 1080, 1280) == (1280, 720)
    assert fitted(100, 4000, 1000) == (25, 1000)
    assert fitted(320, 240, 1280) == (320, 240)
    assert fitted(4000, 1, 1000) == (1000, 1)
