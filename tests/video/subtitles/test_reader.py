"""Subtitles inside a file and beside it, on the axis of its pictures."""

import struct
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from framelens.core.domain import Cue, Notice
from framelens.video.extractor import subtitles_of
from framelens.video.files import confine
from framelens.video.subtitles.cues import MOST_CUES, Cues, Unread
from framelens.video.subtitles.formats import from_ass, read_arrows, read_ass, read_srt
from tests.spoken import Track, captioned, tone, write_captioned, write_spoken

LINES = [(0.5, 1.5, "Hello\nworld"), (2.0, 3.0, "你好")]
CUES = (Cue(0.5, 1.5, "Hello world"), Cue(2.0, 3.0, "你好"))
SRT = "1\n00:00:00,500 --> 00:00:01,500\nHello\nworld\n\n2\n00:00:02,000 --> 00:00:03,000\n<i>你好</i>\n"
VTT = (
    "WEBVTT\n\nNOTE of the author\n\n00:00.500 --> 00:01.500 align:start\n<c.red>Hello</c>\nworld\n\n"
    "00:02.000 --> 00:03.000\n你好\n"
)
ASS = (
    "[Script Info]\nTitle: x\n\n[Events]\nFormat: Layer, Start, End, Style, Text\n"
    "Dialogue: 0,0:00:00.50,0:00:01.50,Default,{\\i1}Hello{\\i0}\\Nworld\n"
    "Dialogue: 0,0:00:02.00,0:00:03.00,Default,{\\pos(3,4)}你好\n"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "ass"), (".mkv", "webvtt")]
)
def test_a_track_of_text_is_read_without_its_markup(tmp_path: Path, suffix: str, codec: str) -> None:
    lines = [(start, end, text.replace("\n", "\\N") if codec == "ass" else text) for start, end, text in LINES]
    lines[1] = (2.0, 3.0, "{\\i1}你好{\\i0}" if codec == "ass" else "<i>你好</i>")
    path = write_spoken(tmp_path / f"film{suffix}", tracks=[Track(lines, codec, "eng")])
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == CUES and notices == ()
    assert (transcript.source, transcript.label) == ("subtitles", "eng")


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "webvtt")])
def test_braces_and_backslashes_of_tracks_are_text(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_spoken(tmp_path / f"film{suffix}", tracks=[Track([(0.5, 1.5, r"C:\News {1, 2} a &lt; b")], codec)])
    transcript, _ = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == (Cue(0.5, 1.5, r"C:\News {1, 2} a < b"),)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip"), (".mkv", "ass"), (".mkv", "webvtt")]
)
@pytest.mark.parametrize("language", ["", "tha"])
def test_tracks_in_a_legacy_encoding_are_read(tmp_path: Path, suffix: str, codec: str, language: str) -> None:
    lines = [(0.2, 1.0, "ขอบคุณ"), (1.0, 2.0, "Hello"), (2.0, 3.0, "ฉันรักเธอ")]
    path = write_spoken(tmp_path / f"film{suffix}", tracks=[Track(lines, codec, language, encoding="cp874")])
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["ขอบคุณ", "Hello", "ฉันรักเธอ"]
    (notice,) = notices
    assert (notice.key, notice.values["encoding"]) == ("subtitles_encoding", "Windows-874")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "encoding", "line"),
    [("film.th", "cp874", "ไม่"), ("film.tr", "cp1254", "Evet, doğru."), ("film.zh-HK", "big5hkscs", "早晨")],
)
def test_language_in_the_name_of_a_file_decodes_it(tmp_path: Path, name: str, encoding: str, line: str) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(3))
    (tmp_path / f"{name}.srt").write_bytes(f"1\n00:00:00,500 --> 00:00:01,500\n{line}\n".encode(encoding))
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == [line]
    assert [notice.key for notice in notices] == ["subtitles_encoding"]


@pytest.mark.slow
def test_rolling_captions_in_a_track_are_read_once(tmp_path: Path) -> None:
    lines = [(0.2, 1.0, "one<00:00:00.500><c> two</c>"), (1.0, 1.01, "one two"), (1.01, 2.0, "one two\nthree")]
    path = write_spoken(tmp_path / "film.mkv", tracks=[Track(lines, "webvtt")])
    transcript, _ = subtitles_of(path, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["one two", "three"]


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip")])
def test_subtitle_times_count_from_first_picture(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_spoken(
        tmp_path / f"late{suffix}", picture_start=1.0, tracks=[Track([*LINES, (3.0, 3.5, "end")], codec)]
    )
    transcript, _ = subtitles_of(path, "en")
    assert transcript is not None
    # What ends before the first picture is left out; what is on when it comes begins with it.
    assert transcript.cues == (Cue(0.0, 0.5, "Hello world"), Cue(1.0, 2.0, "你好"), Cue(2.0, 2.5, "end"))


@pytest.mark.slow
@pytest.mark.parametrize(("last", "is_used"), [("00:00:03,000 --> 00:00:04,000", True), ("", False)])
def test_cues_before_the_first_picture_are_counted(tmp_path: Path, last: str, *, is_used: bool) -> None:
    path = write_spoken(tmp_path / "late.mkv", picture_start=2.0, sound=tone(3))
    cues = ["00:00:00,200 --> 00:00:01,000\nBefore.\n", f"{last}\nLater.\n" if last else ""]
    path.with_suffix(".srt").write_text("\n".join(cues))
    transcript, notices = subtitles_of(path, "en")
    assert [(notice.key, notice.values["count"]) for notice in notices] == [("subtitles_before_picture", 1)]
    assert (transcript is not None) is is_used


@pytest.mark.slow
def test_report_language_precedes_default_subtitle_track(tmp_path: Path) -> None:
    tracks = [
        Track([(0.0, 1.0, "first")], "subrip", "fre", title="Théâtre"),
        Track([(0.0, 1.0, "standard")], "subrip", "ger", is_default=True),
        Track([(0.0, 1.0, "中文")], "subrip", "chi"),
    ]
    path = write_spoken(tmp_path / "three.mkv", tracks=tracks)
    chinese, notices = subtitles_of(path, "zh")
    english, _ = subtitles_of(path, "en")
    assert chinese is not None and chinese.cues[0].text == "中文"
    assert english is not None and english.cues[0].text == "standard"
    assert [(notice.key, notice.values["others"]) for notice in notices] == [("subtitles_others", "ger, fre Théâtre")]


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["\u2028", "\u2029\u2029", "\x85", "\v\v", "\f", "\x1c"])
@pytest.mark.parametrize(
    ("suffix", "text"),
    [(".vtt", "WEBVTT\n\n00:00.200 --> 00:01.000\n{}\n"), (".lrc", "[00:00.20]{}\n[00:01.00]\n")],
)
def test_other_line_separators_divide_no_cue(tmp_path: Path, suffix: str, text: str, mark: str) -> None:
    path = write_spoken(tmp_path / "film.mp4", tracks=())
    path.with_suffix(suffix).write_text(text.format(f"first{mark}second"), encoding="utf-8")
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues[0].text.split() == ["first", "second"]
    assert notices == ()


@pytest.mark.slow
def test_tracks_that_are_alike_are_told_apart_by_number(tmp_path: Path) -> None:
    tracks = [
        Track([(0.0, 1.0, text)], "subrip", language) for text, language in (("a", "eng"), ("b", "eng"), ("c", "ger"))
    ]
    transcript, notices = subtitles_of(write_spoken(tmp_path / "alike.mkv", tracks=tracks), "en")
    assert transcript is not None and (transcript.label, transcript.cues[0].text) == ("eng #1", "a")
    assert [notice.values["others"] for notice in notices] == ["eng #2, ger"]


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "text"), [(".srt", SRT), (".vtt", VTT), (".ass", ASS)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_a_file_beside_the_video_is_read_in_any_usual_encoding(
    tmp_path: Path, suffix: str, text: str, encoding: str
) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / f"film{suffix}").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    (tmp_path / "another.srt").write_text(SRT.replace("Hello", "Wrong"))
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == CUES
    assumed = {"utf-16-le": "UTF-16", "gb18030": "GB18030"}.get(encoding)
    assert [notice.values["encoding"] for notice in notices] == ([assumed] if assumed else [])
    assert transcript.label == f"film{suffix}"


@pytest.mark.slow
def test_a_file_named_with_the_language_is_found(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / "film.srt").write_text(SRT)
    (tmp_path / "film.zh.srt").write_text(SRT.replace("Hello", "您好"), encoding="utf-8")
    transcript, notices = subtitles_of(path, "zh")
    assert transcript is not None and transcript.label == "film.zh.srt"
    assert [notice.values["others"] for notice in notices] == ["film.srt"]


@pytest.mark.slow
def test_a_link_out_of_the_folder_is_named_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    path = write_spoken(folder / "film.mkv", tracks=[Track(LINES, "subrip", "eng")])
    (tmp_path / "private.srt").write_text(SRT.replace("Hello", "private"))
    (folder / "film.srt").symlink_to(tmp_path / "private.srt")
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == CUES
    assert [(notice.key, notice.values) for notice in notices] == [("subtitles_lead_out", {"names": "film.srt"})]


@pytest.mark.slow
def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    (folder / "texts").mkdir(parents=True)
    path = write_spoken(folder / "film.mkv", seconds=3.0)
    (folder / "texts" / "words.txt").write_text(SRT)
    (folder / "film.srt").symlink_to(folder / "texts" / "words.txt")
    elsewhere = tmp_path / "link.mkv"
    elsewhere.symlink_to(path)
    (tmp_path / "link.srt").write_text(SRT)
    for film in (path, elsewhere):
        transcript, notices = subtitles_of(film, "en")
        assert transcript is not None and transcript.cues == CUES and notices == ()


@pytest.mark.slow
def test_no_link_is_read_in_a_folder_that_others_write_to(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", tracks=[Track(LINES, "subrip", "eng")])
    (tmp_path / "words.txt").write_text(SRT)
    (tmp_path / "film.srt").symlink_to(tmp_path / "words.txt")
    confine([tmp_path])
    try:
        transcript, notices = subtitles_of(path, "en")
        assert transcript is not None and transcript.label != "film.srt"
        assert [notice.key for notice in notices] == ["subtitles_lead_out"]
    finally:
        confine(())


@pytest.mark.slow
def test_sidecar_times_count_from_container_start(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", picture_start=1.0, sound=tone(3))
    (tmp_path / "film.srt").write_text(SRT)
    transcript, _ = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == (Cue(0.0, 0.5, "Hello world"), Cue(1.0, 2.0, "你好"))


@pytest.mark.slow
def test_video_without_subtitles_has_no_transcript(card_video: Path) -> None:
    assert subtitles_of(card_video, "en") == (None, ())


@pytest.mark.slow
def test_subtitles_that_are_pictures_are_named(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "disc.mkv", tracks=[Track([(0.0, 1.0, "x")], "dvb_subtitle", "eng", title="signs")])
    transcript, notices = subtitles_of(path, "en")
    assert transcript is None
    assert [(notice.key, notice.values) for notice in notices] == [("subtitles_are_pictures", {"tracks": "eng signs"})]


@pytest.mark.slow
def test_an_empty_track_gives_way_to_the_next(tmp_path: Path) -> None:
    tracks = [Track([(0.0, 1.0, " ")], "subrip", "eng", is_default=True), Track([(0.0, 1.0, "words")], "subrip", "eng")]
    transcript, _ = subtitles_of(write_spoken(tmp_path / "two.mkv", tracks=tracks), "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["words"]


@pytest.mark.slow
def test_nonsense_subtitle_file_is_reported_harmlessly(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5, tracks=[Track([(0.0, 0.4, "inside")])])
    (tmp_path / "film.srt").write_bytes(b"\xff\xff\x81" * 50)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues[0].text == "inside"
    assert "subtitles_encoding_unknown" in [notice.key for notice in notices]


@pytest.mark.slow
def test_more_lines_than_any_video_has_are_cut_and_that_is_said(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    many = "\n\n".join(f"00:00:00,{n % 1000:03d} --> 00:00:01,000\n{n}" for n in range(MOST_CUES + 10))
    (tmp_path / "film.srt").write_text(many)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and len(transcript.cues) == MOST_CUES
    assert [notice.key for notice in notices] == ["subtitles_too_many"]


def test_cue_numbers_are_removed_without_blank_lines() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nfirst\n2\n00:00:03,000 --> 00:00:04,000\nsecond"
    assert list(read_arrows(text)) == [(1.0, 2.0, "first"), (3.0, 4.0, "second")]


@pytest.mark.parametrize(
    ("between", "first"),
    [
        ("one\n\ntwo\n", "one two"),
        ("\none\n \ntwo\n\n!?\n", "one two !?"),
        ("one\n\n2\n00:00:0x,000 --> 00:00:04,000\nbroken\n", "one"),
        ("one\n\n2\n00:00:02,0\n", "one"),
    ],
)
def test_empty_lines_of_a_cue_lose_no_text(between: str, first: str) -> None:
    text = f"1\n00:00:01,000 --> 00:00:02,000\n{between}\n3\n00:00:05,000 --> 00:00:06,000\nlast\n"
    timed = [one for one in read_srt(text) if not isinstance(one, Unread)]
    assert timed == [(1.0, 2.0, first), (5.0, 6.0, "last")]


def test_entities_and_hours_are_read_and_a_lone_bracket_stays() -> None:
    text = "100:00:01.5 --> 100:00:02.5\nTom &amp; I <3 you\n"
    assert list(read_arrows(text)) == [(360_001.5, 360_002.5, "Tom & I <3 you")]


def test_drawings_are_no_text() -> None:
    assert from_ass("{\\p1}m 0 0 l 100 100{\\p0}sign") == "sign"


def test_escaped_braces_of_ass_are_text() -> None:
    assert from_ass(r"{\i1}set \{1, 2\}{\i0}") == "set {1, 2}"
    unread = list(read_ass("Dialogue: 0,wrong,0:00:01.00,Default,,0,0,0,,x\nDialogue: nothing"))
    assert [one.line for one in unread if isinstance(one, Unread)] == [1, 2]


def test_cues_are_ordered_ended_and_merged() -> None:
    cues = Cues()
    for timed in [
        (4.0, 4.0, "no end"),
        (1.0, 2.0, "again"),
        (2.05, 3.0, "again"),
        (6.0, 0.0, "last"),
        (-2.0, -1.0, "out"),
    ]:
        cues.add(timed)
    assert cues.in_order() == (Cue(1.0, 3.0, "again"), Cue(4.0, 6.0, "no end"), Cue(6.0, 11.0, "last"))


@pytest.mark.slow
def test_named_file_comes_before_all_others(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mkv", tracks=[Track(LINES, "subrip", "eng")])
    (tmp_path / "film.en.srt").write_text(SRT)
    (tmp_path / "elsewhere").mkdir()
    given = tmp_path / "elsewhere" / "draft.srt"
    given.write_text(SRT.replace("Hello", "Given"))
    transcript, notices = subtitles_of(path, "en", subtitles=given)
    assert transcript is not None and transcript.cues[0].text == "Given world"
    assert [notice.values["others"] for notice in notices] == ["film.en.srt, eng"]


@pytest.mark.slow
def test_named_file_without_a_cue_gives_way(tmp_path: Path) -> None:
    path, given = write_spoken(tmp_path / "film.mkv", tracks=[Track(LINES, "subrip", "eng")]), tmp_path / "draft.srt"
    given.write_text("nothing")
    transcript, notices = subtitles_of(path, "en", subtitles=given)
    assert transcript is not None and transcript.cues == CUES
    assert [notice.key for notice in notices] == ["subtitles_empty"]


@pytest.mark.slow
@pytest.mark.parametrize("hour", ["01", "10"])
def test_times_of_a_programme_count_from_its_start(tmp_path: Path, hour: str) -> None:
    """Editors begin at 01:00:00:00 or 10:00:00:00, and the video that they export at 0."""
    path = write_spoken(tmp_path / "film.mkv", sound=tone(3))
    (tmp_path / "film.srt").write_text(SRT.replace("00:00:", f"{hour}:00:"))
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues[0].start_seconds == pytest.approx(0.5, abs=0.005)
    assert [notice.key for notice in notices] == ["subtitles_from_programme"]


def boxed(kind: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(contents), kind) + contents


def write_webvtt(path: Path) -> Path:
    """An MP4 with a track of WebVTT, as streams have it; FFmpeg writes none, so the kind of its track is changed."""
    plain = write_spoken(path.with_name("plain.mp4"), tracks=[Track(LINES, "mov_text", "eng")])
    samples = [boxed(b"vttc", boxed(b"sttg", b"line:0") + boxed(b"payl", text.encode())) for _, _, text in LINES]
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        copies[source.streams.subtitles[0].index].metadata["language"] = "eng"
        for packet in (one for one in source.demux() if one.size):
            is_text = packet.stream.type == "subtitle"
            data = (samples.pop(0) if packet.size > 2 else boxed(b"vtte", b"")) if is_text else bytes(packet)
            copy = av.Packet(data)
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.stream = packet.time_base, copies[packet.stream.index]
            copy.is_keyframe = packet.is_keyframe
            target.mux(copy)
    path.write_bytes(path.read_bytes().replace(b"tx3g", b"wvtt"))
    return path


def test_webvtt_in_mp4_is_read(tmp_path: Path) -> None:
    transcript, notices = subtitles_of(write_webvtt(tmp_path / "film.mp4"), "en")
    assert transcript is not None and (transcript.cues, transcript.label) == (CUES, "eng")
    assert notices == ()


@pytest.mark.slow
def test_telemetry_track_gives_way_to_speech(tmp_path: Path) -> None:
    lines = [(n / 10, (n + 1) / 10, f"FrameCnt: {n}, DiffTime: 33ms\n[iso : 100] [latitude: 22.1]") for n in range(9)]
    tracks = [Track(lines, "mov_text", is_default=True), Track([(0.0, 1.0, "Hello")], "mov_text", "ger")]
    transcript, notices = subtitles_of(write_spoken(tmp_path / "drone.mp4", tracks=tracks), "en")
    assert transcript is not None and transcript.label == "ger"
    assert [notice.key for notice in notices] == ["subtitles_are_telemetry"]


@pytest.mark.slow
def test_forms_of_a_plugin_are_named_without_it(tmp_path: Path, use_plugins: Callable[..., None]) -> None:
    use_plugins()
    names = ("film.json", "film.scc", "film.tsv", "film.ttml")
    contents = ('{"chunks": [{"timestamp": [0, 1], "text": "a"}]}', "", "start\tend\ttext\n", "<tt/>")
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    for name, text in zip(names, contents, strict=True):
        (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is None and {notice.key for notice in notices} == {"subtitles_need_plugin"}
    assert sorted(notice.values["name"] for notice in notices) == sorted(names)


@pytest.mark.slow
@pytest.mark.parametrize("digital", [False, True])
def test_captions_in_pictures_are_named_without_a_plugin(
    tmp_path: Path, use_plugins: Callable[..., None], *, digital: bool
) -> None:
    use_plugins()
    timed = [] if digital else [(0.2, captioned("Hello"))]
    blocks = {10: b"Good evening."} if digital else {}
    path = write_captioned(tmp_path / "news.ts", timed, seconds=1.0, codec="libx264", digital=blocks)
    notice = Notice("subtitles_need_plugin", {"name": "CEA-608, CEA-708"})
    assert subtitles_of(path, "en") == (None, (notice,))
    assert subtitles_of(write_captioned(path, [], seconds=1.0, codec="libx264"), "en") == (None, ())
