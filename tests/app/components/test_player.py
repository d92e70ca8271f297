"""What the timeline is given to show."""

from dataclasses import replace
from pathlib import Path

from app.components.player import marks, scenery
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest, Selection
from framelens.jobs.snapshot import JobSnapshot
from tests.app.fake_services import decode, keyframes


def job(selection: Selection | None = None, **changes: object) -> JobSnapshot:
    request = AnalysisRequest(Path("clip.mp4"), selection=selection or Selection())
    progress = replace(AnalysisState(decode=decode()), **changes)  # type: ignore[arg-type]
    return JobSnapshot("job", "clip", "2026-01-01", request, progress=progress)


def test_timeline_has_shots_boundaries_curve_and_segments() -> None:
    shown = scenery(job())
    assert shown["shots"] == [[0.0, 1.0], [1.0, 2.0]]
    assert shown["boundaries"] == [[0.8, 1.0, "dissolve"]]
    assert shown["stretches"] == [[1.5, 2.0, "frozen"]]
    assert shown["curve"] == {
        "start": 0.0,
        "step": 0.125,
        "values": [0.9 if place == 5 else 0.1 for place in range(16)],
    }
    assert shown["scope"] is None


def test_the_curve_of_a_part_begins_where_the_part_does() -> None:
    measures = decode().measures
    assert measures
    part = replace(decode(), measures=replace(measures, start_seconds=0.5))
    curve = scenery(job(Selection(start_seconds=0.5), decode=part))["curve"]
    assert isinstance(curve, dict) and curve["start"] == 0.5


def test_timelines_show_frames_and_their_part() -> None:
    # Timeline is empty before the survey.
    assert scenery(None) == scenery(job(decode=None))
    assert scenery(job(decode=replace(decode(), measures=None)))["curve"] is None
    # A report on a part shows which.
    assert scenery(job(Selection(start_seconds=0.5, end_seconds=1.5)))["scope"] == [0.5, 1.5]
    assert scenery(job(Selection(start_seconds=0.5)))["scope"] == [0.5, 2.0]
    # Frames are marked as what they are.
    found = job(found=keyframes(numbered=False))
    assert [mark["isChosen"] for mark in marks(found)] == [False, False]
    chosen = marks(job(keyframes=keyframes()))
    assert [(mark["label"], mark["isChosen"]) for mark in chosen] == [("Frame 1", True), ("Frame 2", True)]
    assert "side=320" in str(chosen[0]["src"])
