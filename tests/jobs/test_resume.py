"""Jobs that are paused, cancelled, restarted, retried and gone on with, in every stage; and faults of the store."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.task import Control
from framelens.core.domain import Analysis
from framelens.core.errors import AppError, InputError, StorageError
from framelens.core.events import KeyframesChosen, VideoEvent
from framelens.i18n import LANGUAGES, error_text, t
from framelens.jobs import queue as queue_module
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.jobs.snapshot import JobSnapshot
from framelens.store import database as store_module
from framelens.video.keyframes.options import ExtractOptions
from tests.analysis.requests.test_orchestrator import asked, introducing
from tests.analysis.test_pipeline import ScriptedConnector, ScriptedTools, extracting, marks_of, with_video
from tests.jobs.working import CONTEXT, FRAMES, REQUEST, ended, jobs_in, made, report_of, until, with_conditions
from tests.llm.scripted import Refuse, Server, serve

STAGES = ("survey", "engine", "ask", "summary", "facts")


@dataclass
class Gate:
    """Holds a run in a stage until it is opened."""

    stage: str
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def hold(self, stage: str) -> None:
        if stage == self.stage:
            self.reached.set()
            self.opened.wait(60)

    def behave(self, body: dict[str, Any]) -> Iterator[str]:
        marks = marks_of(body)
        if body.get("max_tokens") != 1:
            self.hold("ask" if marks and marks[0] > 6 else "" if marks else "summary")
        yield from introducing(body)

    def tools(self, server: Server) -> ScriptedTools:
        whole = made(server)
        connector = whole.connector
        assert connector

        def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
            for event in extracting(FRAMES, lambda number: self.hold("facts" if number > 2 else ""))(
                path, wanted, cancel
            ):
                if isinstance(event, KeyframesChosen):
                    self.hold("survey")
                yield event

        def connect(*given: Any, **options: Any) -> Any:
            self.hold("engine")
            return connector.connect(*given, **options)

        return replace(with_video(whole, extract=extract), connector=ScriptedConnector(connect))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Left:
    """The data folder of a program that has ended, the job in it, and the parts that were asked about until then."""

    folder: Path
    job: JobSnapshot
    about: list[int]

    def copied(self, to: Path) -> Left:
        """The same for a test that goes on with it."""
        shutil.copytree(self.folder, to)
        return replace(self, folder=to)


def about_parts(server: Server) -> list[int]:
    """The numbers of the first frames of the parts that were asked about."""
    return [marks_of(body)[0] for body in asked(server) if marks_of(body)]


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder = tmp_path_factory.mktemp("finished")
    with serve(introducing, context=CONTEXT) as server, jobs_in(folder, made(server)) as jobs:
        job = ended(jobs, jobs.submit(REQUEST, name="clip.mp4"))
    return Left(folder, job, about_parts(server))


@pytest.fixture(scope="module")
def paused_once(tmp_path_factory: pytest.TempPathFactory) -> Left:
    folder, gate = tmp_path_factory.mktemp("paused"), Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server, jobs_in(folder, gate.tools(server)) as jobs:
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        assert gate.reached.wait(60)
        jobs.pause(job_id)
        gate.opened.set()
        job = ended(jobs, job_id)
    assert job.state == "paused" and job.progress.results
    return Left(folder, job, about_parts(server))


@pytest.fixture(scope="module")
def undisturbed(finished_once: Left) -> Analysis:
    return report_of(finished_once.job)


@pytest.fixture
def finished(finished_once: Left, tmp_path: Path) -> Left:
    return finished_once.copied(tmp_path / "finished")


@pytest.fixture
def paused(paused_once: Left, tmp_path: Path) -> Left:
    """In the middle of its questions."""
    return paused_once.copied(tmp_path / "paused")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_job_is_paused_in_any_stage_and_continues(stage: str, tmp_path: Path, undisturbed: Analysis) -> None:
    gate = Gate(stage)
    with serve(gate.behave, context=CONTEXT) as server, jobs_in(tmp_path, gate.tools(server)) as jobs:
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        assert gate.reached.wait(60)
        if stage == "facts":
            until(jobs, job_id, lambda job: any(result.number == 0 for result in job.progress.results))
        jobs.pause(job_id)
        if stage == "engine":  # which may be minutes away
            assert ended(jobs, job_id).state == "paused"
        gate.opened.set()
        job = ended(jobs, job_id)
        # What is on its way is finished first; after the last answer there is nothing left to put off.
        assert job.state == ("done" if stage == "facts" else "paused")
        kept = len(job.progress.results)
        assert bool(kept) == (stage in ("ask", "summary", "facts"))
        jobs.resume(job_id)
        assert report_of(ended(jobs, job_id)) == undisturbed
    assert len(about_parts(server)) == len(undisturbed.chunks)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_job_cancels_in_any_stage_and_can_resume(stage: str, tmp_path: Path, undisturbed: Analysis) -> None:
    gate = Gate(stage)
    with serve(gate.behave, context=CONTEXT) as server, jobs_in(tmp_path, gate.tools(server)) as jobs:
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        assert gate.reached.wait(60)
        jobs.cancel(job_id)
        assert ended(jobs, job_id).state == "cancelled"  # while the gate is still shut
        if stage == "summary":
            assert not [one for one in threading.enumerate() if one.name.startswith("analysis-asking") and alive(one)]
        gate.opened.set()
        jobs.resume(job_id)
        assert report_of(ended(jobs, job_id)) == undisturbed
    assert max(Counter(about_parts(server)).values()) <= 2  # what was on its way, once more


def alive(thread: threading.Thread) -> bool:
    thread.join(20)
    return thread.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_job_continues_by_itself_when_the_next_program_starts(
    stage: str, tmp_path: Path, undisturbed: Analysis
) -> None:
    gate = Gate(stage)
    with serve(gate.behave, context=CONTEXT) as server:
        with jobs_in(tmp_path, gate.tools(server)) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            assert gate.reached.wait(60)
        gate.opened.set()
        with jobs_in(tmp_path, made(server)) as jobs:
            job = ended(jobs, job_id)
            assert report_of(job) == undisturbed
            assert job.interruptions == 0  # it ended in an orderly way
        with jobs_in(tmp_path, made(server)) as jobs:
            assert report_of(jobs.snapshot(job_id)) == undisturbed
    assert len(about_parts(server)) <= len(undisturbed.chunks) + 2


def in_other_words(body: dict[str, Any]) -> Iterator[str]:
    for piece in introducing(body):
        yield piece.replace("seen", "noticed")


@pytest.mark.slow
def test_one_part_is_asked_again_and_the_joins_with_it(finished: Left, undisturbed: Analysis) -> None:
    job_id = finished.job.id
    with serve(in_other_words, context=CONTEXT) as server, jobs_in(finished.folder, made(server)) as jobs:
        number = undisturbed.chunks[1].number
        jobs.retry(job_id, number)
        again = report_of(ended(jobs, job_id))
        assert jobs.snapshot(job_id).again == ()
    assert about_parts(server) == [number]
    assert [chunk for chunk in again.chunks if chunk.number != number] == [
        chunk for chunk in undisturbed.chunks if chunk.number != number
    ]
    assert again.chunks[1].findings[0].text.startswith("noticed")
    assert "noticed" in again.joins[-1].prompt + again.joins[0].prompt


@pytest.mark.slow
@pytest.mark.parametrize("refuses_all", [False, True])
def test_a_retry_that_fails_leaves_the_report_as_it_was(
    finished: Left, undisturbed: Analysis, refuses_all: bool
) -> None:
    job_id, broken = finished.job.id, True

    def failing(body: dict[str, Any]) -> Iterator[str]:
        if broken and (refuses_all or marks_of(body)):
            raise Refuse(500, "CUDA out of memory")
        yield from introducing(body)

    with serve(failing, context=CONTEXT) as server:
        with jobs_in(finished.folder, made(server)) as jobs:
            jobs.retry(job_id, undisturbed.chunks[1].number)
            job = ended(jobs, job_id)
            assert job.state == "failed"
            assert report_of(replace(job, state="done")) == undisturbed
        broken = False
        server.requests.clear()
        with jobs_in(finished.folder, made(server)) as jobs:
            assert report_of(replace(jobs.snapshot(job_id), state="done")) == undisturbed
            jobs.resume(job_id)
            assert report_of(ended(jobs, job_id)) == undisturbed
    assert about_parts(server) == [undisturbed.chunks[1].number]


def test_jobs_run_by_priority_then_arrival(tmp_path: Path) -> None:
    gate = Gate("survey")
    begun: list[str] = []
    with serve(gate.behave, context=CONTEXT) as server:
        tools = gate.tools(server)

        def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
            begun.append(path.stem)
            yield from tools.extractions.extract(path, wanted, cancel)

        with jobs_in(tmp_path, with_video(tools, extract=extract)) as jobs:
            ids = {
                name: jobs.submit(replace(REQUEST, path=Path(f"/videos/{name}.mp4"), use_model=False), name=name)
                for name in ("a", "b", "c", "d", "e")
            }
            assert gate.reached.wait(60)
            until(jobs, ids["b"], lambda job: job.state == "running" and {"a", "b"} <= set(begun))
            jobs.put_first(ids["e"])
            jobs.put_first(ids["d"])
            assert [job.name for job in jobs.waiting()] == ["d", "e", "c"]
            jobs.pause(ids["c"])
            assert jobs.snapshot(ids["c"]).state == "paused"
            gate.opened.set()
            for name in "abde":
                assert ended(jobs, ids[name]).state == "without_model"
            jobs.resume(ids["c"])
            assert ended(jobs, ids["c"]).state == "without_model"
    assert sorted(begun[:2]) == ["a", "b"]
    assert (sorted(begun[2:4]), begun[4:]) == (["d", "e"], ["c"])  # two workers take them at the same moment


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"answer_tokens": "64"}, {"template": "log 12345678"}, {"model": "another"}])
def test_settings_that_changed_are_reported_and_never_mixed(
    changed: dict[str, str], paused: Left, undisturbed: Analysis
) -> None:
    before, job_id, hold = paused.job, paused.job.id, Gate("ask")
    with serve(hold.behave, context=CONTEXT) as server:
        later, conditions = made(server), with_conditions(**changed)
        with jobs_in(paused.folder, later, conditions=conditions) as jobs:
            with pytest.raises(InputError) as caught:
                jobs.resume(job_id)
            assert caught.value.key == "settings_changed"
            assert t(f"condition.{next(iter(changed))}", "zh") in error_text(caught.value, "zh")
            assert jobs.changes(job_id) == jobs.conflicts(job_id)
            assert jobs.changes(job_id).keys() == changed.keys()
            assert jobs.snapshot(job_id).progress.results == before.progress.results
            jobs.resume(job_id, accept_changes=True)
            assert hold.reached.wait(60)
            jobs.cancel(job_id)
            keys = {result.key for result in ended(jobs, job_id).progress.results}
            hold.opened.set()
            assert not keys & {result.key for result in before.progress.results}
        with jobs_in(paused.folder, later, conditions=conditions) as jobs:
            assert not {result.key for result in jobs.snapshot(job_id).progress.results} & {
                result.key for result in before.progress.results
            }
            jobs.resume(job_id)
            done = report_of(ended(jobs, job_id))
    assert done.conditions == {"model": "model", **changed}
    assert [chunk.findings for chunk in done.chunks] == [chunk.findings for chunk in undisturbed.chunks]
    assert len({result.key.split(".")[0] for result in (*done.chunks, *done.joins)}) == 1


@pytest.mark.slow
def test_a_restarted_job_keeps_its_id_and_nothing_else(paused: Left, undisturbed: Analysis) -> None:
    job_id, conditions = paused.job.id, with_conditions(answer_tokens="64")
    with (
        serve(introducing, context=CONTEXT) as server,
        jobs_in(paused.folder, made(server), conditions=conditions) as jobs,
    ):
        jobs.restart(job_id, use_model=True)
        done = ended(jobs, job_id)
        assert [job.id for job in jobs.recent()] == [job_id]
    assert len(about_parts(server)) == len(undisturbed.chunks) and done.analysis
    assert (done.state, done.analysis.conditions["answer_tokens"]) == ("done", "64")


@pytest.mark.slow
def test_old_settings_put_back_continue_without_asking(paused: Left, undisturbed: Analysis) -> None:
    job_id = paused.job.id
    with serve(introducing, context=CONTEXT) as server:
        with jobs_in(paused.folder, made(server), conditions=with_conditions(model="another")) as jobs:
            assert jobs.changes(job_id)
        with jobs_in(paused.folder, made(server)) as jobs:
            jobs.resume(job_id)
            assert report_of(ended(jobs, job_id)) == undisturbed
    assert len(paused.about) + len(about_parts(server)) == len(undisturbed.chunks)


@pytest.fixture
def door() -> Iterator[threading.Event]:
    """A door that lets nothing in until it is set."""
    door = threading.Event()
    yield door
    door.set()


def behind(door: threading.Event) -> Any:
    class Closed(EngineSwitcher[Any]):
        """Admits a job when the door is open."""

        @contextmanager
        def admitted(self, control: Control) -> Iterator[None]:
            door.wait(60)
            yield

    return Closed


@pytest.mark.slow
def test_waiting_job_uses_newest_settings(tmp_path: Path, door: threading.Event) -> None:
    now = {"model": "model"}
    with (
        serve(introducing, context=CONTEXT) as server,
        jobs_in(tmp_path, made(server), conditions=lambda _: dict(now), switcher=behind(door)) as jobs,
    ):
        job_id = jobs.submit(REQUEST, name="clip.mp4")
        now["model"] = "another"
        door.set()
        done = ended(jobs, job_id)
        assert report_of(done).conditions == {"model": "another"}
        assert not jobs.changes(job_id)


def test_changed_settings_ask_before_resuming_answers(paused: Left, door: threading.Event) -> None:
    now = {"model": "model"}
    with (
        serve(introducing, context=CONTEXT) as server,
        jobs_in(paused.folder, made(server), conditions=lambda _: dict(now), switcher=behind(door)) as jobs,
    ):
        jobs.resume(paused.job.id)
        now["model"] = "another"
        door.set()
        job = ended(jobs, paused.job.id)
        assert (job.state, job.progress.results) == ("paused", paused.job.progress.results)
        with pytest.raises(InputError):
            jobs.resume(paused.job.id)
    assert not about_parts(server)


# ---- the store


def locked(jobs: Any) -> Callable[[], None]:
    """Another connection that writes and does not end; call the result to end it."""
    other = sqlite3.connect(jobs._store._path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        other.execute("ROLLBACK")
        other.close()

    return release


def full(jobs: Any) -> Callable[[], None]:
    """A disk on which the store finds no more room."""
    connection = jobs._store._connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    return lambda: connection.execute("PRAGMA max_page_count = 1000000")


def read_only(jobs: Any) -> Callable[[], None]:
    connection = jobs._store._connection
    connection.execute("PRAGMA query_only = 1")
    return lambda: connection.execute("PRAGMA query_only = 0")


FAULTS = {"locked": locked, "full": full, "read-only": read_only}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_store_failure_in_mid_job_loses_no_answer(
    fault: str, tmp_path: Path, undisturbed: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE_SECONDS", 0.1)
    gate = Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server:
        with jobs_in(tmp_path, gate.tools(server)) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            assert gate.reached.wait(60)
            until(jobs, job_id, lambda job: bool(job.progress.results))
            before = jobs.snapshot(job_id).progress.results
            fix = FAULTS[fault](jobs)
            gate.opened.set()
            job = ended(jobs, job_id)
            assert job.state == "failed"
            assert isinstance(job.error, StorageError)
            assert all(error_text(job.error, language) for language in LANGUAGES)
            assert {one.number for one in before} <= {result.number for result in job.progress.results}
            with pytest.raises(StorageError):
                # Longer than what is left of any page.
                jobs.submit(replace(REQUEST, frames=3, question="?" * 9000), name="another.mp4")
            fix()
            jobs.resume(job_id)
            assert report_of(ended(jobs, job_id)) == undisturbed
        with jobs_in(tmp_path, made(server)) as jobs:
            assert report_of(jobs.snapshot(job_id)) == undisturbed
    assert len(about_parts(server)) == len(undisturbed.chunks)  # what was on its way was kept at hand


@pytest.mark.slow
def test_job_resumes_after_store_refused_until_exit(tmp_path: Path, undisturbed: Analysis) -> None:
    gate = Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server:
        with jobs_in(tmp_path, gate.tools(server)) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            assert gate.reached.wait(60)
            until(jobs, job_id, lambda job: bool(job.progress.results))
            read_only(jobs)
            gate.opened.set()
            assert ended(jobs, job_id).state == "failed"
        with jobs_in(tmp_path, made(server)) as jobs:
            assert report_of(ended(jobs, job_id)) == undisturbed
    # Two were on their way when the store refused, and two more were begun before that was known.
    assert len(about_parts(server)) <= len(undisturbed.chunks) + 4


@pytest.mark.slow
def test_clock_set_back_changes_no_order_or_result(
    tmp_path: Path, undisturbed: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backwards(datetime):
        year_now = 2030

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            cls.year_now -= 1
            return datetime(cls.year_now, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(queue_module, "datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: Backwards.now().timestamp())
    gate = Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server, jobs_in(tmp_path, gate.tools(server)) as jobs:
        first = jobs.submit(REQUEST, name="first")
        assert gate.reached.wait(60)
        jobs.pause(first)
        gate.opened.set()
        ended(jobs, first)
        second = jobs.submit(replace(REQUEST, use_model=False), name="second")
        assert ended(jobs, second).state == "without_model"
        assert [job.name for job in jobs.recent()] == ["second", "first"]
        assert jobs.snapshot(second).created < jobs.snapshot(first).created
        jobs.resume(first)
        assert report_of(ended(jobs, first)) == undisturbed


# ---- two programs on one data folder


@pytest.mark.slow
def test_two_programs_own_jobs_but_stop_on_request(tmp_path: Path, undisturbed: Analysis) -> None:
    gate = Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server, jobs_in(tmp_path, gate.tools(server)) as one:
        job_id = one.submit(REQUEST, name="clip.mp4")
        assert gate.reached.wait(60)
        with jobs_in(tmp_path, made(server)) as other:
            assert other.waiting() == []
            assert other.snapshot(job_id).state == "running"
            assert [job.id for job in other.all_running()] == [job_id]
            other.resume(job_id)
            assert other.waiting() == []
            other.pause(job_id)
            live = one._active.get(job_id)
            assert live and live.control.pause.wait(60)
            gate.opened.set()
            assert ended(one, job_id).state == "paused"
            until(other, job_id, lambda job: job.state == "paused")
            server.requests.clear()
            kept = {result.number for result in other.snapshot(job_id).progress.results}
            starts = [threading.Thread(target=jobs.resume, args=(job_id,)) for jobs in (one, other) * 3]
            for start in starts:
                start.start()
            for start in starts:
                start.join()
            assert report_of(until(one, job_id, lambda job: job.state == "done")) == undisturbed
            assert report_of(until(other, job_id, lambda job: job.state == "done")) == undisturbed
    missing = [chunk.number for chunk in undisturbed.chunks if chunk.number not in kept]
    assert sorted(about_parts(server)) == missing  # once, not by both


@pytest.mark.slow
def test_program_sees_job_rerun_by_another(finished: Left) -> None:
    job_id = finished.job.id
    with (
        serve(in_other_words, context=CONTEXT) as server,
        jobs_in(finished.folder, made(server)) as one,
        jobs_in(finished.folder, made(server)) as other,
    ):
        first = other.snapshot(job_id)
        for number in (first.progress.results[-1].number, first.progress.results[-2].number):
            one.retry(job_id, number)
            ended(one, job_id)
        assert report_of(other.snapshot(job_id)) == report_of(one.snapshot(job_id))
        assert "noticed" in other.snapshot(job_id).progress.results[-1].answer


@pytest.mark.slow
def test_late_stop_request_does_not_stop_resumed_job(paused: Left, undisturbed: Analysis) -> None:
    with sqlite3.connect(paused.folder / "framelens.sqlite") as left:
        left.execute("UPDATE jobs SET wish = 'cancel'")
    left.close()
    with serve(introducing, context=CONTEXT) as server, jobs_in(paused.folder, made(server)) as jobs:
        jobs.resume(paused.job.id)
        assert report_of(ended(jobs, paused.job.id)) == undisturbed


@pytest.mark.slow
def test_damaged_job_does_not_prevent_start(tmp_path: Path) -> None:
    gate = Gate("ask")
    with serve(gate.behave, context=CONTEXT) as server:
        with jobs_in(tmp_path, gate.tools(server)) as jobs:
            job_id = jobs.submit(REQUEST, name="clip.mp4")
            assert gate.reached.wait(60)
        gate.opened.set()
        with sqlite3.connect(tmp_path / "framelens.sqlite") as file:
            file.execute("UPDATE jobs SET document = ?", (json.dumps({"id": job_id}),))
        file.close()
        with jobs_in(tmp_path, made(server)) as jobs:
            other = jobs.submit(replace(REQUEST, use_model=False), name="other")
            assert ended(jobs, other).state == "without_model"


def test_every_error_of_the_store_has_words() -> None:
    error: AppError = StorageError("store_refused", path="x", reason="database or disk is full")
    assert all("database or disk is full" in error_text(error, language) for language in LANGUAGES)
