"""Timelines for editing rooms, read by OpenTimelineIO and its adapters: every frame in its place at every rate."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio
import pytest
from lxml import etree
from opentimelineio.opentime import RationalTime

from framelens.core.domain import Analysis, AudioTrack, Chapter, Finding, Language, Selection, Shot
from framelens.core.events import KeyframesChosen, Probed
from framelens.plugins.editing.timeline import editor_files, markers
from framelens.plugins.editing.timeline import editor_files as otio_report
from framelens.plugins.editing.timeline.rates import (
    MediaStart,
    Rate,
    first_frame,
    is_exact,
    media_start,
    rate_of,
    timecode,
    timecode_at,
)
from framelens.reports.formats import FORMATS
from framelens.video.extractor import extract
from framelens.video.keyframes.options import ExtractOptions
from tests.media import cards, write_video
from tests.reports.content.test_labels import part, rich
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

pytestmark = pytest.mark.usefixtures("english")

RATES = (None, 1.0, 12.5, 15.0, 23.976, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 59.94, 60.0, 120.0, 1000.0, 4e9)
each_rate = pytest.mark.parametrize("rate", RATES)


def at_rate(rate: float | None, made: Analysis | None = None, *, variable: bool = False) -> Analysis:
    made = made or rich()
    shots = (Shot(1, 0.0, 4.0), Shot(2, 4.0, 9.0))
    decode = replace(made.decode, is_variable_frame_rate=variable, shots=shots)
    return replace(made, video=replace(made.video, frame_rate=rate), decode=decode)


def timeline(made: Analysis, language: Language = "en") -> Any:
    return otio.adapters.read_from_string(otio_report.write_otio(made, language).decode(), "otio_json")


def events(made: Analysis) -> list[tuple[str, str, str]]:
    """Timecode, note and the rest of each marker of the EDL."""
    text = editor_files.write_edl(made, "en").decode()
    return re.findall(r"^\d{3}  001 {6}V {5}C {8}(\S+) \S+ \S+ \S+\n(.*) (\|C:.*)$", text, re.MULTILINE)


# ---- rates and timecodes


@pytest.mark.parametrize(
    ("given", "timebase", "ntsc"),
    [
        *[(23.976, 24, True), (23.98, 24, True), (24000 / 1001, 24, True), (24.0, 24, False), (25.0, 25, False)],
        *[
            (29.97, 30, True),
            (29.5, 30, True),
            (30.0, 30, False),
            (59.94, 60, True),
            (12.5, 12, False),
            (1e-9, 1, False),
        ],
    ],
)
def test_a_rate_is_the_nominal_one_next_to_it(given: float, timebase: int, ntsc: bool) -> None:
    made = at_rate(given)
    assert rate_of(made.video, made.decode) == Rate(timebase, ntsc)


def test_a_rate_that_no_header_gives_is_counted() -> None:
    made = at_rate(None)
    assert rate_of(made.video, made.decode) == Rate(25)
    assert not is_exact(Rate(25), made.video, made.decode)


@pytest.mark.parametrize(
    "rate", [Rate(24, True), Rate(25), Rate(30, True), Rate(30), Rate(60, True), Rate(60), Rate(15)]
)
def test_timecodes_are_those_of_another_library(rate: Rate) -> None:
    hour, frames_per_second = first_frame(rate), float(rate.frames_per_second)
    assert timecode(hour, rate) == ("01:00:00;00" if rate.drops else "01:00:00:00")
    if rate.timebase == 15:
        return  # a rate that OpenTimelineIO has no timecodes for
    minute = 60 * rate.timebase
    edges = [k * minute + d for k in (0, 1, 2, 9, 10, 11, 60) for d in range(-6, 7) if k * minute + d >= 0]
    for frame in (*edges, *range(0, hour, 1009), hour - 1, hour, 24 * hour - 1):
        theirs = RationalTime(frame, frames_per_second).to_timecode(frames_per_second, drop_frame=rate.drops)
        assert timecode(frame, rate) == theirs


@pytest.mark.parametrize("rate", [Rate(30, True), Rate(60, True)])
def test_an_hour_of_timecode_that_drops_numbers_is_an_hour(rate: Rate) -> None:
    assert abs(first_frame(rate) / float(rate.frames_per_second) - 3600) < 0.1


# ---- markers and cuts


def test_markers_are_one_per_frame_with_the_main_name() -> None:
    made = at_rate(25.0)
    reported = markers.markers_of(made, Rate(25))
    assert [(one.frame, one.kind) for one in reported] == [
        *[
            (0, "chapter"),
            (12, "finding"),
            (25, "frame"),
            (56, "frame"),
            (100, "chapter"),
            (162, "doubt"),
            (200, "frame"),
        ]
    ]
    assert reported[0].note == "He walks by."
    assert (reported[1].name, reported[1].note) == ("A man walks by.", "Nothing more.")
    assert reported[5].name.startswith("He comes back. ⚠️ unverified")


def test_files_state_the_frame_rate_and_the_model_once() -> None:
    differs, begins = "frame rate differs", "29.97 frames a second that begins at 01:00:00;00"
    for name in ("edl", "xml", "otio"):
        steady, variable, odd = (
            FORMATS[name].write(made, "en").decode()
            for made in (at_rate(29.97), at_rate(29.97, variable=True), at_rate(12.5))
        )
        assert begins in steady and differs not in steady and differs in variable and differs in odd
        assert steady.count("The descriptions were generated by an AI model") == 1


def test_markers_hold_what_is_seen_and_not_how_it_was_made() -> None:
    *shown, last = events(at_rate(25.0))
    assert not any("AI model" in note + rest or "FrameLens" in note + rest for _, note, rest in shown)
    assert last[0] == "01:00:08:24" and "an AI model (some/model)" in last[1] and "|M:FrameLens 0.1.0 |" in last[2]


def test_long_finding_is_cut_in_name_and_whole_in_note() -> None:
    text = "A very long sentence. " * 20
    (marker,) = [
        one
        for one in markers.markers_of(rich(chunks=(part(1, 1, 2, findings=(Finding(text, (2,)),)),)), Rate(25))
        if one.kind == "finding"
    ]
    assert len(marker.name) <= 60 and marker.name.endswith("…") and marker.note == text.strip()


@pytest.mark.slow
@pytest.mark.parametrize("rate", [25, Fraction(30000, 1001), Fraction(24000, 1001)])
def test_a_keyframe_of_a_real_video_is_at_its_own_index(rate: int | Fraction, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", cards(["red", "green", "blue", "yellow"], 17), rate=rate)
    found = list(extract(path, ExtractOptions(6, read_text=False)))
    (probed,) = [event.video for event in found if isinstance(event, Probed)]
    (chosen,) = [event for event in found if isinstance(event, KeyframesChosen)]
    made = analysis(video=probed, decode=chosen.decode, keyframes=chosen.keyframes, chunks=(), engine=None, facts=())
    nominal = rate_of(probed, chosen.decode)
    assert nominal.frames_per_second == rate and is_exact(nominal, probed, chosen.decode)
    indices = [frame.frame_index for frame in chosen.keyframes]
    assert [marker.frame for marker in markers.markers_of(made, nominal)] == sorted({0, *indices})
    read = timeline(made)
    assert [clip.source_range.start_time.value for clip in read.video_tracks()[0]] == [0, 17, 34, 51]
    assert read.duration().value == 68


# ---- what other programs read


@each_rate
def test_all_three_formats_tell_the_same_frames(rate: float | None) -> None:
    made = at_rate(rate)
    nominal = rate_of(made.video, made.decode)
    wanted = [one.frame for one in markers.markers_of(made, nominal)]
    from_otio = timeline(made)
    from_xml = otio.adapters.read_from_string(editor_files.write_fcp7_xml(made, "en").decode(), "fcp_xml")
    for read in (from_otio, from_xml):
        assert [marker.marked_range.start_time.value for marker in read.tracks.markers] == wanted
        assert read.global_start_time.value == first_frame(nominal)
        assert [clip.name for clip in read.video_tracks()[0]] == ["Shot 1", "Shot 2"][: len(read.video_tracks()[0])]
        assert read.duration() == RationalTime(max(1, nominal.frame(9.0)), float(nominal.frames_per_second))
    *shown, _about = [time for time, *_ in events(made)]
    assert shown == [timecode(first_frame(nominal) + frame, nominal) for frame in wanted]


@pytest.mark.parametrize("rate", [24.0, 25.0, 29.97, 59.94])
def test_edl_markers_read_as_one_frame_events_elsewhere(rate: float) -> None:
    made = at_rate(rate)
    nominal = rate_of(made.video, made.decode)
    text = editor_files.write_edl(made, "en").decode()
    assert text.splitlines()[1] == ("FCM: DROP FRAME" if nominal.drops else "FCM: NON-DROP FRAME")
    read = otio.adapters.read_from_string(text, "cmx_3600", rate=float(nominal.frames_per_second))
    starts = [clip.source_range.start_time.value - first_frame(nominal) for clip in read.find_clips()]
    assert starts[:-1] == [one.frame for one in markers.markers_of(made, nominal)]
    assert starts[-1] == nominal.frame(9.0) - 1
    assert {clip.duration().value for clip in read.find_clips()} == {1}


@pytest.mark.parametrize(
    ("rate", "code", "drops"),
    [
        (25.0, "10:00:00:00", False),
        (29.97, "10:00:00;00", True),
        (29.97, "10:00:00:00", False),
        (59.94, "00:59:59;59", True),
        (29.97, "01:10:00;28", True),
        (23.976, "09:59:58:23", False),
    ],
)
def test_media_begin_with_their_own_timecode(rate: float, code: str, drops: bool) -> None:
    made = at_rate(rate)
    made = replace(made, video=replace(made.video, timecode=code))
    nominal = rate_of(made.video, made.decode)
    frames_per_second = float(nominal.frames_per_second)
    from_code = otio.opentime.from_timecode(code, frames_per_second).value
    for text, adapter in ((otio_report.write_otio, "otio_json"), (editor_files.write_fcp7_xml, "fcp_xml")):
        read = otio.adapters.read_from_string(text(made, "en").decode(), adapter)
        assert read.global_start_time.value == first_frame(nominal)
        for clip in read.find_clips():
            assert clip.media_reference.available_range.start_time.value == from_code
            assert clip.source_range.start_time.value - from_code == clip.range_in_parent().start_time.value
    xml = etree.fromstring(editor_files.write_fcp7_xml(made, "en"))
    assert xml.findtext(".//file/timecode/string") == code
    assert xml.findtext(".//file/timecode/displayformat") == ("DF" if drops else "NDF")
    source = re.findall(
        r"^001  001      V     C        (\S+)", editor_files.write_edl(made, "en").decode(), re.MULTILINE
    )
    assert source == [code]


@pytest.mark.parametrize(
    ("rate", "before"), [(29.97, "00:00:59;29"), (119.88, "00:00:59;119"), (239.76, "00:00:59;239")]
)
def test_media_timecode_that_drops_numbers_is_continued(rate: float, before: str) -> None:
    video = replace(at_rate(rate).video, timecode=before)
    assert timecode_at(video, 1 / rate) == f"00:01:00;{round(rate / 15):02d}"
    hour = replace(video, timecode="01:00:00;00")
    assert media_start(hour, rate_of(hour, at_rate(rate).decode)).frame / rate == pytest.approx(3600, abs=0.1)


@pytest.mark.parametrize(("rate", "code", "frame"), [(30.0, "16:37:10;02", 1_793_106), (60.0, "01:00:00;00", 215_784)])
def test_whole_rates_may_have_drop_frame_timecode(rate: float, code: str, frame: int) -> None:
    video = replace(at_rate(rate).video, timecode=code)
    assert media_start(video, rate_of(video, at_rate(rate).decode)) == MediaStart(frame, drops=True)
    assert timecode_at(video, 0.0) == code


def test_picture_and_sound_are_linked_and_as_long_as_they_are() -> None:
    made = at_rate(25.0)
    made = replace(made, decode=replace(made.decode, held_seconds=2.0))
    xml = etree.fromstring(editor_files.write_fcp7_xml(made, "en"))
    clips = {one.get("id"): one for one in xml.iter("clipitem")}
    assert [clips[name].findtext("end") for name in ("clipitem-2", "sound-1-2", "sound-2-2")] == ["175", "225", "225"]
    for clip in clips.values():
        assert {link.findtext("linkclipref") for link in clip.iter("link")} == {
            f"{kind}-{clip.get('id')[-1]}" for kind in ("clipitem", "sound-1", "sound-2")
        }
    read = otio.adapters.read_from_string(editor_files.write_fcp7_xml(made, "en").decode(), "fcp_xml")
    for one in (read, timeline(made)):
        assert [(track.kind, track.duration().value) for track in one.tracks] == [("Video", 175), ("Audio", 225)]
    silent = replace(made, video=replace(made.video, has_audio=False))
    assert not etree.fromstring(editor_files.write_fcp7_xml(silent, "en")).findall(".//audio")


@pytest.mark.parametrize("channels", [(1,), (2,), (6,), (2, 1)])
def test_each_channel_of_sound_is_in_its_place(channels: tuple[int, ...]) -> None:
    made = at_rate(25.0)
    tracks = tuple(AudioTrack(number, 44_100) for number in channels)
    made = replace(made, video=replace(made.video, audio_tracks=tracks))
    xml = etree.fromstring(data := editor_files.write_fcp7_xml(made, "en"))
    audio = xml.find("sequence/media/audio")
    assert audio.findtext("numOutputChannels") == str(max(2, *channels))
    assert audio.findtext("format/samplecharacteristics/samplerate") == "44100"
    assert [int(one.findtext("outputchannelindex")) for one in audio.iter("track")] == [
        channel for number in channels for channel in range(1, number + 1)
    ]
    sources = [{one.findtext(".//trackindex") for one in track.iter("clipitem")} for track in audio.iter("track")]
    assert sources == [{str(index)} for index in range(1, sum(channels) + 1)]
    assert [one.findtext("channelcount") for one in xml.findall(".//file/media/audio")] == list(map(str, channels))
    assert {len(one.findall("link")) for one in xml.iter("clipitem")} == {1 + sum(channels)}
    read = otio.adapters.read_from_string(data.decode(), "fcp_xml")
    assert len(read.audio_tracks()) == (1 if channels == (2,) else sum(channels))
    assert [one.duration().value for one in read.audio_tracks()] == [225] * len(read.audio_tracks())


def test_otio_has_each_sound_track_with_its_channels() -> None:
    made = at_rate(25.0)
    made = replace(made, video=replace(made.video, audio_tracks=(AudioTrack(2, 48_000), AudioTrack(1, 48_000))))
    read = timeline(made)
    assert [track.metadata["Resolve_OTIO"]["Audio Type"] for track in read.audio_tracks()] == ["Stereo", "Mono"]
    sources = [track[1].metadata["Resolve_OTIO"]["Channels"] for track in read.audio_tracks()]
    assert [[(one["Source Track ID"], one["Source Channel ID"]) for one in found] for found in sources] == [
        [(0, 0), (0, 1)],
        [(1, 0)],
    ]


def test_media_of_a_range_is_as_long_as_its_file() -> None:
    made = at_rate(25.0)
    request = replace(made.request, selection=Selection(end_seconds=9.0))
    made = replace(made, request=request, video=replace(made.video, duration_seconds_from_header=20.0))
    assert next(iter(timeline(made).find_clips())).media_reference.available_range.duration.value == 500
    xml = etree.fromstring(editor_files.write_fcp7_xml(made, "en"))
    assert [xml.findtext(f".//{name}") for name in ("file/duration", "sequence/duration")] == ["500", "225"]


def test_otio_timeline_is_cut_into_shots_with_sound() -> None:
    read = timeline(at_rate(25.0))
    assert [(track.kind, len(track)) for track in read.tracks] == [("Video", 2), ("Audio", 2)]
    media = next(iter(read.find_clips())).media_reference
    assert unquote(media.target_url) == NASTY and media.available_range.duration.value == 225
    silent = at_rate(25.0)
    assert len(timeline(replace(silent, video=replace(silent.video, has_audio=False))).tracks) == 1


def test_otio_is_what_the_library_itself_would_write() -> None:
    """Nothing is missing, unknown or of another version of its schema."""
    read = timeline(rich())
    again = otio.adapters.read_from_string(otio.adapters.write_to_string(read, "otio_json"), "otio_json")
    assert again.is_equivalent_to(read)
    assert {type(one) for one in read.find_children()} == {otio.schema.Track, otio.schema.Clip}
    colours = {name for name in vars(otio.schema.MarkerColor) if name.isupper()}
    assert {marker.color for marker in read.tracks.markers} <= colours


def test_xml_has_the_structure_of_the_interchange_format() -> None:
    root = etree.fromstring(editor_files.write_fcp7_xml(at_rate(59.94), "zh"))
    assert root.getroottree().docinfo.doctype == "<!DOCTYPE xmeml>" and root.get("version") == "5"
    (sequence,) = root
    assert sequence.findtext("rate/timebase") == "60" and sequence.findtext("rate/ntsc") == "TRUE"
    assert sequence.findtext("timecode/string") == "01:00:00;00"
    assert sequence.findtext("timecode/displayformat") == "DF"
    clips = sequence.findall("media/video/track/clipitem")
    assert [(int(one.findtext("start")), int(one.findtext("end"))) for one in clips] == [(0, 240), (240, 539)]
    assert {one.find("file").get("id") for one in clips} == {"file-1"}
    assert [len(one.find("file")) > 0 for one in clips] == [True, False]  # told once, then referred to
    assert unquote(clips[0].findtext("file/pathurl")) == f"file://localhost/{NASTY}"


@pytest.mark.parametrize(
    "text", [*HOSTILE, NASTY, "1. a digit first", "]]>", "--> <!--", "a|b |C:ResolveColorRed |M:x"]
)
def test_text_of_anybody_stays_in_its_marker(text: str) -> None:
    finding = Finding(text, (1,))
    made = rich(chunks=(part(1, 1, 2, findings=(finding, finding)),))
    assert made.summary and made.engine
    whole = replace(made.summary, chapters=(Chapter(text, text, 1, 0.0, 9.0),))
    made = replace(made, summary=whole, engine=replace(made.engine, model=f"a--{text}-"))
    count = len(markers.markers_of(made, Rate(25)))
    assert len(events(made)) == count + 1
    assert all(not note[:1].isdigit() and "|" not in note and rest.count("|") == 3 for _, note, rest in events(made))
    assert len(timeline(made).tracks.markers) == count
    read = etree.fromstring(editor_files.write_fcp7_xml(made, "en"))
    assert len(read.findall("sequence/marker")) == count


def test_without_model_or_frames_less_is_written() -> None:
    # Markers without model are keyframes.
    made = analysis(chunks=(), engine=None, facts=(), notices=())
    reported = markers.markers_of(made, Rate(25))
    assert [marker.kind for marker in reported] == ["frame", "frame"]
    for name in ("edl", "xml", "otio"):
        written = FORMATS[name].write(made, "zh").decode()
        assert "AIGC" not in written and "人工智能" not in written
    # Without frames there is no timeline.
    made = analysis(chunks=(), keyframes=(), facts=())
    assert not any(FORMATS[name].fits(made) for name in ("edl", "xml", "otio"))
