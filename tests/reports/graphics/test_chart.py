from dataclasses import replace

import pytest

from framelens.core.domain import Analysis, Measures
from framelens.reports.graphics.chart import chart_of
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import analysis


def measured(*change: float, step_seconds: float = 1.0) -> Analysis:
    flat = (0.0,) * len(change)
    plain = analysis()
    return replace(plain, decode=replace(plain.decode, measures=Measures(step_seconds, change, flat, flat, flat, flat)))


def test_chart_has_everything_at_its_share() -> None:
    # All is at its share of the length.
    chart = chart_of(analysis())
    assert chart
    assert [(band.start, band.end, band.label) for band in chart.shots] == [(0.0, 4 / 9, "1"), (4 / 9, 1.0, "2")]
    assert [(tick.at, tick.number) for tick in chart.frames] == [(0.0, 1), (4 / 9, 2)]
    # Chapters have their titles.
    chart = chart_of(rich())
    assert chart and chart.chapters
    assert all(0 <= band.start < band.end <= 1 and band.label for band in chart.chapters)
    # Nothing that was read has no chart.
    plain = analysis()
    assert chart_of(replace(plain, decode=replace(plain.decode, readable_seconds=0.0))) is None


def test_a_moment_keeps_its_height_however_long_the_video_is() -> None:
    change = [0.1] * 3600
    change[1800] = 0.8
    chart = chart_of(measured(*change, step_seconds=9 / 3600))
    assert chart and len(chart.curve) <= 400
    assert max(height for _, height in chart.curve) == 1.0
    assert [at for at, height in chart.curve if height == 1.0] == [pytest.approx(0.5, abs=0.002)]


def test_the_scale_has_round_times_and_no_more_than_fit() -> None:
    chart = chart_of(analysis())
    assert chart and [label for _, label in chart.scale] == ["00:00", "00:02", "00:04", "00:06", "00:08"]
    plain = analysis()
    short = chart_of(replace(plain, decode=replace(plain.decode, readable_seconds=0.5)))
    assert short and [label for _, label in short.scale] == [
        "00:00.000", "00:00.100", "00:00.200", "00:00.300", "00:00.400", "00:00.500"
    ]  # fmt: skip
