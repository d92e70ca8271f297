"""The short form of `make bench-endurance`: a composed video through the real engine, killed in the middle."""

from pathlib import Path

import pytest

from benchmarks.endurance import Setting, compose, foreign_times, run


def test_times_that_are_no_frame_s_are_found() -> None:
    text = "[00:04.500] and 1:02:03.250, v1.2.3, 16:9, at 00:05 or 12:00.000, made on 2026-11-26 07:51"
    assert foreign_times(text, {"00:04.500", "1:02:03.250", "00:05"}) == ["12:00.000"]


@pytest.mark.engine
@pytest.mark.thorough
@pytest.mark.usefixtures("no_text_reading")
def test_killed_analysis_resumes_to_the_same_report(tmp_path: Path, tiny_vl: Path) -> None:
    video = compose(tmp_path / "two-minutes.mp4", minutes=2.0)
    lines = list(run(Setting(video, 16, tiny_vl), tmp_path))
    assert [line for line in lines if line.startswith("WRONG")] == []
    assert "taken over" in "".join(lines)
