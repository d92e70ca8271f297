"""Subtitle files as people and programs write them: right times, each word once, and what can't be read is named."""

from pathlib import Path

import pytest

from framelens.core.domain import Cue
from framelens.video.extractor import subtitles_of
from framelens.video.subtitles import discovery, encodings
from framelens.video.subtitles.cues import Cues, PluginNeededError, Timed, Unread, cue_text, is_speech
from framelens.video.subtitles.formats import PLUGIN_FORMS, READERS, reader_of
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
        "00:01:000 --> 00:02:000",
        "00:00:01;000 --> 00:00:02;000",
        "1,000 --> 2,000",
        "00:00:01,000-->00:00:02,000",
        "00:00:01,000000 --> 00:00:02,000000",
        "0:01.0 --> 0:02.0",
        "00:00:01,000 --> 00:00:02,000  X1:40 X2:600 Y1:20 Y2:50",
        "\t00:00:01,000 --> 00:00:02,000 ",
        "\u200e00:00:01,000 --> 00:00:02,000\u200e",
        "00:00:01,000 –-> 00:00:02,000",
        "00:00:01,000 --&gt; 00:00:02,000",
        "00:00:01,000 - 00:00:02,000",
        "00:00:01,000 ~ 00:00:02,000",
        "00:00:01,000 , 00:00:02,000",
        "00:00:01,000 to 00:00:02,000",
        "00:00:01.000 至 00:00:02.000",
        "00:00:01,000 ⟶ 00:00:02,000",
        "[00:00:01,000 --> 00:00:02,000]",
        "00:00:01,000 --> 00:00:02,000:",
        "00:00:01,000 --> 00:00:02,000<br>",
        "00.00.01,000 --> 00.00.02,000",
    ],
)
def test_times_are_read_as_people_write_them(times: str) -> None:
    assert read(".srt", f"1\n{times}\nWords\n") == [(1.0, 2.0, "Words")]


READ: dict[str, tuple[str, str, list[Timed | Unread]]] = {
    "hours have no limit": (".srt", "1\n100:00:01,000 --> 100:00:02,000\nLate\n", [(360_001.0, 360_002.0, "Late")]),
    "words after times in brackets are kept": (
        ".srt", "[00:01.000 --> 00:02.000]  A\n[00:02.000 --> 00:03.000]  B\n", [(1.0, 2.0, "A"), (2.0, 3.0, "B")]),
    "times without an arrow are named": (
        ".srt", "1\n00:00:03,000 ... 00:00:04,000\ntwo\n", [Unread(2, "00:00:03,000 ... 00:00:04,000")]),
    "arrows in speech are no times": (
        ".srt", "1\n00:00:01,000 --> 00:00:04,000\nGo from\n1:20 -> 1:30\nand a --> b\n",
        [(1.0, 4.0, "Go from 1:20 -> 1:30 and a --> b")]),
    "a number after an empty line is spoken": (
        ".srt", "1\n00:00:01,000 --> 00:00:02,000\n\n2024\n\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n",
        [(1.0, 2.0, "2024"), (3.0, 4.0, "two")]),
    "rolling captions are read once": (".vtt", YOUTUBE, [(0.16, 2.01, "hello there"), (2.01, 4.01, "2024 begins")]),
    "lines of blanks don't end a cue of WebVTT": (
        ".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n \nafter a blank\n\nNOTE x\n", [(1.0, 2.0, "after a blank")]),
    "pronunciation in brackets is no text": (
        ".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>です\n",
        [(1.0, 2.0, "漢字です")]),
    "pronunciation of each character is no text": (
        ".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<ruby>漢<rt>かん</rt>字<rt>じ</ruby>です\n",
        [(1.0, 2.0, "漢字です")]),
    "fractions of ASS may follow a colon": (
        ".ass", "[events]\nformat: Layer, Start, End, Text\ndialogue: 0,0:00:07:50,0:00:08:00,Words, more\n",
        [(7.5, 8.0, "Words, more")]),
    "fractions of SubViewer may follow a colon": (".sub", "00:00:07:50,00:00:08:00\nWords\n", [(7.5, 8.0, "Words")]),
    "SubViewer breaks lines in brackets": (".sub", "00:00:01.00,00:00:02.00\none[br]two\n", [(1.0, 2.0, "one two")]),
    "MicroDVD counts frames": (".sub", "{1}{1}25.000\n{25}{50}one|two\n", [(1.0, 2.0, "one two")]),
    "defaults of MicroDVD are no text": (
        ".sub", "{1}{1}25\n{DEFAULT}{}{C:$0000ff}\n{25}{50}Hello\n", [(1.0, 2.0, "Hello")]),
    "captions of YouTube are read": (".sbv", "0:00:01.000,0:00:02.000\none\n", [(1.0, 2.0, "one")]),
    "captions of YouTube may have commas": (".sbv", "0:00:07,500,0:00:08,000\nWords\n", [(7.5, 8.0, "Words")]),
    "captions of YouTube have lines": (
        ".sbv", "0:00:01.000,0:00:02.000\nHello\nthere\n\n0:00:03.000,0:00:04.000\nWorld\n",
        [(1.0, 2.0, "Hello there"), (3.0, 4.0, "World")]),
    "captions of YouTube with semicolons are named": (
        ".sbv", "0:00:07.000;0:00:08.000\nlost\n", [Unread(1, "0:00:07.000;0:00:08.000")]),
    "MPL2 counts tenths": (".mpl", "[10][20]/one|two\n", [(1.0, 2.0, "one two")]),
    "marks of MPL2 are no text": (".mpl", "[10][20]\\Hello|_there|/you\n", [(1.0, 2.0, "Hello there you")]),
    "a line of lyrics may come twice": (
        ".lrc", "[ti:x]\n[00:01.00][00:03.00]la\n[00:02.50]lu\n",
        [(1.0, 2.5, "la"), (2.5, 3.0, "lu"), (3.0, 0.0, "la")]),
    "the offset of lyrics shows them earlier": (
        ".lrc", "[offset:+500]\n[00:01.50]one\n[00:03.50]two\n[01:00:01.50]three\n",
        [(1.0, 3.0, "one"), (3.0, 3601.0, "two"), (3601.0, 0.0, "three")]),
    "lyrics without a line are none": (".lrc", "[ti:no line]\n", []),
    "fractions of lyrics may follow a comma": (
        ".lrc", "[00:01,50]One\n[00:03,000]Two\n", [(1.5, 3.0, "One"), (3.0, 0.0, "Two")]),
    "SAMI gives its first language": (
        ".smi", "<SAMI><HEAD><STYLE>P {x:y}</STYLE></HEAD><BODY><SYNC Start=1000><P Class=ENCC>Hi<br>you"
        "<SYNC Start=1000><P Class=KRCC>안녕<SYNC Start=2000><P Class=ENCC>&nbsp;<SYNC Start=3000><P Class=ENCC>End",
        [(1.0, 2.0, "Hi you"), (3.0, 0.0, "End")]),
    "paragraphs of SAMI in other languages are left out": (
        ".smi", "<SAMI><BODY><SYNC Start=1000><P Class=A>안녕<P Class=B>Hello<SYNC Start=2000><P Class=A>&nbsp;</BODY>",
        [(1.0, 2.0, "안녕")]),
    "SAMI may have ends": (
        ".smi", "<SYNC Start=1000 End=2000><P Class=A>one</P></SYNC><SYNC Start=3000 End=4000><P Class=A>two</SYNC>",
        [(1.0, 2.0, "one"), (3.0, 4.0, "two")]),
    "SAMI before the start is shown": (
        ".smi", "<SAMI><BODY><SYNC Start=-1000><P Class=E>Hi<SYNC Start=2000><P Class=E>&nbsp;</BODY></SAMI>",
        [(-1.0, 2.0, "Hi")]),
    "SAMI without words is empty": (".smi", "<SAMI></SAMI>", []),
}  # fmt: skip
"""What a form of subtitles means: its ending, a file, and the cues."""


@pytest.mark.parametrize("rule", READ)
def test_each_form_is_read_by_its_rules(rule: str) -> None:
    suffix, text, cues = READ[rule]
    assert read(suffix, text) == cues


def test_frames_are_counted_with_the_rate_of_the_video() -> None:
    assert read(".sub", "{30}{60}one\n", 30.0) == [(1.0, 2.0, "one")]


def test_lines_that_cannot_be_read_are_named() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:0x --> 00:00:04,000\ntwo\n\n3\n0:0:5 --> 0:0:6\nthree\n"
    found = read(".srt", text)
    assert [one for one in found if isinstance(one, Unread)] == [Unread(6, "00:00:0x --> 00:00:04,000")]
    assert [one for one in found if not isinstance(one, Unread)] == [(1.0, 2.0, "one"), (5.0, 6.0, "three")]
    assert isinstance(read(".srt", "00:00:01:12 --> 00:00:02:12\nframes?\n")[0], Unread)


def test_captions_that_roll_are_told_from_repeated_words() -> None:
    # Rolling captions converted to subrip are read once.
    rows = [("0", "1", ["a b"]), ("1", "2", ["a b", "c d"]), ("2", "3", ["c d", "e"]), ("3", "4", ["e", "f"])]
    text = "\n\n".join(f"{n}\n0:0:{s},000 --> 0:0:{e},000\n" + "\n".join(ls) for n, (s, e, ls) in enumerate(rows))
    assert [one[2] for one in read(".srt", text) if not isinstance(one, Unread)] == ["a b", "c d", "e", "f"]
    # Repeated words of ordinary subtitles stay.
    words = ["No.", "No.", "Yes.", "Why?", "Because.", "I see."]
    text = "\n".join(f"{n}\n0:0:{n},000 --> 0:0:{n + 1},000\n{word}\n" for n, word in enumerate(words))
    assert [one[2] for one in read(".srt", text) if not isinstance(one, Unread)] == words


@pytest.mark.parametrize(
    "text",
    [
        "SrtCnt : 1, DiffTime : 33ms 2023-01-01 [iso : 100] [shutter : 1/500] [fnum : 280] [latitude: 1.2]",
        "HOME(8.1,50.2) 2016.05.01 12:00:00 GPS(8.1,50.2,18) BAROMETER:1.9 ISO:100 Shutter:60 EV: 0 Fnum:F2.8",
        "F/2.8, SS 206.14, ISO 150, EV 0, GPS (8.1, 50.2, 15), D 2.14m, H 1.50m, H.S 0.00m/s, V.S 0.00m/s",
        "10:00:00:12",
        "2026/11/25 12:00:01",
        "2026-11-25 10:11:12 N:37.123 W:122.123 35 km/h",
        "2026/11/25 10:11:12 45KM/H 3D FIX",
    ],
)
def test_telemetry_and_clocks_are_no_speech(text: str) -> None:
    cues = [Cue(float(n), n + 1.0, text) for n in range(5)]
    assert not is_speech(cues)
    assert is_speech([*cues[:1], *(Cue(float(n), n + 1.0, f"We fly, number {n}") for n in range(1, 5))])


def test_numbers_and_thumbnails_are_told_from_speech() -> None:
    assert is_speech([Cue(float(n), n + 1.0, str(10 - n)) for n in range(9)])  # numbers that are spoken are speech
    # Parts of preview pictures are no speech.
    cues = [Cue(at, at + 5, f"sprite.jpg#xywh={160 * at},0,160,90") for at in range(4)]
    assert not is_speech(cues)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("film.srt", "nothing with times\n", "subtitles_empty"),
        ("film.srt", "1\n00:00:0x,000 --> 00:00:02,000\nx\n", "subtitles_times_unread"),
        ("film.usf", "<USFSubtitles/>\n", "subtitles_form_unread"),
        ("film.en.vtt.gz", "packed", "subtitles_form_unread"),
        ("film 2.srt", "1\n00:00:00,000 --> 00:00:02,000\nx\n", "subtitles_of_other_video"),
        ("film.srt", "1\n00:00:00,000 --> 00:00:00,400\nSrtCnt : 1 [iso : 100]\n", "subtitles_are_telemetry"),
    ],
)
def test_file_that_gives_nothing_is_named(tmp_path: Path, name: str, text: str, key: str) -> None:
    video = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(video, "en")
    assert transcript is None
    assert [notice.key for notice in notices] == [key] and notices[0].values[
        "name" if "name" in notices[0].values else "names"
    ] == name


def test_every_ending_that_is_looked_for_has_a_reader() -> None:
    endings = {form for form in PLUGIN_FORMS if form.startswith(".")}
    assert set(discovery.SUBTITLE_SUFFIXES.split(", ")) == READERS.keys() | endings


@pytest.mark.parametrize("start", ["-00:00:01,500", "00:00:-1,500", "-00:00:-1,-500"])
def test_times_before_the_start_are_negative(start: str) -> None:
    assert read(".srt", f"1\n{start} --> 00:00:02,000\nWords\n") == [(-1.5, 2.0, "Words")]
    assert read(".ass", "Dialogue: 0,-0:00:01.50,0:00:02.00,,,0,0,0,,Words\n") == [(-1.5, 2.0, "Words")]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("set {1, 2}", "set {1, 2}"),
        (r"{\an8}{y:i}up", "up"),
        ("{b}one{/b} {I}two{/I} {c}", "one two {c}"),
        (r"one\Ntwo\hthree", "one two three"),
        (r"C:\News", r"C:\News"),
        ("< i >one< / i >", "one"),
        ("<Mike> I <3 you", "<Mike> I <3 you"),
        ("<font color='red'>one</font>", "one"),
        ("<b class='x'>one</b> <c.yellow>two</c> <i/>three", "one two three"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("<I mean it>", "<I mean it>"),
        ("one<br>two<BR />three", "one two three"),
    ],
)
def test_only_markup_is_removed_from_subrip(written: str, shown: str) -> None:
    assert read(".srt", f"1\n00:00:01,000 --> 00:00:02,000\n{written}\n") == [(1.0, 2.0, shown)]


def test_signs_that_join_letters_and_emoji_stay() -> None:
    joined = "می\u200cخواهم 👩\u200d💻 क\u094d\u200dष"
    assert cue_text(joined) == joined
    assert cue_text("\u202bשלום\u202c co\u00adoperate\u200b") == "שלום cooperate"


@pytest.mark.parametrize("rate", ["23.976", "23,976", "23.976fps", " 23.976 "])
def test_rate_of_microdvd_is_no_cue(rate: str) -> None:
    found = read(".sub", f"{{1}}{{1}}{rate}\n{{24}}{{48}}/Hello|{{c:$0000ff}}there\n", 50.0)
    assert found == [(pytest.approx(24 / 23.976), pytest.approx(48 / 23.976), "Hello there")]


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:01.000 --> 00:02.000\nWords\n",
        "1\n00:00:01,000 --> 00:00:02,000\nWords\n",
        "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,Words\n",
        "{25}{50}Words\n",
        "[10][20]Words\n",
        "<SAMI><BODY><SYNC Start=1000><P>Words<SYNC Start=2000><P>&nbsp;</BODY></SAMI>",
    ],
)
def test_form_is_known_by_contents_not_by_ending(text: str) -> None:
    for ending in READERS:
        assert list(reader_of(ending, text)(text, 25.0)) == [(1.0, 2.0, "Words")]


@pytest.mark.parametrize("encoding", ["utf-32", "utf-16", "utf-16-le", "utf-8-sig"])
def test_marks_and_odd_ends_of_encodings_are_read(encoding: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\none\n\n\ufeff2\n00:00:03,000 --> 00:00:04,000\ntwo\n\n"
    cues = Cues()
    for found in READERS[".srt"](encodings.decoded(text.encode(encoding) + b"\n").text, 0.0):
        assert not isinstance(found, Unread)
        cues.add(found)
    assert [cue.text.rstrip("\ufffd ") for cue in cues.in_order()] == ["one", "two"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_long_chinese_text_without_a_mark_is_utf16(encoding: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n" + "你好世界我们今天来到这里谈谈这个问题" * 8 + "\n"
    assert encodings.decoded(text.encode(encoding)).text == text


@pytest.mark.parametrize("suffix", [".sub", ".srt"])
def test_forms_of_starts_alone_are_read(suffix: str) -> None:
    text = "00:00:01:Hello|you\n00:00:04=It is\n"
    assert list(reader_of(suffix, text)(text, 0.0)) == [(1.0, 0.0, "Hello you"), (4.0, 0.0, "It is")]


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ("00:00:01,000 --> 00:00:02,000 Hello there", "Hello there one"),
        ("00:00:01,000 --> 00:00:02,000 position:50% line: 90%", "one"),
        ("00:00:01,000.0999 --> 00:00:02,000.5", "one"),
    ],
)
def test_words_and_digits_beside_times_are_read(times: str, shown: str) -> None:
    assert read(".srt", f"1\n{times}\none\n") == [(1.0, 2.0, shown)]


def test_empty_text_of_tmplayer_ends_the_one_before() -> None:
    text = "00:00:01:Hello\n00:00:03:\n00:00:30:It is\n"
    assert [one for one in reader_of(".sub", text)(text, 0.0) if isinstance(one, tuple) and one[2]] == [
        (1.0, 3.0, "Hello"),
        (30.0, 0.0, "It is"),
    ]


@pytest.mark.parametrize("numbers", [("1A", "1B"), ("#1", "#2"), ("(1)", "(2)"), ("1.", "2."), ("12", "12a")])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_numbers_of_cues_may_have_letters_and_marks(numbers: tuple[str, str], blank: str) -> None:
    first, second = numbers
    text = f"{first}\n00:00:01,000 --> 00:00:02,000\nRoom\n4B\n{blank}{second}\n00:00:03,000 --> 00:00:04,000\ntwo\n"
    assert read(".srt", text) == [(1.0, 2.0, "Room 4B"), (3.0, 4.0, "two")]


@pytest.mark.parametrize(
    "line",
    [
        "[00:01.00]<00:01.00>Hello <00:01.50>big <00:02.00>world<00:02.80>",
        "[00:01.00]Hello [00:01.50]big [00:02.00]world[00:02.80]",
        "[00:01.00]<00:01.00>Hel<00:01.20>lo <00:01.50>big world <00:02.80>",
    ],
)
def test_time_after_the_last_word_of_lyrics_is_its_end(line: str) -> None:
    assert read(".lrc", f"{line}\n[00:05.00]Next\n") == [(1.0, 2.8, "Hello big world"), (5.0, 0.0, "Next")]


def test_lyrics_with_translations_end_at_the_next_time() -> None:
    text = "[00:01.00]你好\n[00:01.00]Hello\n[00:03.00]再见\n[00:03.00]Bye\n[00:05.00]\n"
    wanted = [(1.0, 3.0, "你好"), (1.0, 3.0, "Hello"), (3.0, 5.0, "再见"), (3.0, 5.0, "Bye")]
    assert read(".lrc", text) == wanted
    cues = Cues()
    for one in wanted:
        cues.add(one)
    assert [(cue.start_seconds, cue.end_seconds, cue.text) for cue in cues.in_order()] == wanted


IN_TWO = (
    "<SAMI><HEAD><STYLE><!-- .ENCC {Name:English; lang:en-US;} .CNCC {lang:zh-CN;} --></STYLE></HEAD><BODY>"
    "<SYNC Start=1000><P Class=ENCC>Hello<P Class=CNCC>你好<SYNC Start=2000><P Class=ENCC>&nbsp;<P Class=CNCC>&nbsp;"
    "<SYNC Start=3000><P Class=ENCC>Bye<SYNC Start=3100><P Class=CNCC>再见"
    "<SYNC Start=4000><P Class=ENCC>&nbsp;<P Class=CNCC>&nbsp;</BODY></SAMI>"
)


def test_one_of_two_languages_is_read() -> None:
    english, chinese = [(1.0, 2.0, "Hello"), (3.0, 4.0, "Bye")], [(1.0, 2.0, "你好"), (3.1, 4.0, "再见")]
    for languages, cues in (({"en"}, english), ({"zh", "yue"}, chinese), ({"fr"}, english)):
        assert list(reader_of("", IN_TWO, languages)(IN_TWO, 0.0)) == cues


def test_joined_segments_of_webvtt_have_times_of_their_own() -> None:
    later = (1 << 33) - 90_000 + 6 * 90_000
    text = (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{first},LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.000\none\n"
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{second}\n\n00:01.000 --> 00:02.000\ntwo\n"
    )
    for first, second, start in ((900_000, 900_000 + 540_000, 7.0), (0, 0, 1.0), (later - 540_000, later % 2**33, 7.0)):
        found = read(".vtt", text.format(first=first, second=second))
        assert found == [(1.0, 2.0, "one"), (pytest.approx(start), pytest.approx(start + 1), "two")]


def test_sung_line_of_ass_is_read_whole() -> None:
    sung = "Comment: 0,0:00:01.00,0:00:03.00,,,0,0,0,karaoke,{\\k50}ko{\\k50}re {\\k50}ga\n"
    syllables = "".join(f"Dialogue: 0,0:00:0{at}.00,0:00:03.00,,,0,0,0,fx,{{\\pos(1,2)}}ko\n" for at in (1, 2))
    other = "Comment: 0,0:00:00.00,0:00:00.00,,,0,0,0,template syl,{\\fad(1,2)}\n"
    said = "Dialogue: 0,0:00:05.00,0:00:06.00,,,0,0,0,,Said\n"
    assert read(".ass", f"[Events]\n{other}{sung}{syllables}{said}") == [(1.0, 3.0, "kore ga"), (5.0, 6.0, "Said")]


def test_words_after_an_empty_line_of_webvtt_are_read() -> None:
    first, second = "WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "00:03.000 --> 00:04.000\nbye\n"
    bye = (3.0, 4.0, "bye")
    assert read(".vtt", f"{first}hello\nthere\n\n{second}") == [(1.0, 2.0, "hello there"), bye]
    assert read(".vtt", f"{first}\n\nhello") == [(1.0, 2.0, "hello")]
    for between in ("", "2\n", "intro\n", "NOTE a remark\nof two lines\n\n"):
        assert read(".vtt", first + between + second) == [(1.0, 2.0, ""), bye]


def _texts(text: str, suffix: str) -> list[str]:
    return [found[2] for found in READERS[suffix](text, 0.0) if not isinstance(found, Unread)]


def test_voices_of_webvtt_name_who_speaks() -> None:
    cues = (
        "<v Roger Bingham>We are in New York</v>",
        "<v.first.loud Esme>It's blue!\n<v Mary>No way!</v> <v Mary>Really</v>",
        "<v Bob>Bob: hi <i>there</i></v>",
        "- <v M&amp;M>a</v>\n- <v.x>b <video> c",
    )
    text = "WEBVTT\n" + "".join(f"\n00:0{n}.000 --> 00:0{n}.900\n{cue}\n" for n, cue in enumerate(cues))
    expected = ["Roger Bingham: We are in New York", "Esme: It's blue! Mary: No way! Really", "Bob: hi there"]
    assert _texts(text, ".vtt") == [*expected, "- M&M: a - b c"]


def test_field_name_of_ass_names_who_speaks() -> None:
    lines = [("Main", "Ann", r"{\an8}Hello"), ("Main", "Main", "a"), ("Main", "NTP", "b"), ("Main", "Bo", "Bo: c")]
    events = (
        f"Dialogue: 0,0:00:0{n}.00,0:00:0{n}.90,{','.join(line[:2])},0,0,0,,{line[2]}" for n, line in enumerate(lines)
    )
    assert _texts("[Events]\n" + "\n".join(events), ".ass") == ["Ann: Hello", "a", "b", "Bo: c"]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".xml", '<?xml version="1.0"?>\n<tt><body/></tt>'),
        (".dfxp", ""),
        (".scc", "Scenarist_SCC V1.0\n"),
        (".json3", ""),
        (".xml", '<?xml version="1.0" ?><timedtext format="3">'),
        (".json", '{"text": " Hello", "segments": []}'),
        (".tsv", "start\tend\ttext\n"),
    ],
)
def test_a_form_of_a_plugin_is_known_without_it(suffix: str, text: str) -> None:
    with pytest.raises(PluginNeededError):
        reader_of(suffix, text)
