import pytest

from framelens.analysis.planning.time_parsing import UnreadableTimeError, parse_range, parse_seconds, range_notice
from framelens.core.domain import Notice, Selection
from framelens.core.errors import ConfigError, InputError
from framelens.jobs.keyframes import parse_interval, parse_times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("75.5", 75.5), ("1:15.5", 75.5), (" 0:01:15.5 ", 75.5), ("1:00:00", 3600.0), ("0", 0.0)),
        *(("00:01:15,500", 75.5), ("0：01：15.5", 75.5), ("７５", 75.0)),
        *(("70:00", 4200.0), ("100:00:59.5", 360059.5), ("1:5", 65.0)),
        *(("75s", 75.0), ("1m15.5s", 75.5), ("1h2m", 3720.0), ("1 min 5 s", 65.0), ("500ms", 0.5), ("1H", 3600.0)),
    ],
)
def test_a_time_is_seconds_or_a_clock(text: str, expected: float) -> None:
    assert parse_seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1:-2", "nan", "inf", "1:2:3:4", "1;2", "50%", "1s2m", "1 2s", "1:2s", "s"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UnreadableTimeError, match="time_unreadable"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(("00:03:500", "00:03.500"), ("03:040", "03.040"), ("00:00:03:500", "00:00:03.500")),
        *(("00:70:00", "1:10:00"), ("1:60", "2:00"), ("0:00:75.25", "1:15.250"), ("1:007.5", "1:07.500")),
    ],
)
def test_clock_with_too_large_a_number_is_refused(text: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_times(text)
    assert (caught.value.key, caught.value.values) == ("clock_unreadable", {"given": text, "example": meant})
    with pytest.raises(InputError, match="clock_unreadable"):
        parse_range(text, "")
    assert parse_times(meant)


@pytest.mark.parametrize(
    "text", ["1.5,3,1:07.25", "1.5， 3，1:07.25 ,", "1.5、3、1：07.25", "00:00:01,500,3,00:01:07,250"]
)
def test_several_times_have_commas_between_them(text: str) -> None:
    assert parse_times(text) == (1.5, 3.0, 67.25)


def test_wrong_times_name_what_is_right() -> None:
    # The one of several times that is none is named.
    with pytest.raises(ConfigError) as caught:
        parse_times("1,2x,3")
    assert caught.value.values["given"] == "2x"
    # An interval with a wrong clock gets the right one.
    with pytest.raises(ConfigError) as caught:
        parse_interval("00:03:500")
    assert (caught.value.key, caught.value.values["example"]) == ("clock_unreadable", "00:03.500")


@pytest.mark.parametrize("text", ["0", "-2", "x"])
def test_an_interval_is_longer_than_nothing(text: str) -> None:
    assert parse_interval("0.5s") == 0.5
    with pytest.raises(ConfigError, match="interval_empty"):
        parse_interval(text)


@pytest.mark.parametrize(
    ("selection", "notice"),
    [
        (Selection("uniform"), None),
        (Selection(end_seconds=4.5), Notice("range_only", {"start": "00:00.000", "end": "00:04.500"}, "info")),
        (Selection(start_seconds=2), Notice("range_from", {"start": "00:02.000"}, "info")),
    ],
)
def test_a_part_of_a_video_is_reported(selection: Selection, notice: Notice | None) -> None:
    assert range_notice(selection) == notice
