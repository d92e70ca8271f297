"""Threads of a run: events that they sent before a cancel arrive."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from framelens.analysis.pipeline_state import ConcurrentEvents, wait_for
from framelens.core.domain import AnalysisEvent, StageStarted
from framelens.core.errors import Cancelled


def test_what_came_before_a_cancel_is_reported_before_it_ends() -> None:
    cancel = threading.Event()
    seen: list[AnalysisEvent] = []
    with ConcurrentEvents(cancel) as background:
        background.start("told", lambda emit: emit(StageStarted("ask"))).result()
        cancel.set()
        with pytest.raises(Cancelled):
            for event in background.until(Future()):
                seen.append(event)
        assert seen == [StageStarted("ask")]
        assert not background.stop.is_set()
    assert background.stop.is_set()


def test_waiting_ends_where_the_check_sees_no_use_in_it() -> None:
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        wait_for(Future(), check)
    assert len(calls) == 3
