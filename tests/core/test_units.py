"""Sizes and clock times as text."""

from typing import Any

import pytest

from framelens.core.units import clock, extrapolated_seconds, gib_number, gib_text, human_size, seconds_left


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1 kB"),
        (1500, "2 kB"),
        (999_600, "1.0 MB"),
        (99_940_000, "99.9 MB"),
        (99_960_000, "100 MB"),
        (3_400_000_000, "3.4 GB"),
        (5e12, "5.0 TB"),
    ],
)
def test_sizes_are_written_for_people(size: float, text: str) -> None:
    assert human_size(size) == text


def test_memory_is_counted_in_gib() -> None:
    assert gib_text(12 * 2**30) == "12.0 GiB"
    assert gib_text(1.234 * 2**30, digits=2) == "1.23 GiB"
    assert gib_number(3 * 2**29) == "1.5"


@pytest.mark.parametrize(
    ("seconds", "options", "text"),
    [
        (4.5, {}, "00:04.500"),
        (3599.9996, {}, "1:00:00.000"),
        (7.44, {"digits": 1, "form": "m"}, "0:07.4"),
        (725, {"digits": 1, "form": "m"}, "12:05.0"),
        (59.96, {"digits": 1, "form": "m"}, "1:00.0"),
        (3723, {"digits": 0, "form": "m"}, "1:02:03"),
        (61, {"digits": 0}, "01:01"),
        (3723.5, {"form": "hh", "point": ","}, "01:02:03,500"),
        (360_000, {"form": "hh"}, "100:00:00.000"),
    ],
)
def test_clock_formats(seconds: float, options: dict[str, Any], text: str) -> None:
    assert clock(seconds, **options) == text


def test_remaining_time_follows_the_rate_of_known_work() -> None:
    assert extrapolated_seconds(300.0, 2, 5) == 750.0  # two jobs are estimated, three more count as their mean
    assert seconds_left(10.0, 2, 8) == extrapolated_seconds(10.0, 2, 6) == 30.0
    assert extrapolated_seconds(10.0, 2, 0) == 0.0
    assert extrapolated_seconds(10.0, 0, 6) is None
    assert seconds_left(10.0, 0, 8) is None and seconds_left(10.0, 9, 8) is None
