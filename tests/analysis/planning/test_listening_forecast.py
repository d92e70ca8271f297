"""The time that a transcription takes: as expected first, as measured after half a minute of sound."""

import pytest

from framelens.analysis.planning.forecast import ListeningForecast


def test_before_the_start_the_expected_pace_counts() -> None:
    assert ListeningForecast(600, 0.5).seconds_left() == 300
    assert ListeningForecast(600, None).seconds_left() is None


@pytest.mark.parametrize("expected", [None, 0.01, 5.0])
def test_after_some_work_only_the_measured_pace_counts(expected: float | None) -> None:
    forecast = ListeningForecast(1000, expected)
    forecast.reach(0, now=50.0)
    forecast.reach(100, now=110.0)
    assert forecast.seconds_left() == pytest.approx(900 * 0.6)


def test_only_measured_work_is_a_pace() -> None:
    # What an earlier run did is no measure of speed.
    forecast = ListeningForecast(1000, None)
    forecast.reach(900, now=0.0)
    assert forecast.seconds_left() is None
    forecast.reach(950, now=100.0)
    assert forecast.seconds_left() == pytest.approx(100)
    # The time to load a model is no pace.
    forecast = ListeningForecast(1000, 0.5)
    forecast.reach(0, now=0.0)
    forecast.reach(1, now=40.0)
    assert forecast.seconds_left() == pytest.approx(999 * 0.5)
    # Silence before the first speech is no pace.
    forecast = ListeningForecast(1000, 0.5, ((900, 1000),))
    forecast.reach(0, now=0.0)
    forecast.reach(900, now=1.0)
    assert forecast.seconds_left() == pytest.approx(50)


def test_only_speech_that_is_left_takes_time() -> None:
    forecast = ListeningForecast(3600, 0.5, ((0, 120), (2000, 2040)))
    assert forecast.seconds_left() == pytest.approx(0.5 * (160 + 0.01 * 3440))
    forecast.reach(0, now=0.0)
    forecast.reach(120, now=72.0)
    assert forecast.seconds_left() == pytest.approx(0.6 * (40 + 0.01 * 3440))
    forecast.reach(2020, now=90.0)
    pace = 90 / (140 + 0.01 * 1880)
    assert forecast.seconds_left() == pytest.approx(pace * (20 + 0.01 * 1560))
    assert ListeningForecast(3600, 0.5, ()).seconds_left() == pytest.approx(18)
