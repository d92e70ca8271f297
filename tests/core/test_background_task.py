"""Work in a thread: its progress, result and error, cancel and pause, a run at a time, and the end of the program."""

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

from framelens.core import background_task
from framelens.core.background_task import BackgroundTask, BackgroundTasks
from framelens.core.errors import Cancelled, EngineError
from framelens.core.roles import User, as_user

Report = Callable[[str], None]


@pytest.fixture
def task() -> Iterator[BackgroundTask[str, int]]:
    task = BackgroundTask[str, int]("work")
    yield task
    task.close()


def until_cancelled(report: Report, cancel: threading.Event) -> int:
    report("waiting")
    cancel.wait()
    raise Cancelled


def seven(report: Report, _: threading.Event) -> int:
    report("counting")
    return 7


def fail(report: Report, _: threading.Event) -> int:
    report("loading")
    raise EngineError("cuda_out_of_memory", model="m")


def test_progress_and_result_stay_to_be_seen(task: BackgroundTask[str, int]) -> None:
    assert (task.state, task.result) == ("idle", None)
    assert task.start(seven, subject="m", progress="queued")
    task.wait()
    assert (task.state, task.subject, task.progress, task.result, task.error) == ("done", "m", "counting", 7, None)


def test_a_failure_is_logged_and_stays_until_another_is_done(
    task: BackgroundTask[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    task.start(fail)
    task.wait()
    assert (task.state, task.progress, task.result) == ("failed", "loading", None)
    assert task.error and task.error.key == "cuda_out_of_memory"
    assert [record.exc_info is not None for record in caplog.records] == [True]
    task.start(until_cancelled)
    assert task.state == "running" and task.error
    task.cancel()
    task.restart()
    task.cancel()
    task.start(seven)
    task.wait()
    assert (task.state, task.error, task.result) == ("done", None, 7)


def test_a_bug_is_an_error_with_its_traceback_in_the_log(
    task: BackgroundTask[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: object) -> int:
        raise ZeroDivisionError

    task.start(bug)
    task.wait()
    assert task.state == "failed" and task.error and task.error.key == "internal"
    assert task.error.values["kind"] == "ZeroDivisionError"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR and record.exc_info and record.exc_info[0] is ZeroDivisionError


def test_it_runs_once_however_many_ask(task: BackgroundTask[str, int]) -> None:
    begin, asked = threading.Barrier(8), []

    def ask() -> None:
        begin.wait()
        asked.append(task.start(until_cancelled, subject="first"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == [False] * 7 + [True]


def test_a_cancelled_run_is_followed_after_its_end(task: BackgroundTask[str, int]) -> None:
    may_end, inside = threading.Event(), []

    def slow(report: Report, cancel: threading.Event) -> int:
        inside.append("in")
        may_end.wait()
        report("too late")
        inside.append("out")
        raise Cancelled

    task.start(slow, subject="m", progress="half")
    while not inside:
        time.sleep(0.01)
    task.cancel()
    assert task.state == "cancelling" and task.is_running
    task.start(lambda *_: len(inside), subject="n")
    assert (task.state, task.subject, task.progress) == ("running", "n", None)
    may_end.set()
    task.wait()
    assert (task.state, task.result, task.progress, inside) == ("done", 2, None, ["in", "out"])


def test_a_run_that_is_cancelled_while_it_waits_never_begins(task: BackgroundTask[str, int]) -> None:
    may_end, began = threading.Event(), threading.Event()
    task.start(lambda *_: may_end.wait() and 1)
    task.cancel()
    task.start(lambda *_: began.set() or 2)
    task.cancel()
    may_end.set()
    task.wait()
    assert task.state == "cancelled" and not began.is_set()


def test_an_error_after_cancel_is_only_logged(task: BackgroundTask[str, int], caplog: pytest.LogCaptureFixture) -> None:
    def fail_late(_: Report, cancel: threading.Event) -> int:
        cancel.wait()
        raise EngineError("engine_refused", status=500, reason="gone")

    task.start(fail_late)
    task.cancel()
    task.wait()
    assert (task.state, task.error) == ("cancelled", None)
    assert "engine_refused" in caplog.text


def test_restart_runs_the_same_work_until_it_is_forgotten(task: BackgroundTask[str, int]) -> None:
    runs: list[threading.Event] = []

    def work(_: Report, cancel: threading.Event) -> int:
        runs.append(cancel)
        if len(runs) < 3:
            raise EngineError("cuda_out_of_memory", model="m")
        return until_cancelled(lambda _: None, cancel)

    task.start(work, subject="m")
    task.wait()
    task.restart()
    task.wait()
    task.restart()
    assert (task.state, task.subject) == ("running", "m")
    task.restart()
    task.forget()
    assert (task.state, task.is_running) == ("idle", False)
    task.restart()
    task.wait()
    assert task.state == "idle" and len(runs) <= 3 and all(cancel.is_set() for cancel in runs[2:])


@pytest.mark.slow
def test_failures_do_not_pile_up(task: BackgroundTask[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_task.log, "disabled", True)  # a captured record keeps its error
    errors: list[weakref.ref[EngineError]] = []

    def fail_and_note(*_: object) -> int:
        error = EngineError("cuda_out_of_memory", model="m")
        errors.append(weakref.ref(error))
        raise error

    for _ in range(3):
        task.start(fail_and_note)
        task.wait()
    gc.collect()
    assert [error() is None for error in errors] == [True, True, False]


def test_closing_ends_the_work_and_is_the_end(task: BackgroundTask[str, int]) -> None:
    task.start(until_cancelled)
    task.close()
    assert task.state == "cancelled"
    assert not task.start(seven) and task.result is None


def test_closing_waits_no_longer_than_it_is_allowed() -> None:
    task, has_begun, may_end = BackgroundTask[str, None]("stuck"), threading.Event(), threading.Event()
    task.start(lambda *_: has_begun.set() or (may_end.wait() and None))
    has_begun.wait()
    task.close(timeout_seconds=0.01)
    assert task.state == "cancelling"
    may_end.set()
    task.wait()


def test_tasks_run_by_key_and_are_forgotten_when_they_are_over() -> None:
    tasks = BackgroundTasks[str, int]("work")
    with as_user(User("u1", "ann", "analyst")):
        assert tasks.start("waits", until_cancelled, progress="queued")
    assert not tasks.start("waits", seven)
    for key, work in (("seven", seven), ("fails", fail)):
        assert tasks.start(key, work)
        (task := tasks.get(key)) and task.wait()
    assert [(one.subject, one.user_id) for one in tasks.running()] == [("waits", "u1")]
    assert tasks.start("later", until_cancelled)
    assert tasks.get("seven") is None
    assert (failed := tasks.get("fails")) and failed.error
    later = tasks.pop("later")
    assert later and later.is_running and tasks.get("later") is None
    later.close()
    waits = tasks.get("waits")
    tasks.close()
    assert waits and waits.state == "cancelled" and tasks.get("waits") is None
