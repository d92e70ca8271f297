from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain import (
    AnalysisEvent,
    AnalysisRequest,
    AnswerDelta,
    FactsMeasured,
    Finished,
    FrameFacts,
    KeyframesChosen,
    ModeChosen,
    Notice,
    Noticed,
    Probed,
    StageStarted,
    SurveyProgress,
)
from app.errors import Cancelled, EngineError, InputError
from app.jobs import Jobs, JobSnapshot
from app.jobs.snapshot import to_row
from app.store.store import Store
from tests.reports.test_reports import analysis

REQUEST = AnalysisRequest(Path("/v/clip.mp4"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data" / "framelens.sqlite")
    yield store
    store.close()


def until(jobs: Jobs, job_id: str, wanted: Callable[[JobSnapshot], bool]) -> JobSnapshot:
    for _ in range(400):
        job = jobs.snapshot(job_id)
        if wanted(job):
            return job
        time.sleep(0.02)
    raise AssertionError(f"never came: {job}")


def whole(request: AnalysisRequest, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
    done = replace(analysis(), id=job_id, request=request)
    yield StageStarted("survey")
    yield Probed(done.video)
    yield SurveyProgress(1.0, 9.0)
    yield KeyframesChosen(done.keyframes, done.decode)
    yield FactsMeasured(done.facts[0])
    yield StageStarted("ask", 1)
    yield ModeChosen(1, "text", Notice("text_mode", {"reason": Notice("pictures_unproven")}))
    yield AnswerDelta(1, "void", restart=True)
    yield AnswerDelta(1, "1: a", restart=True)
    yield AnswerDelta(1, "\n2: b")
    yield Noticed(Notice("no_model"))
    yield Finished(done)


def test_a_finished_job_is_the_same_after_a_restart(store: Store) -> None:
    jobs = Jobs(store, whole, log_path=Path("framelens.log"))
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    done = until(jobs, job_id, lambda job: job.is_over)
    jobs.close()
    assert done.state == "done"
    again = Jobs(store, whole, log_path=Path("framelens.log"))
    try:
        stored = again.snapshot(job_id)
        assert stored.analysis == done.analysis
        assert stored.answers == {1: "1: a\n2: b"}
        assert stored.keyframes[0].jpeg == done.keyframes[0].jpeg
        assert [job.id for job in again.recent()] == [job_id]
        assert again.recent()[0].name == "clip.mp4"
    finally:
        again.close()


def test_a_failure_is_stored_as_the_error_it_was(store: Store) -> None:
    def failing(request: AnalysisRequest, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
        yield KeyframesChosen(analysis().keyframes, analysis().decode)
        raise EngineError("engine_unreachable", base_url="http://x", reason="gone")

    jobs = Jobs(store, failing, log_path=Path("framelens.log"))
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    until(jobs, job_id, lambda job: job.is_over)
    jobs.close()
    stored = Jobs(store, failing, log_path=Path("framelens.log")).snapshot(job_id)
    assert stored.state == "failed"
    assert isinstance(stored.error, EngineError)
    assert stored.error.values == {"base_url": "http://x", "reason": "gone"}
    assert len(stored.keyframes) == 2
    assert stored.keyframes[0].jpeg


def test_a_bug_is_a_sentence_for_the_user_and_a_traceback_for_the_log(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def buggy(request: AnalysisRequest, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
        raise ZeroDivisionError("a bug")
        yield

    jobs = Jobs(store, buggy, log_path=Path("framelens.log"))
    job = until(jobs, jobs.submit(REQUEST, name="x"), lambda job: job.is_over)
    jobs.close()
    assert job.error
    assert job.error.key == "internal"
    assert "a bug" in caplog.text


def test_cancel_reaches_a_running_job_and_one_that_waits(store: Store) -> None:
    started = threading.Event()

    def endless(request: AnalysisRequest, job_id: str, cancel: threading.Event) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        started.set()
        cancel.wait(20)
        raise Cancelled

    jobs = Jobs(store, endless, log_path=Path("framelens.log"))
    running, waiting = jobs.submit(REQUEST, name="a"), jobs.submit(REQUEST, name="b")
    assert started.wait(10)
    assert jobs.snapshot(waiting).state == "queued"
    jobs.cancel(waiting)
    jobs.cancel(running)
    assert until(jobs, running, lambda job: job.is_over).state == "cancelled"
    assert until(jobs, waiting, lambda job: job.is_over).state == "cancelled"
    jobs.close()


def test_a_job_of_a_process_that_is_gone_is_interrupted_with_all_that_was_finished(store: Store) -> None:
    done = analysis()
    job = JobSnapshot("gone", "clip.mp4", "2026-01-01", REQUEST, state="running", keyframes=done.keyframes)
    store.save(replace(to_row(job), owner_pid=2**22 + 1))
    store.save_frames("gone", ((frame.number, frame.jpeg) for frame in done.keyframes))
    jobs = Jobs(store, whole, log_path=Path("framelens.log"))
    try:
        found = jobs.snapshot("gone")
        assert found.state == "interrupted"
        assert found.keyframes == done.keyframes
    finally:
        jobs.close()


def test_an_unknown_job_is_an_input_error(store: Store) -> None:
    jobs = Jobs(store, whole, log_path=Path("framelens.log"))
    with pytest.raises(InputError) as caught:
        jobs.snapshot("nothing")
    jobs.close()
    assert caught.value.key == "job_unknown"


def test_facts_count_as_steps_of_their_stage() -> None:
    from app.jobs.snapshot import fold

    job = JobSnapshot("x", "x", "x", REQUEST)
    for event in (StageStarted("facts", 2), FactsMeasured(FrameFacts(1, (), (), 0.5, 1.0, None))):
        job = fold(job, event)
    assert (job.stage, job.step, job.total) == ("facts", 1, 2)
