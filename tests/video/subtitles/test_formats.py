"""Subtitle files as people and programs write them: right times, each word once, and what can't be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core import Cue
from app.video import subtitles_of
from app.video.subtitles import discovery
from app.video.subtitles.cues import is_speech
from app.video.subtitles.formats import READERS, Timed, Unread
from tests.spoken import write_spoken

YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.000 align:start position:0%
_
hello<00:00:00.500><c> there</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
hello there
_

00:00:02.010 --> 00:00:04.000 align:start position:0%
hello there
2024<00:00:02.900><c> begins</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
2024 begins
_
""".replace("_", " ")


def read(suffix: str, text: str, frame_rate: float = 0.0) -> list[Timed | Unread]:
    return list(READERS[suffix](text, frame_rate))


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01,000 --> 00:00:02,000",
        "00:00:01 --> 00:00:02",
        "00: 00: 01, 000 --> 00: 00: 02, 000",
        "00:00:01,000 -> 00:00:02,000",
        "00:00:01,000 => 00:00:02,000",
        "00:00:01,000 → 00:00:02,000",
        "00:00:01,000 -- > 00:00:02,000",
        "00:00:01，000 --> 00:00:02，000",
        "00：00：01，000 --> 00：00：02，000",
        "00:00:01:000 --> 00:00:02:000",
        "00:00:01;000 --> 00:00:02;000",
        "1,000 --> 2,000",
        "00:00:01,000-->00:00:02,000",
        "00:00:01,000000 --> 00:00:02,000000",
        "0:01.0 --> 0:02.0",
        "00:00:01,000 --> 00:00:02,000  X1:40 X2:600 Y1:20 Y2:50",
        "\t00:00:01,000 --> 00:00:02,000 ",
    ],
)
def test_times_are_read_as_people_write_them(times: str) -> None:
    assert read(".srt", f"1\n{times}\nWords\n") == [(1.0, 2.0, "Words")]


def test_hours_have_no_limit() -> None:
    assert read(".srt", "1\n100:00:01,000 --> 100:00:02,000\nLate\n") == [(360_001.0, 360_002.0, "Late")]


def test_arrows_in_speech_are_no_times() -> None:
    text = "1\n00:00:01,000 --> 00:00:04,000\nGo from\n1:20 -> 1:30\nand a --> b\n"
    assert read(".srt", text) == [(1.0, 4.0, "Go from 1:20 -> 1:30 and a --> b")]


def test_lines_that_cannot_be_read_are_named() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:0x --> 00:00:04,000\ntwo\n\n3\n0:0:5 --> 0:0:6\nthree\n"
    found = read(".srt", text)
    assert [one for one in found if isinstance(one, Unread)] == [Unread(6, "00:00:0x --> 00:00:04,000")]
    assert [one for one in found if not isinstance(one, Unread)] == [(1.0, 2.0, "one"), (5.0, 6.0, "three")]
    assert isinstance(read(".srt", "00:00:01:12 --> 00:00:02:12\nframes?\n")[0], Unread)


def test_rolling_captions_are_read_once() -> None:
    assert read(".vtt", YOUTUBE) == [(0.16, 2.01, "hello there"), (2.01, 4.01, "2024 begins")]


def test_rolling_captions_converted_to_subrip_are_read_once() -> None:
    rows = [("0", "1", ["a b"]), ("1", "2", ["a b", "c d"]), ("2", "3", ["c d", "e"]), ("3", "4", ["e", "f"])]
    text = "\n\n".join(f"{n}\n0:0:{s},000 --> 0:0:{e},000\n" + "\n".join(ls) for n, (s, e, ls) in enumerate(rows))
    assert [one[2] for one in read(".srt", text) if not isinstance(one, Unread)] == ["a b", "c d", "e", "f"]


def test_repeated_words_of_ordinary_subtitles_stay() -> None:
    words = ["No.", "No.", "Yes.", "Why?", "Because.", "I see."]
    text = "\n".join(f"{n}\n0:0:{n},000 --> 0:0:{n + 1},000\n{word}\n" for n, word in enumerate(words))
    assert [one[2] for one in read(".srt", text) if not isinstance(one, Unread)] == words


def test_lines_of_blanks_do_not_end_a_cue_of_webvtt() -> None:
    assert read(".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n \nafter a blank\n\nNOTE x\n") == [
        (1.0, 2.0, "after a blank")
    ]


def test_ttml_has_times_of_every_kind() -> None:
    spaces = 'xmlns="http://www.w3.org/ns/ttml" xmlns:t="http://www.w3.org/ns/ttml#parameter"'
    head = f'<tt {spaces} t:frameRate="25" t:tickRate="100">'
    body = (
        '<p begin="00:00:01.500" end="00:00:02.500">one<br/>two</p><p begin="3s" dur="500ms">three</p>'
        '<p begin="00:00:04:05" end="5.2s"><span>f</span>our</p><p begin="600t" end="700t">five</p>'
    )
    text = f'{head}<body begin="10s"><div>{body}</div></body></tt>'
    expected = [(11.5, 12.5, "one two"), (13.0, 13.5, "three"), (14.2, 15.2, "four"), (16.0, 17.0, "five")]
    assert [(round(a, 3), round(b, 3), c) for a, b, c in map(tuple, read(".ttml", text))] == expected  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        read(".ttml", "<html/>")


def test_sami_gives_its_first_language() -> None:
    text = (
        "<SAMI><HEAD><STYLE>P {x:y}</STYLE></HEAD><BODY><SYNC Start=1000><P Class=ENCC>Hi<br>you"
        "<SYNC Start=1000><P Class=KRCC>안녕<SYNC Start=2000><P Class=ENCC>&nbsp;<SYNC Start=3000><P Class=ENCC>End"
    )
    assert read(".smi", text) == [(1.0, 2.0, "Hi you"), (3.0, 0.0, "End")]


def test_forms_that_count_frames_or_tenths() -> None:
    assert read(".sub", "{1}{1}25.000\n{25}{50}one|two\n") == [(1.0, 2.0, "one two")]
    assert read(".sub", "{30}{60}one\n", 30.0) == [(1.0, 2.0, "one")]
    assert read(".sub", "00:00:01.00,00:00:02.00\none[br]two\n") == [(1.0, 2.0, "one two")]
    assert read(".sbv", "0:00:01.000,0:00:02.000\none\n") == [(1.0, 2.0, "one")]
    assert read(".mpl", "[10][20]/one|two\n") == [(1.0, 2.0, "one two")]
    assert read(".lrc", "[ti:x]\n[00:01.00][00:03.00]la\n[00:02.50]lu\n") == [
        (1.0, 2.5, "la"),
        (2.5, 3.0, "lu"),
        (3.0, 0.0, "la"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SrtCnt : 1, DiffTime : 33ms 2023-01-01 [iso : 100] [shutter : 1/500] [fnum : 280] [latitude: 1.2]",
        "HOME(8.1,50.2) 2016.05.01 12:00:00 GPS(8.1,50.2,18) BAROMETER:1.9 ISO:100 Shutter:60 EV: 0 Fnum:F2.8",
        "F/2.8, SS 206.14, ISO 150, EV 0, GPS (8.1, 50.2, 15), D 2.14m, H 1.50m, H.S 0.00m/s, V.S 0.00m/s",
        "10:00:00:12",
        "2026/11/25 12:00:01",
    ],
)
def test_telemetry_and_clocks_are_no_speech(text: str) -> None:
    cues = [Cue(float(n), n + 1.0, text) for n in range(5)]
    assert not is_speech(cues)
    assert is_speech([*cues[:1], *(Cue(float(n), n + 1.0, f"We fly, number {n}") for n in range(1, 5))])


def test_numbers_that_are_spoken_are_speech() -> None:
    assert is_speech([Cue(float(n), n + 1.0, str(10 - n)) for n in range(9)])


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("film.srt", "nothing with times\n", "subtitles_empty"),
        ("film.srt", "1\n00:00:0x,000 --> 00:00:02,000\nx\n", "subtitles_times_unread"),
        ("film.ttml", "<tt><body>", "subtitles_unreadable"),
        ("film.usf", "<USFSubtitles/>\n", "subtitles_form_unread"),
        ("film 2.srt", "1\n00:00:00,000 --> 00:00:02,000\nx\n", "subtitles_of_other_video"),
        ("film.srt", "1\n00:00:00,000 --> 00:00:00,400\nSrtCnt : 1 [iso : 100]\n", "subtitles_are_telemetry"),
    ],
)
def test_file_that_gives_nothing_is_named(tmp_path: Path, name: str, text: str, key: str) -> None:
    video = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(video, "en")
    assert transcript is None
    assert [one.key for one in notices] == [key] and notices[0].values[
        "name" if "name" in notices[0].values else "names"
    ] == name


def test_every_ending_that_is_looked_for_has_a_reader() -> None:
    assert discovery.SUBTITLE_SUFFIXES.split(", ") == list(READERS)
