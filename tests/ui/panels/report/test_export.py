from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from app.core.domain import KeyframesChosen, Probed
from app.ui.panels.report.report import contact_sheet, frames_as_zip
from app.video import ExtractOptions, extract
from tests.media import moving, write_video
from tests.reports.test_reports import analysis


@pytest.mark.slow
def test_finished_analysis_exports_full_resolution_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving(20, 1920, 1080))
    events = list(extract(path, ExtractOptions(3, max_side=320, read_text=False)))
    (video,) = (event.video for event in events if isinstance(event, Probed))
    (chosen,) = (event for event in events if isinstance(event, KeyframesChosen))
    done = replace(analysis(), video=video, keyframes=chosen.keyframes)
    with ZipFile(io.BytesIO(frames_as_zip(done))) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("times.csv").decode())))
        sizes = [Image.open(io.BytesIO(archive.read(row["file"]))).size for row in rows]
    assert [float(row["time_seconds"]) for row in rows] == [frame.time_seconds for frame in chosen.keyframes]
    assert sizes == [(1920, 1080)] * 3


def test_missing_video_exports_stored_frames() -> None:
    done = analysis()
    with ZipFile(io.BytesIO(frames_as_zip(done))) as archive:
        kept = [archive.read(name) for name in archive.namelist() if name.endswith(".jpg")]
    assert kept == [frame.jpeg for frame in done.keyframes]


def test_all_frames_come_on_one_contact_sheet() -> None:
    with Image.open(io.BytesIO(contact_sheet(analysis()))) as sheet:
        assert sheet.format == "JPEG"
        assert sheet.width > 2 * 500
