"""Closed captions (CEA-608 and CEA-708) in pictures, tracks and SCC files."""

from pathlib import Path

import av
import pytest

from framelens.core.domain import Cue
from framelens.plugins.captions.cea608 import Captions, read_scc
from framelens.plugins.captions.cea708 import DigitalCaptions
from framelens.video.extractor import subtitles_of
from tests.spoken import captioned, digital_captions, write_captioned, write_spoken

POP, ROLL_2, PAINT, ERASE, RETURN, SHOW = 0x20, 0x25, 0x29, 0x2C, 0x2D, 0x2F
ROW_15 = 0x70
POPPED = [
    (0.4, captioned("Hello there.", POP, ROW_15)),
    (1.2, captioned("", SHOW)),
    (2.0, captioned("", ERASE)),
    (2.2, captioned("How are you?", POP, ROW_15)),
    (3.0, captioned("", SHOW)),
]
SCC = """Scenarist_SCC V1.0

00:00:01:00\t9420 9420 9470 9470 c8e5 ecec ef80 942f 942f

00:00:03;00\t942c 942c
"""


def decoded(timed: list[tuple[float, list[bytes]]], flag: int = 0xFC) -> dict[str, list[tuple[float, float, str]]]:
    captions = Captions()
    for at, pairs in timed:
        for pair in pairs:
            captions.feed(bytes([flag]) + pair, at)
    return captions.channels()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264"), (".ts", "libx264"), (".ts", "mpeg2video")]
)
def test_captions_in_pictures_are_read_in_order(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_captioned(tmp_path / f"news{suffix}", POPPED, seconds=4.0, codec=codec)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and notices == () and transcript.label == "CEA-608"
    (hello, how) = transcript.cues
    assert (hello.text, how.text) == ("Hello there.", "How are you?")
    assert (hello.start_seconds, hello.end_seconds) == pytest.approx((1.2, 2.0), abs=0.001)
    assert how.start_seconds == pytest.approx(3.0, abs=0.001)


def test_captions_that_roll_up_appear_once() -> None:
    lines = [
        (at, captioned(text, ROLL_2, RETURN)) for at, text in ((1.0, "FIRST LINE"), (3.0, "SECOND"), (5.0, "THIRD"))
    ]
    assert decoded([*lines, (7.0, captioned("", ERASE))]) == {
        "CC1": [(1.0, 3.0, "FIRST LINE"), (3.0, 5.0, "SECOND"), (5.0, 7.0, "THIRD")]
    }


def test_lines_and_accents_are_shown_as_meant() -> None:
    # A rolled line ends after sixteen seconds.
    lines = [(0.0, captioned("ONE", ROLL_2, RETURN)), (60.0, captioned("TWO", ROLL_2, RETURN))]
    assert decoded(lines)["CC1"][0] == (0.0, 16.0, "ONE")
    # Painted captions end when erased.
    timed = [(1.0, captioned("Breaking", PAINT, ROW_15)), (2.0, captioned(" news")), (4.0, captioned("", ERASE))]
    assert decoded(timed) == {"CC1": [(1.0, 4.0, "Breaking news")]}
    # Accented letters replace their fallback.
    # "E" and the extended letter É that replaces it, the special sign ♪, and é of the basic set ("\\").
    pairs = [*captioned("", POP), b"E\0", bytes([0x12, 0x21]), bytes([0x11, 0x37]), b"t\\", *captioned("", SHOW)]
    assert decoded([(1.0, pairs), (2.0, captioned("", ERASE))]) == {"CC1": [(1.0, 2.0, "É♪té")]}
    # Scenarist times count frames.
    ((start, end, text),) = read_scc(SCC)
    assert text == "Hello"
    assert start == pytest.approx(37 * 1001 / 30000) and end == pytest.approx(90 * 1001 / 30000)


def test_second_field_is_another_channel_without_its_data() -> None:
    data_about_programme = [bytes([0x01, 0x03]), b"Film", bytes([0x0F, 0x10])]
    pairs = [
        data_about_programme[0],
        b"Fi",
        b"lm",
        data_about_programme[2],
        *captioned("Hola", POP),
        *captioned("", SHOW),
    ]
    assert decoded([(1.0, pairs), (2.0, captioned("", ERASE))], 0xFD) == {"CC3": [(1.0, 2.0, "Hola")]}


@pytest.mark.slow
def test_scenarist_file_beside_video_is_read(tmp_path: Path) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / "film.scc").write_text(SCC)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and [cue.text for cue in transcript.cues] == ["Hello"] and notices == ()


@pytest.mark.slow
def test_caption_track_is_read(tmp_path: Path) -> None:
    (tmp_path / "words.scc").write_text(SCC + "\n00:00:05;00\t942c 942c\n")  # the muxer drops the last packet
    film, path = write_spoken(tmp_path / "film.mp4"), tmp_path / "captions.mov"
    with (
        av.open(str(tmp_path / "words.scc"), format="scc") as words,
        av.open(str(film)) as base,
        av.open(str(path), "w") as container,
    ):
        sources = (base.streams.video[0], words.streams[0])
        copies = [container.add_stream_from_template(one) for one in sources]
        for source, stream in zip(sources, copies, strict=True):
            for packet in source.container.demux(source):
                if packet.dts is not None:
                    packet.stream = stream
                    container.mux(packet)
    transcript, _ = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == (Cue(1.0, 3.0, "Hello"),)


# ---- CEA-708

DEFINE_HIDDEN, DEFINE_SHOWN = bytes([0x98, 0x18, 0, 0, 0x0F, 0x1F, 0x09]), bytes([0x98, 0x38, 0, 0, 0x0F, 0x1F, 0x09])
DISPLAY, HIDE, CLEAR, NEXT_ROW = bytes([0x89, 1]), bytes([0x8A, 1]), bytes([0x88, 1]), b"\r"


def digital(timed: list[tuple[float, bytes]], service: int = 1) -> dict[str, list[tuple[float, float, str]]]:
    captions = DigitalCaptions()
    for at, block in timed:
        captions.feed(digital_captions(block, service), at)
    return captions.channels()


def test_windows_that_pop_up_are_cues() -> None:
    shown = [
        (0.5, DEFINE_HIDDEN + b"It\x10\x32s caf\xe9" + NEXT_ROW + b"time."),
        (1.0, DISPLAY),
        (2.0, HIDE + CLEAR + b"And tea? \x7f"),
        (3.0, DISPLAY),
    ]
    assert digital([*shown, (4.5, CLEAR)]) == {
        "Service 1": [(1.0, 2.0, "It’s café time."), (3.0, 4.5, "And tea? ♪")],
    }
    assert digital([*shown, (4.5, b"\x8f")], service=2)["Service 2"][1] == (3.0, 4.5, "And tea? ♪")


def test_lines_that_roll_up_are_cues_of_their_own() -> None:
    lines = [(1.0, DEFINE_SHOWN + b"FIRST"), (1.1, b" LINE"), (3.0, NEXT_ROW + b"SECOND"), (5.0, NEXT_ROW + b"THIRD")]
    assert digital([*lines, (7.0, CLEAR)]) == {
        "Service 1": [(1.0, 3.0, "FIRST LINE"), (3.0, 5.0, "SECOND"), (5.0, 7.0, "THIRD")],
    }


def test_codes_may_be_split_and_damaged() -> None:
    captions = DigitalCaptions()
    for block in (DEFINE_SHOWN[:3], DEFINE_SHOWN[3:] + b"A\x18\xac", b"\x00B"):
        captions.feed(digital_captions(block), 1.0)
    captions.feed(b"\xfe\x41\x42", 1.5)  # a rest without its start
    captions.feed(b"\xff\x05\x21\xfa\x00\x00", 1.5)  # a packet without its end
    captions.feed(b"\xff\x02\x3f\xfe\x43\x44", 2.0)  # a block that is longer than its packet, it says
    assert captions.channels() == {"Service 1": [(1.0, 2.0, "A가BCD")]}


@pytest.mark.slow
def test_digital_captions_alone_are_read(tmp_path: Path) -> None:
    blocks = {10: DEFINE_SHOWN + b"Good evening.", 60: CLEAR}
    path = write_captioned(tmp_path / "news.ts", [], seconds=4.0, codec="libx264", digital=blocks)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and notices == () and transcript.label == "CEA-708"
    assert [cue.text for cue in transcript.cues] == ["Good evening."]
    assert transcript.cues[0].start_seconds == pytest.approx(0.4, abs=0.001)
    assert transcript.cues[0].end_seconds == pytest.approx(2.4, abs=0.001)
