"""What every report keeps to, kept by the formats for editing."""

import json

import pytest

from tests.reports import test_reports as reports
from tests.reports.content import test_broken_answers as broken_answers
from tests.reports.content import test_labels as labels
from tests.reports.test_questions import written

pytestmark = pytest.mark.usefixtures("english")


@pytest.mark.parametrize("name", ["edl", "xml", "otio"])
def test_the_assumed_encoding_of_subtitles_is_named(name: str) -> None:
    reports.test_the_assumed_encoding_of_subtitles_is_named(name)


@pytest.mark.parametrize("name", ["edl", "llc", "otio", "xml"])
def test_ten_thousand_findings_are_a_report_too(name: str) -> None:
    labels.test_ten_thousand_findings_are_a_report_too(name)


def test_youtube_takes_no_headline_from_a_loop() -> None:
    broken_answers.test_no_file_takes_its_headline_from_a_loop("youtube")


@pytest.mark.parametrize("name", ["youtube", "ffmetadata"])
def test_chapters_name_no_model_that_only_answered(name: str) -> None:
    assert b"other/model" not in written(name)


def test_intervals_are_markers_of_their_length() -> None:
    edl, xml, otio = (written(name).decode() for name in ("edl", "xml", "otio"))
    assert "|C:ResolveColorRed |M:a <b>red</b> card |D:25" in edl and "01:00:02:00 01:00:02:01" in edl
    assert "Who is at the door? · 9 of 10 frames" in edl
    assert "<in>50</in>" in xml and "<out>75</out>" in xml and "<out>-1</out>" in xml
    (red,) = [one for one in json.loads(otio)["tracks"]["markers"] if one["color"] == "RED"]
    assert red["marked_range"]["start_time"]["value"] == 50 and red["marked_range"]["duration"]["value"] == 25
    assert "ResolveColorYellow |M:a <b>red</b> card |D:1" in edl
    assert "answers were generated" in edl
