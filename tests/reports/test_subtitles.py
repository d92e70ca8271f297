"""SubRip and WebVTT, read by three other programs: webvtt-py, pysubs2 and FFmpeg's own readers."""

import html
import re
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

import av
import pysubs2
import pytest
import webvtt

from framelens.core.domain import (
    Analysis,
    Cue,
    Finding,
    ReportedAnswer,
    ReportedConversation,
    ReportedSearch,
    Transcript,
)
from framelens.core.errors import InputError
from framelens.core.evidence import Interval, Moments, Point
from framelens.i18n import LANGUAGES, error_text
from framelens.reports import subtitles
from framelens.reports.formats import FORMATS, all_files, bundle, files_of
from tests.reports.content.test_labels import part, rich
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

pytestmark = pytest.mark.usefixtures("english")


def found(*findings: Finding) -> Analysis:
    return rich(chunks=(part(1, 1, 2, 3, 4, 5, 6, findings=findings),))


def by_ffmpeg(data: bytes, name: str) -> list[tuple[Fraction, Fraction, str]]:
    """Start, end and text of each cue."""
    with av.open(BytesIO(data), format=name) as container:
        packets = [packet for packet in container.demux() if packet.size]
    reported = [(packet.pts * packet.time_base, packet.duration * packet.time_base, packet) for packet in packets]
    return [(start, start + length, bytes(packet).decode()) for start, length, packet in reported]


def test_a_cue_begins_with_its_first_frame_and_none_overlap() -> None:
    made = found(*(Finding(f"At {n}. " + "word " * 20, (n,)) for n in range(1, 7)))
    shown = subtitles.finding_cues(made)
    assert [cue.start_seconds for cue in shown] == [0.5, 2.25, 4.0, 6.5, 8.0]  # the cue at 1.0 joins the cue at 0.5
    assert shown[0].text.count("\n") == 1
    assert all(first.end_seconds <= second.start_seconds for first, second in pairwise(shown))
    assert all(cue.end_seconds - cue.start_seconds >= subtitles.SHORTEST_SECONDS for cue in shown)


def test_cue_lasts_as_long_as_valid_and_readable() -> None:
    assert subtitles.finding_cues(found(Finding("Short.", (1,))))[0].end_seconds == 1.5
    assert subtitles.finding_cues(found(Finding("Short.", (1, 4))))[0].end_seconds == 4.0
    english, chinese = (subtitles.finding_cues(found(Finding(text, (1,))))[0] for text in ("w" * 40, "字" * 40))
    assert chinese.end_seconds - 0.5 == pytest.approx(2 * (english.end_seconds - 0.5))


def test_cues_are_at_the_times_of_a_player() -> None:
    made = found(Finding("Short.", (1,)))
    late = replace(made, video=replace(made.video, start_seconds=3.4, player_start_seconds=2.0))
    assert [cue.start_seconds for cue in subtitles.finding_cues(late)] == [2.5]
    spoken = replace(late, transcript=Transcript("subtitles", "a.srt", (Cue(3.0, 4.0, "Now"),)))
    assert b"00:00:05,000 --> 00:00:06,000" in subtitles.write_transcript_srt(spoken, "en")
    assert b"00:00:05.000 --> 00:00:06.000" in subtitles.write_transcript_vtt(spoken, "en")


def test_cues_mark_doubts_and_hold_no_other_labels() -> None:
    made = found(
        Finding("Sure.", (1,)), Finding("Unsure.", (4,), ("own_time",)), Finding("Nowhere.", (), ("no_frame",))
    )
    assert [cue.text for cue in subtitles.finding_cues(made)] == [
        "Sure.",
        "Unsure. ⚠️ unverified: names a time that does not match its frames",
    ]
    for language in LANGUAGES:
        spoken = subtitles.write_srt(made, language).decode()
        assert spoken.count("⚠️") == 1 and "some/model" not in spoken and spoken.startswith("1\r\n")


def test_a_found_moment_has_a_cue_until_it_is_gone() -> None:
    seen = Interval(Point(1, 1.2), Point(9, 2.36), None, Point(10, 2.4), Point(5, 2.0), 9, 0, 0.9, gone_seconds=2.4)
    searched = ReportedSearch(Moments("job", "a red card", 0.0, 9.0, intervals=(seen,), ended="complete"))
    answer = ReportedAnswer("When?", "", "“a red card” was seen once:", "complete", searches=(searched,))
    made = replace(found(Finding("Sure.", (1,))), answer=ReportedConversation("a", "", "", "en", (answer,)))
    assert "00:00:01,200 --> 00:00:02,400\r\na red card\r\n" in subtitles.write_srt(made, "en").decode()


@pytest.mark.parametrize("text", [*HOSTILE, NASTY, "1\n\n2\n00:00:01,000 --> 00:00:02,000\nx", "{\\an8}top", "a & b"])
def test_text_of_anybody_stays_in_its_cue(text: str) -> None:
    made = found(Finding("Before.", (1,)), Finding(text or "-", (4,)), Finding("After.", (6,)))
    wanted = subtitles.finding_cues(made)
    times = [(round(cue.start_seconds, 3), round(cue.end_seconds, 3)) for cue in wanted]
    web, rip = subtitles.write_vtt(made, "en"), subtitles.write_srt(made, "en")
    read = webvtt.from_buffer(BytesIO(web), strict=True)
    assert [html.unescape(cue.text) for cue in read] == [cue.text for cue in wanted]
    events = pysubs2.SSAFile.from_string(rip.decode(), format_="srt").events
    assert [(event.start / 1000, event.end / 1000) for event in events] == times
    for data, name in ((rip, "srt"), (web, "webvtt")):
        assert [(float(start), float(end)) for start, end, _ in by_ffmpeg(data, name)] == times
    assert not re.search(rb"<|(?<!--)>|[{}]", rip) and not re.search(rb"<|(?<!--)>", web.split(b"\n1\n", 1)[1])


def test_notes_and_remarks_of_webvtt_are_no_cues() -> None:
    # Webvtt notes the model and its problems.
    head = subtitles.write_vtt(analysis(), "zh").decode().split("\n1\n")[0]
    assert head.startswith("WEBVTT\n\nNOTE\n⚠️ Messages 格式不支持")
    assert "some/model" in head and '"AIGC"' in head and head.count("-->") == 0
    assert "NOTE\nTranscribed by whisper" in subtitles.write_transcript_vtt(rich(), "en").decode()
    # A remark can not become a cue.
    made = rich(transcript=Transcript("subtitles", "00:01.000 --> 00:02.000\n\nx", (Cue(1.0, 2.0, "Hello."),)))
    assert [
        cue.text for cue in webvtt.from_buffer(BytesIO(subtitles.write_transcript_vtt(made, "en")), strict=True)
    ] == ["Hello."]


def test_the_transcript_keeps_its_lines_and_times() -> None:
    made = rich(
        transcript=Transcript("subtitles", "en", (Cue(3600.5, 3602.0, "a\n\nb"), Cue(1.0, 1.0, "z"), Cue(2, 3, " ")))
    )
    assert subtitles.write_transcript_srt(made, "en").decode().split("\r\n") == [
        *("1", "00:00:01,000 --> 00:00:01,001", "z", ""),
        *("2", "01:00:00,500 --> 01:00:02,000", "a", "b", ""),
    ]
    assert [text for *_, text in by_ffmpeg(subtitles.write_transcript_vtt(made, "en"), "webvtt")] == ["z", "a\nb"]


@pytest.mark.slow
def test_empty_format_is_not_offered_and_explained() -> None:
    bare = analysis(chunks=(), engine=None, transcript=Transcript("speech", "whisper", ()))
    for name in ("srt", "vtt", "transcript_srt", "transcript_vtt"):
        assert FORMATS[name].fits(rich()) and not FORMATS[name].fits(bare)
        with pytest.raises(InputError) as raised:
            next(files_of(name, bare, "en", "clip.srt"))
        assert name in error_text(raised.value, "en") and name in error_text(raised.value, "zh")
    assert not [file.name for file in all_files(bare, "en", "clip") if file.name.endswith((".srt", ".vtt"))]
    assert {"clip.srt", "clip.transcript.srt"} <= {file.name for file in all_files(rich(), "en", "clip")}


def test_empty_formats_are_left_out_of_bundles() -> None:
    bare = analysis(chunks=(), engine=None)
    names = [file.name for file in bundle([bare, rich()], ["srt", "json"], "en")]
    assert [name.rpartition(".")[2] for name in names] == ["json", "srt", "json"]
    with pytest.raises(InputError):
        list(bundle([bare], ["srt", "vtt"], "en"))
