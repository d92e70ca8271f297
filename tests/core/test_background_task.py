"""Work in a thread for a page that comes and looks: told, given up, failed, and gone with the program."""

from __future__ import annotations

import threading
import time

import pytest

from app.core.background_task import BackgroundTask, BackgroundTaskRunner, Listener
from app.core.domain import EngineProgress
from app.core.errors import AppError, Cancelled, EngineError


def over(errands: BackgroundTaskRunner[int]) -> BackgroundTask[int]:
    while errands.runs:
        time.sleep(0.01)
    assert errands.now
    return errands.now


def waiting(on_progress: Listener, cancel: threading.Event) -> int:
    on_progress(EngineProgress("importing"))
    cancel.wait()
    raise Cancelled


def test_what_it_says_and_what_came_out_stay_to_be_seen() -> None:
    errands: BackgroundTaskRunner[int] = BackgroundTaskRunner()
    assert errands.now is None
    errands.begin("m", lambda tell, _: tell(EngineProgress("importing")) or 7)
    assert over(errands) == BackgroundTask("m", "done", EngineProgress("importing"), 7)


def test_a_failure_is_reported_and_the_next_one_may_begin() -> None:
    errands: BackgroundTaskRunner[int] = BackgroundTaskRunner()

    def fail(*_: object) -> int:
        raise EngineError("cuda_out_of_memory", model="m")

    errands.begin("m", fail)
    failed = over(errands)
    assert failed.state == "failed" and failed.error and failed.error.key == "cuda_out_of_memory"
    errands.begin("m", lambda *_: 1)
    assert over(errands).result == 1


def test_one_at_a_time_and_closing_leaves_nothing_running() -> None:
    errands: BackgroundTaskRunner[int] = BackgroundTaskRunner()
    errands.begin("m", waiting)
    with pytest.raises(AppError) as caught:
        errands.begin("other", lambda *_: 1)
    assert caught.value.key == "check_under_way"
    errands.close()
    assert errands.now and errands.now.state == "cancelled"
