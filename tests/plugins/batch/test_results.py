"""Stored results: the truth for a later run."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, DecodeError, EngineError, StorageError, VideoError
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.results import Results, VideoResult, may_pass
from framelens.store import fs_utils
from tests.reports.test_reports import analysis

A, B = (BatchVideo(letter * 64, Path(f"/clips/{letter}.mp4"), f"{letter}.mp4", 10) for letter in "ab")
DONE = VideoResult(A.key, A.name, A.path, "f" * 64, "done", 2.0, job_id="abc", files={"html": "reports/a.html"})
BROKEN = VideoResult(B.key, B.name, B.path, "f" * 64, "failed", failure=Failure.of(DecodeError("video_no_frames")))


def batch(**changes: object) -> Batch:
    return replace(Batch("id", (A, B), AnalysisRequest(Path("x")), "f" * 64), **changes)  # type: ignore[arg-type]


def results_in(folder: Path, fingerprint: str = "f" * 64) -> Results:
    return Results(batch(folder=folder, fingerprint=fingerprint))


def test_a_result_is_read_as_it_was_saved(tmp_path: Path) -> None:
    results = results_in(tmp_path)
    assert results.get(A.key) is None
    results.save(DONE)
    assert results.get(A.key) == DONE
    assert [path.name for path in (tmp_path / "videos").iterdir()] == [f"{'a' * 12}.{'f' * 8}.json"]


def test_reports_are_named_after_their_videos(tmp_path: Path) -> None:
    first, other = results_in(tmp_path), results_in(tmp_path, "e" * 64)
    twin = replace(B, name="A.mp4")  # the same name on some file systems
    assert [first.report_name(one) for one in (A, twin, A, twin)] == ["reports/a", "reports/A-2"] * 2
    assert [other.report_name(A), first.report_name(A)] == ["reports/a-3", "reports/a"]
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "b.html").touch()  # of somebody else
    assert first.report_name(B) == "reports/b-2"


def test_another_request_has_results_of_its_own(tmp_path: Path) -> None:
    results_in(tmp_path).save(DONE)
    other = results_in(tmp_path, "e" * 64)
    assert other.get(A.key) is None
    other.save(replace(DONE, fingerprint="e" * 64, job_id="xyz"))
    assert results_in(tmp_path).get(A.key) == DONE


def test_a_damaged_result_counts_as_missing(tmp_path: Path) -> None:
    results = results_in(tmp_path)
    results.save(DONE)
    path = results.path(A.key)
    path.write_bytes(path.read_bytes()[:40])
    assert results.get(A.key) is None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (DecodeError("video_decoder_crashed"), False),
        (VideoError("video_not_a_video"), False),
        (VideoError("video_not_found"), True),
        (EngineError("engine_timeout"), True),
        (StorageError("disk_full_now"), True),
    ],
)
def test_only_what_may_pass_is_tried_again(error: AppError, again: bool, tmp_path: Path) -> None:
    assert may_pass(error) is again
    results = results_in(tmp_path)
    results.save(replace(BROKEN, failure=Failure.of(error)))
    results.save(DONE)
    assert set(results.finished(batch())) == ({A.key} if again else {A.key, B.key})
    assert results.finished(batch(repeats=True)) == {}


def test_a_full_disk_leaves_the_earlier_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = results_in(tmp_path)
    results.save(DONE)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fs_utils, "write_private", refuse)
    with pytest.raises(StorageError):
        results.save(replace(DONE, job_id="new"))
    assert results.get(A.key) == DONE
    assert len(list((tmp_path / "videos").iterdir())) == 1


def test_the_stored_report_becomes_an_analysis(tmp_path: Path) -> None:
    results = results_in(tmp_path)
    made = analysis()
    results.save(DONE, made)
    read = results.analysis(A.key)
    assert read is not None
    assert [one.text for one in read.findings] == [one.text for one in made.findings]
    assert not any(frame.jpeg for frame in read.keyframes)
    assert results.get(A.key) == DONE
