import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.task import Control, Task
from framelens.core.analysis_state import AnalysisState
from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest, FrameFacts, Notice, Selection
from framelens.core.errors import Cancelled, EngineError, InputError, Paused, StorageError
from framelens.core.events import (
    AnalysisEvent,
    AnswerDelta,
    ChunkDone,
    FactsMeasured,
    Finished,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Probed,
    StageStarted,
    SurveyProgress,
)
from framelens.core.roles import User, as_user
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.job_repository import JobRepository
from framelens.jobs.queue import Jobs
from framelens.jobs.snapshot import JobSnapshot, from_row, to_row
from framelens.jobs.stored.library_entries import SearchIndexer
from framelens.store.database import Row, Store
from framelens.store.locks import ProcessLock
from tests.reports.test_reports import analysis
from tests.updates import after

REQUEST = AnalysisRequest(Path("/v/clip.mp4"))
Open = Callable[..., Jobs]


def until(jobs: Jobs, job_id: str, wanted: Callable[[JobSnapshot], bool]) -> JobSnapshot:
    for _ in range(400):
        job = jobs.snapshot(job_id)
        if wanted(job):
            return job
        time.sleep(0.02)
    raise AssertionError(f"never came: {job}")


def whole(task: Task) -> Iterator[AnalysisEvent]:
    done = replace(analysis(), id=task.job_id, request=task.request)
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


def test_a_finished_job_is_the_same_after_a_restart(open_queue: Open) -> None:
    jobs = open_queue(whole)
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    done = until(jobs, job_id, lambda job: job.is_over)
    jobs.close()
    assert done.state == "done"
    again = open_queue(whole)
    stored = again.snapshot(job_id)
    assert stored.analysis == done.analysis
    assert stored.progress.answers == {1: "1: a\n2: b"}
    assert stored.progress.keyframes[0].jpeg == done.progress.keyframes[0].jpeg
    assert [job.id for job in again.recent()] == [job_id]
    assert again.recent()[0].name == "clip.mp4"


@pytest.mark.parametrize(("trouble", "key"), [("repeats", "no_usable_answer"), ("reasoned", "engine_reasoned")])
def test_an_unusable_answer_is_a_state_and_asked_for_again(open_queue: Open, trouble: str, key: str) -> None:
    runs: list[Task] = []

    def answer(task: Task) -> Iterator[AnalysisEvent]:
        runs.append(task)
        done = replace(analysis(), id=task.job_id, request=task.request, summary=None, joins=())
        chunk = (
            done.chunks[0]
            if len(runs) > 1
            else replace(done.chunks[0], findings=(), overview=(), chapters=(), troubles=(trouble,))
        )
        yield Finished(replace(done, chunks=(chunk,)))

    jobs = open_queue(answer, sha256="ab" * 32)
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    job = until(jobs, job_id, lambda job: job.is_over)
    assert job.error is not None and job.analysis is not None
    assert (job.state, job.error.key, job.error.exit_code) == ("no_usable_answer", key, 4)
    assert job.can_resume and not job.is_complete and jobs.finished(REQUEST) is None
    assert jobs.unfinished(REQUEST) == job_id
    jobs.resume(job_id)
    job = until(jobs, job_id, lambda job: job.is_over)
    assert (job.state, job.error, jobs.unfinished(REQUEST)) == ("done", None, None)
    assert runs[1].done.again == {chunk.number for chunk in job.analysis.chunks}


@pytest.mark.parametrize("given", ["/models/tiny-vl", "/models/tiny-vl (1795574621971000000)"])
def test_the_model_of_a_job_is_named_without_its_age(given: str) -> None:
    assert JobSnapshot("job", "a.mp4", "", REQUEST, conditions={"model": given}).model == "/models/tiny-vl"


@pytest.mark.slow
def test_a_job_resumes_where_its_file_was_moved(open_queue: Open, tmp_path: Path) -> None:
    runs: list[Task] = []

    def fail_once(task: Task) -> Iterator[AnalysisEvent]:
        runs.append(task)
        if len(runs) == 1:
            raise EngineError("engine_out_of_memory")
        yield from whole(task)

    jobs = open_queue(fail_once, sha256="ab" * 32)
    moved = tmp_path / "renamed.mp4"
    moved.touch()
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    until(jobs, job_id, lambda job: job.is_over)
    request = replace(REQUEST, path=moved)
    assert jobs.unfinished(request) == job_id
    jobs.resume(job_id, moved=request)
    job = until(jobs, job_id, lambda job: job.is_over)
    assert (job.state, job.name, runs[1].request.path) == ("done", "renamed.mp4", moved)


def test_a_job_that_was_stopped_carries_no_error(open_queue: Open) -> None:
    started = threading.Event()

    def endless(task: Task) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        started.set()
        while not (task.control.cancel.wait(0.01) or task.control.pause.is_set()):
            pass
        raise Cancelled if task.control.cancel.is_set() else Paused

    jobs = open_queue(endless)
    for stop, state in ((jobs.pause, "paused"), (jobs.cancel, "cancelled")):
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        assert started.wait(60)
        until(jobs, job_id, lambda job: job.state == "running")
        stop(job_id)
        job = until(jobs, job_id, lambda job: job.is_over)
        assert (job.state, job.error) == (state, None)
        earlier = replace(job, failure=Failure.of(Cancelled()))  # as earlier versions stored it
        assert from_row(to_row(earlier, "me"), is_alive=False).error is None


def test_the_time_of_all_runs_adds_up(store: Store, tmp_path: Path) -> None:
    """Also after a kill: stored time counts."""
    progress = AnalysisState(
        stage="ask", stage_since=time.monotonic() - 5.0, seconds_by_stage={"survey": 2.0, "engine": 1.0}
    )
    running = JobSnapshot("slow", "clip.mp4", "2026-01-01", REQUEST, state="running", progress=progress)
    killed = from_row(to_row(running.timed(), "gone"), is_alive=False)
    assert killed.state == "interrupted"
    spent = killed.restarted().progress.seconds_by_stage
    assert 5.0 <= spent.pop("ask") < 60.0 and spent == {"survey": 2.0, "engine": 1.0}
    over = replace(killed, progress=killed.progress.with_report(analysis()))
    assert over.timed().progress.seconds_by_stage == analysis().seconds_by_stage


def test_running_jobs_are_listed_below_many_newer_ones(store: Store, open_queue: Open, tmp_path: Path) -> None:
    jobs, other = open_queue(whole), ProcessLock(tmp_path / "running")
    try:
        for name, owner, state in [("runs", other.name, "running"), ("is gone", "gone", "running")]:
            store.save(to_row(JobSnapshot(name, name, "2026-01-01", REQUEST, state=state), owner))
        for number in range(30):
            store.save(to_row(JobSnapshot(str(number), "later", "2026-01-02", REQUEST, state="done"), other.name))
        assert [job.id for job in jobs.all_running()] == ["runs"]
    finally:
        jobs.close()
        other.close()


def test_selection_is_stored_with_default_for_old_jobs(store: Store, tmp_path: Path) -> None:
    request = replace(REQUEST, selection=Selection("times", times_seconds=(0.1, 2.5), end_seconds=4.0))
    document = to_row(JobSnapshot("new", "clip.mp4", "2026-01-01", request, state="done"), "me")
    assert from_row(document, is_alive=False).request == request
    older = json.loads(document.document)
    del older["request"]["selection"]
    assert from_row(replace(document, document=json.dumps(older)), is_alive=False).request == REQUEST


def test_a_job_that_an_earlier_version_stored_is_kept() -> None:
    """Its path isn't UTF-8, and it has a report, a failure and nested settings."""
    text = Path(__file__).with_name("stored_job.json").read_text(encoding="utf-8")
    job = from_row(Row("KIGkN-VAhlsT", "", "", "done", "", text), is_alive=False)
    assert job.progress.video is not None and job.error is not None
    assert str(job.request.path) == str(job.progress.video.path) == "/videos/bad\udce9name.mp4"
    stored = json.loads(text)
    later = dict.fromkeys(("hashing", "answer", "answer_step", "counted_since", "hearing"))
    del stored["progress"]["survey_since"]
    newer = {
        "user_id": "",
        "reached": 0.0,
        "corrections": [],
        "progress": {**stored["progress"], **later, "written": 0},
    }
    assert json.loads(to_row(job, "").document) == {**stored, **newer}


def test_job_knows_its_origin_and_is_read_once(store: Store, open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = open_queue(whole)
    first = jobs.submit(REQUEST, name="clip.mp4")
    second = jobs.submit(REQUEST, name="clip.mp4", follows=first)
    until(jobs, second, lambda job: job.is_over)
    jobs.close()
    assert (jobs.snapshot(first).follows, jobs.snapshot(second).follows) == ("", first)
    monkeypatch.setattr(store, "frames", None)
    assert jobs.snapshot(second).progress.keyframes[0].jpeg


def test_a_failure_is_stored_as_the_error_it_was(open_queue: Open) -> None:
    def failing(task: Task) -> Iterator[AnalysisEvent]:
        yield KeyframesChosen(analysis().keyframes, analysis().decode)
        raise EngineError("engine_unreachable", base_url="http://x", reason="gone")

    jobs = open_queue(failing)
    job_id = jobs.submit(REQUEST, name="clip.mp4")
    until(jobs, job_id, lambda job: job.is_over)
    jobs.close()
    again = open_queue(failing)
    stored = again.snapshot(job_id)
    assert stored.state == "failed"
    assert isinstance(stored.error, EngineError)
    assert stored.error.values == {"base_url": "http://x", "reason": "gone"}
    assert len(stored.progress.keyframes) == 2
    assert stored.progress.keyframes[0].jpeg


def test_bug_is_a_sentence_and_a_logged_traceback(open_queue: Open, caplog: pytest.LogCaptureFixture) -> None:
    def buggy(task: Task) -> Iterator[AnalysisEvent]:
        raise ZeroDivisionError("a bug")
        yield

    jobs = open_queue(buggy)
    job = until(jobs, jobs.submit(REQUEST, name="x"), lambda job: job.is_over)
    jobs.close()
    assert job.error
    assert job.error.key == "internal"
    assert "a bug" in caplog.text


def test_job_that_a_bug_keeps_from_the_store_is_failed(
    store: Store, open_queue: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed")

    def chosen(task: Task) -> Iterator[AnalysisEvent]:
        monkeypatch.setattr(store, "save", refuse)
        yield KeyframesChosen(analysis().keyframes, analysis().decode)

    jobs = open_queue(chosen)
    job = until(jobs, jobs.submit(REQUEST, name="x"), lambda job: job.is_over)
    assert job.state == "failed" and job.error and job.error.key == "internal"


def test_cancel_reaches_a_running_job_and_one_that_waits(open_queue: Open) -> None:
    started = threading.Barrier(3)

    def endless(task: Task) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        started.wait(20)
        task.control.cancel.wait(20)
        raise Cancelled

    jobs = open_queue(endless)
    running, _, waiting = (jobs.submit(REQUEST, name=name) for name in "abc")
    started.wait(20)  # two run at a time
    assert jobs.snapshot(waiting).state == "queued"
    jobs.cancel(waiting)
    jobs.cancel(running)
    assert until(jobs, running, lambda job: job.is_over).state == "cancelled"
    assert until(jobs, waiting, lambda job: job.is_over).state == "cancelled"


def test_a_job_waits_or_runs_at_every_moment(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    admit, stored = threading.Event(), threading.Event()
    changed = JobRepository.save

    @contextmanager
    def admitted(_: object, control: Control) -> Iterator[None]:
        admit.wait(20)
        yield

    def save(repository: JobRepository, job: JobSnapshot, same: str) -> None:
        if job.state == "running":
            assert stored.wait(20)
        changed(repository, job, same)

    monkeypatch.setattr(EngineSwitcher, "admitted", admitted)
    monkeypatch.setattr(JobRepository, "save", save)

    def endless(task: Task) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        task.control.cancel.wait(20)
        raise Cancelled

    jobs = open_queue(endless)
    job_id = jobs.submit(REQUEST, name="a")
    until(jobs, job_id, lambda _: jobs._active.all()[0].is_running)  # a worker has it, and waits for the engine
    assert ([job.id for job in jobs.waiting()], jobs.all_running(), jobs.running()) == ([job_id], [], ())
    admit.set()
    until(jobs, job_id, lambda job: job.state == "running")  # and it isn't stored as running
    assert (jobs.waiting(), [job.id for job in jobs.all_running()], jobs.running()) == ([], [job_id], (job_id,))
    stored.set()
    jobs.cancel(job_id)
    assert until(jobs, job_id, lambda job: job.is_over).state == "cancelled"
    assert (jobs.waiting(), jobs.all_running(), jobs.running()) == ([], [], ())


def test_a_cancelled_job_is_over_before_the_library_has_it(open_queue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    started, shut, taken = threading.Event(), threading.Event(), threading.Event()

    def endless(task: Task) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        started.set()
        task.control.cancel.wait(20)
        raise Cancelled

    def slow(_: SearchIndexer, job: JobSnapshot) -> None:
        shut.wait(20)
        taken.set()

    monkeypatch.setattr(SearchIndexer, "index", slow)
    jobs = open_queue(endless)
    job_id = jobs.submit(REQUEST, name="a")
    assert started.wait(20)
    jobs.cancel(job_id)
    assert until(jobs, job_id, lambda job: job.is_over).state == "cancelled"
    assert not taken.is_set()
    shut.set()
    assert taken.wait(20)


def test_a_job_of_a_program_that_is_gone_continues(store: Store, open_queue: Open) -> None:
    done = analysis()
    job = JobSnapshot(
        "gone", "clip.mp4", "2026-01-01", REQUEST, state="running", progress=AnalysisState(keyframes=done.keyframes)
    )
    store.save(to_row(job, "somebody who is gone"))
    store.save_frames("gone", ((frame.number, frame.jpeg) for frame in done.keyframes))
    jobs = open_queue(whole)
    over = until(jobs, "gone", lambda job: job.is_over)
    assert (over.state, over.interruptions) == ("done", 1)


def test_job_that_keeps_crashing_waits_to_be_asked(store: Store, open_queue: Open) -> None:
    done = analysis()
    job = replace(
        JobSnapshot("x", "clip.mp4", "2026-01-01", REQUEST, "", "running", interruptions=2),
        progress=AnalysisState(keyframes=done.keyframes),
    )
    store.save(to_row(job, "somebody who is gone"))
    store.save_frames("x", ((frame.number, frame.jpeg) for frame in done.keyframes))
    jobs = open_queue(whole)
    found = jobs.snapshot("x")
    assert found.state == "interrupted"
    assert found.progress.keyframes == done.keyframes
    jobs.resume("x")
    over = until(jobs, "x", lambda job: job.is_over)
    assert (over.state, over.interruptions) == ("done", 0)


def test_an_unknown_job_is_an_input_error(open_queue: Open) -> None:
    jobs = open_queue(whole)
    with pytest.raises(InputError) as caught:
        jobs.snapshot("nothing")
    assert caught.value.key == "job_unknown"


def test_events_of_a_job_count_as_steps_and_answers() -> None:
    # Facts count as steps of their stage.
    job = JobSnapshot("x", "x", "x", REQUEST)
    for event in (StageStarted("facts", 2), FactsMeasured(FrameFacts(1, (), (), 0.5, 1.0, None))):
        job = after(job, event)
    assert (job.progress.stage, job.progress.step, job.progress.total) == ("facts", 1, 2)
    # A new answer ends the count of interruptions.
    *_, old = analysis().chunks
    new = replace(old, number=old.number + 1)
    job = JobSnapshot("x", "clip.mp4", "2026-01-01", REQUEST, "", "running", interruptions=2)
    job = replace(job, progress=AnalysisState(results=(old,)))
    again = after(job, ChunkDone(old))
    assert again.interruptions == 2
    assert after(again, ChunkDone(new)).interruptions == 0


def test_time_left_of_a_survey_ignores_the_start_of_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    job = after(JobSnapshot("a", "clip.mp4", "2026-01-01", REQUEST), StageStarted("survey", None))
    left = []
    for later, seconds in ((8.0, 0.2), (2.0, 10.2), (2.0, 20.2)):  # eight seconds until the first frame
        now[0] += later
        job = after(job, SurveyProgress(seconds, 60.2))
        left.append(job.progress.eta_seconds)
    assert left == [None, pytest.approx(10.0), pytest.approx(8.0)]
    assert (job.progress.step, job.progress.total) == (20, 60)


def test_jobs_of_one_user_are_limited(open_queue: Open) -> None:
    go_on = threading.Event()

    def waiting(task: Task) -> Iterator[AnalysisEvent]:
        go_on.wait(20)
        yield from whole(task)

    jobs = open_queue(waiting, most_of_user=2)
    try:
        with as_user(User("a", "a", "analyst")):
            first = [jobs.submit(REQUEST, name="clip.mp4", force=True) for _ in range(2)]
            with pytest.raises(StorageError) as caught:
                jobs.submit(REQUEST, name="clip.mp4", force=True)
            assert caught.value.key == "user_jobs_full"
        others = [jobs.submit(REQUEST, name="clip.mp4", force=True) for _ in range(3)]  # without accounts
        go_on.set()
        for job_id in (*first, *others):
            until(jobs, job_id, lambda job: job.is_over)
    finally:
        go_on.set()
        jobs.close()
