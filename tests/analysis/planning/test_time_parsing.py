from __future__ import annotations

import pytest

from framelens.analysis.planning.time_parsing import (
    UnreadableTimeError,
    moment_in_text,
    parse_range,
    parse_seconds,
    range_in_text,
    range_notice,
)
from framelens.core.domain import Notice, Selection
from framelens.core.errors import ConfigError, InputError
from framelens.services.keyframes import parse_interval, parse_times


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


def test_the_one_of_several_times_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_times("1,2x,3")
    assert caught.value.values["given"] == "2x"


@pytest.mark.parametrize("text", ["0", "-2", "x"])
def test_an_interval_is_longer_than_nothing(text: str) -> None:
    assert parse_interval("0.5s") == 0.5
    with pytest.raises(ConfigError, match="interval_empty"):
        parse_interval(text)


def test_an_interval_with_a_wrong_clock_gets_the_right_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_interval("00:03:500")
    assert (caught.value.key, caught.value.values["example"]) == ("clock_unreadable", "00:03.500")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Is it red from 0:10 to 1:02:03.5?", (10.0, 3723.5, "Is it red ?")),
        ("between 10 and 20 seconds", (10.0, 20.0, "")),
        ("Between 1 and 2 minutes, when?", (60.0, 120.0, "when?")),
        ("0:10–0:20: what happens?", (10.0, 20.0, ": what happens?")),
        ("1分20秒到2分钟之间有狗吗？", (80.0, 120.0, "有狗吗？")),
        ("第10秒到第20秒有没有狗？", (10.0, 20.0, "有没有狗？")),
        ("Is it red in the first 10 seconds?", (0.0, 10.0, "Is it red ?")),
        ("When does it stop after 1:30?", (90.0, None, "When does it stop ?")),
        ("0:05之前有狗吗？", (0.0, 5.0, "有狗吗？")),
        ("从 0:10 到 0:20 有狗吗？", (10.0, 20.0, "有狗吗？")),
        ("0:10和0:20之间有狗吗？", (10.0, 20.0, "有狗吗？")),
        ("前 10 秒有狗吗？", (0.0, 10.0, "有狗吗？")),
        ("What happens after “the dog” (0:15)?", (15.0, None, "What happens ?")),
        ("“狗跑了”（00:15）之后发生了什么？", (15.0, None, "发生了什么？")),
        ("从0:15开始有狗吗？", (15.0, None, "有狗吗？")),
        ("从0:15到结尾有狗吗？", (15.0, None, "有狗吗？")),
        ("Who is there from 0:15 on?", (15.0, None, "Who is there ?")),
        ("What is shown until 0:15?", (0.0, 15.0, "What is shown ?")),
        ("When is the sign “9:00-17:00” shown?", None),
        ("红卡出现10秒之后发生了什么？", None),
        ("What happens 5 seconds after the dog?", None),
        ("Is the score 2-1 or 3 to 1?", None),
        ("from 0:20 to 0:10", None),
    ],
)
def test_range_in_a_text_is_read(text: str, found: tuple[float, float | None, str] | None) -> None:
    assert range_in_text(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What happens at 0:15?", (13.0, 17.0)),
        ("What is on the table around 1:02.5?", (60.5, 64.5)),
        ("Who is there at second 1?", (0.0, 3.0)),
        ("Is it red at about 1 min 30 s?", (88.0, 92.0)),
        ("0:15发生了什么？", (13.0, 17.0)),
        ("视频在0:15的时候是什么颜色？", (13.0, 17.0)),
        ("第15秒画面里有什么？", (13.0, 17.0)),
        ("第1分30秒是谁？", (88.0, 92.0)),
        ("Is it the same dog at 0:10 and at 0:40?", None),
        ("0:10和0:40是同一只狗吗？", None),
        ("What happens at “0:15”?", None),
        ("Is it dark at 10:30 pm?", None),
        ("狗（0:15）之后怎么样了？", None),
        ("它比0:15的那只大吗？", None),
        ("Why does the score say 3:1?", None),
        ("What is thrown 5 seconds after the dog?", None),
        ("What happens at the end?", None),
    ],
)
def test_moment_in_a_text_is_read(text: str, found: tuple[float, float] | None) -> None:
    assert moment_in_text(text) == found


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
