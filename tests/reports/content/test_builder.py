"""What the survey found, as the reports tell it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.domain import (
    Analysis,
    Boundary,
    DecodeSummary,
    Keyframe,
    Measures,
    Notice,
    Shot,
    Stretch,
    VideoInfo,
)
from framelens.core.events import KeyframesChosen
from framelens.reports.content.builder import sections
from framelens.reports.content.document import Paragraph
from framelens.reports.content.measurements import MOST_TIMES, segment_lines
from framelens.reports.formats import FORMATS
from framelens.reports.json.encoding import json_text, keyframes_json
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")

FRAME = Keyframe(1, 0, 0.0, "first", 1, 64, 36, b"jpeg")
VIDEO = VideoInfo(Path("/v/c.mp4"), "c.mp4", 9, "mp4", "h264", "yuv420p", 64, 36, 0, 9.0, 25.0, 225, 0.0, False)
DECODE = DecodeSummary(
    225,
    0.5,
    False,
    "pyav",
    (Shot(1, 0.0, 0.5),),
    (Boundary(2.0, 3.0, "dissolve"), Boundary(4.04, 4.04, "cut")),
    measures=Measures(0.25, (1.0, 0.123456), (0.0, 0.1), (0.5, 0.5), (12.3456, 7.0), (0.2, 1 / 3)),
    stretches=(Stretch(3.08, 3.64, "black"), Stretch(5.0, 7.5, "flashing"), Stretch(6.4, 6.96, "black")),
)


def both() -> list[dict[str, object]]:
    """The two JSON reports of the same decoding."""
    chosen = keyframes_json(VIDEO, "ab" * 32, KeyframesChosen((FRAME,), DECODE), reused=True)
    return [json.loads(chosen), json.loads(FORMATS["json"].write(done(), "en"))]


def done() -> Analysis:
    return replace(analysis(), decode=DECODE)


def test_json_reports_hold_boundaries_measures_and_segments() -> None:
    for document in both():
        assert document["boundaries"] == [
            {"time_seconds": 2.5, "start_seconds": 2.0, "end_seconds": 3.0, "type": "dissolve"},
            {"time_seconds": 4.04, "start_seconds": 4.04, "end_seconds": 4.04, "type": "cut"},
        ]
        assert document["measures"] == {
            "start_seconds": 0.0,
            "step_seconds": 0.25,
            "change": [1.0, 0.1235],
            "motion": [0.0, 0.1],
            "brightness": [0.5, 0.5],
            "sharpness": [12.3, 7.0],
            "colourfulness": [0.2, 0.3333],
        }
        assert document["stretches"] == [
            {"start_seconds": 3.08, "end_seconds": 3.64, "type": "black"},
            {"start_seconds": 5.0, "end_seconds": 7.5, "type": "flashing"},
            {"start_seconds": 6.4, "end_seconds": 6.96, "type": "black"},
        ]


def test_keyframes_json_names_file_and_decoding() -> None:
    chosen = both()[0]
    assert isinstance(chosen["source"], dict) and chosen["source"]["sha256"] == "ab" * 32
    assert chosen["reused"] is True


def test_what_was_not_measured_is_left_out() -> None:
    # What was not measured is null.
    report = json.loads(FORMATS["json"].write(analysis(), "en"))
    assert report["measures"] is None and report["stretches"] == []
    # Where there are none nothing is said of stretches.
    assert segment_lines(()) == []
    text = FORMATS["markdown"].to_bytes(analysis(), "en", appendix=True).decode()
    assert "Black picture" not in text and "Frozen picture" not in text and "flashes" not in text


def test_number_lists_are_on_one_line_and_words_unchanged() -> None:
    values = {
        "a": [1, -2.5, 1e-07],
        "b": ["[\n  1,\n  2\n]", "x"],
        "c": [],
        "d": [[1, 2], {"e": [3]}],
        "f": [True, None],
    }
    text = json_text(values).decode()
    assert json.loads(text) == values
    assert '"a": [1, -2.5, 1e-07]' in text and '"e": [3]' in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "- Black picture: 00:03.080 – 00:03.640, 00:06.400 – 00:06.960",
                "- ⚠️ More than three flashes a second: 00:05.000 – 00:07.500",
                "- No sound: 00:02.000 – 00:09.000",
            ],
        ),
        (
            "zh",
            [
                "- 黑屏：00:03.080 – 00:03.640、00:06.400 – 00:06.960",
                "- ⚠️ 每秒闪烁超过三次：00:05.000 – 00:07.500",
                "- 无声：00:02.000 – 00:09.000",
            ],
        ),
    ],
)
def test_markdown_reports_stretches_by_type_with_their_times(language: str, lines: list[str]) -> None:
    heard = replace(done(), decode=DECODE.with_silence((Stretch(2.0, 9.0, "silent"),)))
    text = FORMATS["markdown"].to_bytes(heard, language, appendix=True).decode().splitlines()  # type: ignore[arg-type]
    assert all(line in text for line in lines)


def test_longest_segments_are_named_and_others_counted() -> None:
    many = [Stretch(10.0 * number, 10.0 * number + 2 + number % 4, "frozen") for number in range(20)]
    (line,) = segment_lines(many)
    assert line.count("–") == MOST_TIMES
    assert line.endswith(", and 12 shorter ones")
    assert line.startswith("Frozen picture: 00:20.000 – 00:24.000, 00:30.000 – 00:35.000")


def test_notices_are_sorted_by_their_severity() -> None:
    levels = ("info", "error", "warning", "info")
    notices = tuple(Notice("facts_pending", {}, level) for level in levels)  # type: ignore[arg-type]
    blocks = sections(replace(analysis(), notices=notices))["notices"]()
    tones = [block.tone for block in blocks if isinstance(block, Paragraph) and block.tone in levels]
    assert tones == ["error", "warning", "info", "info"]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "brightness 25 %, sharpness 80, movement since the previous frame 12.5 %"),
        ("zh", "亮度 25%，清晰度 80，与前一帧的变化 12.5%"),
    ],
)
def test_measured_shares_are_percentages(language: str, line: str) -> None:
    made = analysis()
    facts = tuple(replace(frame_facts, brightness=0.25, sharpness=80.0, motion=0.125) for frame_facts in made.facts)
    made = replace(made, facts=facts)
    assert line in FORMATS["markdown"].to_bytes(made, language, appendix=True).decode()  # type: ignore[arg-type]
    assert line not in FORMATS["markdown"].to_bytes(made, language).decode()  # type: ignore[arg-type]


def test_head_says_what_a_quick_look_decoded() -> None:
    seen = replace(done(), decode=replace(DECODE, decoded_share=0.114))
    assert "quick look, 11 % decoded" in str(list(sections(seen)["head"]()))
    assert "quick look" not in str(list(sections(done())["head"]()))
    assert all(document["source"]["decoded_share"] == 1 for document in both())  # type: ignore[index]
