"""Threads of a run: events that they sent before a cancel arrive."""

from concurrent.futures import Future, wait

import pytest

from framelens.analysis.pipeline_state import PipelineState, wait_for
from framelens.analysis.task import Control
from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.background_task import in_thread
from framelens.core.errors import Cancelled
from framelens.core.events import FileHashed, StageStarted
from tests.reports.test_reports import analysis


def test_what_came_before_a_cancel_is_reported_before_it_ends() -> None:
    control = Control()
    state = PipelineState(control, AnalysisState())
    state.emit(StageStarted("ask", 2))
    control.cancel.set()
    seen: list[AnalysisUpdate] = []
    with pytest.raises(Cancelled):
        for update in state.updates(Future):
            seen.append(update)
    assert [(one.event, one.state.total) for one in seen] == [(StageStarted("ask", 2), 2)]


def test_threads_wait_for_this_run_and_not_for_an_earlier_one() -> None:
    """A job that resumes shows the frames of its earlier run until it has chosen them again."""
    control, before = Control(), AnalysisState.of(analysis())
    state = PipelineState(control, before)
    assert state.now.keyframes and not state.has_chosen and state.results == ()
    control.cancel.set()
    with pytest.raises(Cancelled):
        state.chosen()


def test_states_follow_the_order_of_their_events() -> None:
    state, run = PipelineState(Control(), AnalysisState()), Future[None]()
    threads = [in_thread("emits", lambda: [state.emit(FileHashed(str(n))) for n in range(200)]) for _ in range(4)]
    wait(threads)
    run.set_result(None)
    assert all(one.event == FileHashed(one.state.sha256) for one in state.updates(lambda: run))


def test_waiting_ends_where_the_check_sees_no_use_in_it() -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        wait_for(Future(), check)
    assert len(calls) == 3
