"""Start of an analysis that continues an earlier run."""

from pathlib import Path

import pytest

from framelens.core.domain import AnalysisRequest
from framelens.jobs.analyses import AnalysisRun
from framelens.store.database import Store
from tests.app.panels.report.test_report import breaking_off
from tests.jobs.test_queue import Open, until


@pytest.mark.slow
def test_unfinished_part_is_not_counted_as_answered(
    open_queue: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "framelens.sqlite")
    jobs = open_queue(breaking_off)
    request = AnalysisRequest(Path("/v/clip.mp4"))
    job_id = jobs.submit(request, name="clip.mp4", force=True)
    until(jobs, job_id, lambda job: job.state == "failed")
    assert jobs.snapshot(job_id).progress.results
    monkeypatch.setattr(jobs, "unfinished", lambda _: job_id)  # which looks for the content of the file
    run = AnalysisRun.begin(jobs, request, name="clip.mp4", force=False)
    assert (run.job_id, run.answered) == (job_id, 0)
    until(jobs, job_id, lambda job: job.is_over)
    jobs.close()
    store.close()
