"""Ranges that the browser sends, and the buttons that lists of findings, chapters and intervals have for them."""

import pytest

from app.components.ranges import _range_of, found_ranges
from app.components.report_blocks import Renderer, pieces
from framelens.core.domain import Analysis, Keyframe
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.plugin_page import RangeAction, VideoRange
from framelens.reports.content.builder import sections
from framelens.reports.content.document import PictureBlock, ThumbnailRow
from tests.reports.content.test_labels import rich

ACTION = RangeAction("Clip", lambda _: None)


@pytest.mark.parametrize(
    "value",
    [None, "x", {}, {"start": 1.0}, {"start": "1", "end": 2}, {"start": 2, "end": 1}, {"start": -1, "end": 1}],
)
def test_other_values_are_ignored(value: object) -> None:
    assert _range_of(value, "job", "") is None


def test_a_sent_range_names_its_analysis_or_its_video() -> None:
    sent = {"start": 1, "end": 2.5, "name": "x", "cited": True}
    assert _range_of(sent, "job", "video") == VideoRange(1, 2.5, "x", "job", "", True)
    assert _range_of(sent, "", "video") == VideoRange(1, 2.5, "x", "", "video", True)
    assert _range_of({**sent, "job": "other"}, "job", "") == VideoRange(1, 2.5, "x", "other", "", True)


def ranges(made: Analysis, action: RangeAction | None) -> list[tuple[object, ...]]:
    named = sections(made)
    listed = [*named["chapters"](), *named["findings"]()]
    values = Renderer("job", made.keyframes, range_action=action).values(pieces(listed))
    rows = [row for value in values for row in value.get("rows", ())]  # type: ignore[attr-defined]
    return [(one["start"], one["end"], one["cited"], one["words"]) for row in rows if (one := row["range"])]


@pytest.mark.usefixtures("english")
def test_chapters_and_findings_have_the_button() -> None:
    assert ranges(rich(), ACTION) == [
        (0.0, 4.0, False, "Clip"),
        (4.0, 9.0, False, "Clip"),
        (0.5, 0.5, True, "Clip"),
        (0.5, 1.0, True, "Clip"),
        (6.5, 8.0, True, "Clip"),
    ]
    assert ranges(rich(), None) == []


def test_found_intervals_are_named_after_what_was_sought() -> None:
    seen = Interval(Point(4, 4.0), Point(5, 5.0), None, Point(6, 6.0), Point(4, 4.0), 1, 0, 0.9)
    moments = Moments("job", "a red\ncard", 0.0, 9.0, (VoteSample(4, 4.0, 4.1, 0.9, 1),), intervals=(seen,))
    (found,) = found_ranges(moments)
    assert found == VideoRange(4.0, 6.0, "a red card", "job")
    picture = PictureBlock(1, 4.0, 320, 180, b"", "[1]", 4.0)
    frames = (Keyframe(1, 4, 4.0, "even", 1, 320, 180, b"x"),)
    renderer = Renderer("job", frames, range_action=ACTION, intervals=(found,))
    (shown,) = renderer.values(pieces([ThumbnailRow((picture,))]))
    assert shown["pictures"][0]["range"] == found.value(ACTION)  # type: ignore[index]
