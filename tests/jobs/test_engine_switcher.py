"""Another engine in place of the one that runs: real engine processes around a small server, real jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.analysis.task import Control
from app.core.errors import AppError, Cancelled, EngineError, Paused
from app.engine import Engine, NullEngine
from app.jobs.engine_switcher import EngineSwitch, EngineSwitcher
from tests.engine.conftest import make_engine
from tests.engine.fakes import MakeEngine

__all__ = ["make_engine"]


@dataclass(frozen=True)
class Bench:
    engine: Engine
    starts: Path

    def close(self) -> None:
        self.engine.stop()

    @property
    def lives(self) -> bool:
        return any(psutil.pid_exists(int(line)) for line in self.pids)

    @property
    def pids(self) -> list[str]:
        return self.starts.read_text().split() if self.starts.exists() else []

    def use(self) -> None:
        self.engine.ensure_ready(lambda _: None, threading.Event())


Make = Callable[..., Bench]


@pytest.fixture
def bench(make_engine: MakeEngine, tmp_path: Path) -> Make:
    def make(name: str, **plan: Any) -> Bench:
        starts = tmp_path / name
        return Bench(make_engine({"starts": str(starts), **plan}, model=f"org/{name}"), starts)

    return make


@contextmanager
def room_of(bench: Bench) -> Iterator[EngineSwitcher[Bench]]:
    room = EngineSwitcher(bench)
    try:
        yield room
    finally:
        room.close()


def until(room: EngineSwitcher[Bench], state: str | None = None) -> EngineSwitch:
    while not (switch := room.switch) or (switch.state != state if state else not switch.is_over):
        time.sleep(0.01)
    return switch


def test_the_old_engine_is_gone_before_the_new_one_starts(bench: Make, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    old, new = bench("old"), bench("new", hold=str(hold))
    with room_of(old) as room:
        old.use()
        room.begin(new)
        until(room, "starting")
        while not new.pids:
            time.sleep(0.01)
        assert not old.lives
        hold.touch()
        switch = until(room)
        assert (switch.state, switch.before, switch.after) == ("done", "org/old", "org/new")
        assert room.bench is new
        assert new.lives
    assert not new.lives


def test_switch_waits_for_running_job_and_blocks_next(bench: Make) -> None:
    old, new = bench("old"), bench("new")
    seen: list[Bench] = []
    with room_of(old) as room:
        old.use()
        with room.admitted(Control()):
            room.begin(new)
            time.sleep(0.3)
            assert room.switch and room.switch.state == "waiting"
            assert room.bench is old and old.lives

            def come() -> None:
                with room.admitted(Control()):
                    seen.append(room.bench)

            later = threading.Thread(target=come)
            later.start()
            time.sleep(0.2)
            assert not seen
        later.join()
        assert seen == [new]


def test_who_waits_to_be_let_in_can_be_stopped(bench: Make, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with room_of(bench("old")) as room:
        room.begin(bench("new", hold=str(hold)))
        until(room, "starting")
        cancelled, paused = Control(), Control()
        cancelled.cancel.set()
        paused.pause.set()
        with pytest.raises(Cancelled), room.admitted(cancelled):
            pass
        with pytest.raises(Paused), room.admitted(paused):
            pass
        hold.touch()


def test_failed_switch_restores_the_old_engine(bench: Make) -> None:
    old, broken = bench("old"), bench("broken", exit=3)
    told: list[str] = []
    with room_of(old) as room:
        old.use()
        room.begin(broken, on_end=lambda switch: told.append(switch.state))
        switch = until(room)
        assert switch.state == "failed" and switch.error
        assert room.bench is old
        assert told == ["failed"]
        while old.engine.status().state != "ready":
            time.sleep(0.02)
        assert len(old.pids) == 2
        assert not broken.lives


def test_switch_can_be_cancelled_waiting_and_starting(bench: Make, tmp_path: Path) -> None:
    old, slow = bench("old"), bench("slow", hold=str(tmp_path / "never"))
    with room_of(old) as room:
        with room.admitted(Control()):
            room.begin(slow)
            room.cancel()
            assert until(room).state == "cancelled"
        assert not slow.pids
        room.begin(slow)
        until(room, "starting")
        room.cancel()
        assert until(room).state == "cancelled"
        assert room.bench is old
        assert not slow.lives


def test_what_cannot_even_be_tried_changes_nothing(bench: Make, tmp_path: Path) -> None:
    old = bench("old")
    with room_of(old) as room:
        old.use()
        with pytest.raises(EngineError):
            room.begin(Bench(NullEngine("/nowhere", EngineError("model_path_missing", path="/nowhere")), tmp_path))
        assert room.switch is None
        assert old.lives


def test_only_one_switch_at_a_time(bench: Make, tmp_path: Path) -> None:
    with room_of(bench("old")) as room:
        room.begin(bench("slow", hold=str(tmp_path / "never")))
        with pytest.raises(AppError) as caught:
            room.begin(bench("third"))
        assert caught.value.key == "switch_under_way"


# ---- alone with the machine ------------------------------------------------------------------------------------------


def test_alone_waits_for_who_is_inside_and_lets_nobody_in(bench: Make) -> None:
    with room_of(bench("old")) as room:
        inside, leave, control = threading.Event(), threading.Event(), Control()

        def job() -> None:
            with room.admitted(control):
                inside.set()
                leave.wait()

        thread = threading.Thread(target=job)
        thread.start()
        inside.wait()
        threading.Timer(0.2, leave.set).start()
        with room.alone(threading.Event(), ends_engine=lambda: False):
            assert leave.is_set()
            control.cancel.set()
            with pytest.raises(Cancelled), room.admitted(control):
                raise AssertionError("somebody was let in")
            with pytest.raises(AppError) as caught:
                room.begin(bench("new"))
            assert caught.value.key == "trial_under_way"
        thread.join()
        with room.admitted(Control()):
            pass


def test_an_engine_that_has_to_go_for_it_comes_back_afterwards(bench: Make) -> None:
    old = bench("old")
    with room_of(old) as room:
        old.use()
        with room.alone(threading.Event(), ends_engine=lambda: False):
            assert old.lives, "an engine that leaves enough memory stays"
        with room.alone(threading.Event(), ends_engine=lambda: True):
            assert not old.lives
        while old.engine.status().state != "ready":
            time.sleep(0.01)
        assert old.lives


def test_who_gives_up_waiting_leaves_the_room_as_it_was(bench: Make) -> None:
    with room_of(bench("old")) as room:
        cancel = threading.Event()
        cancel.set()
        with room.admitted(Control()), pytest.raises(Cancelled), room.alone(cancel, ends_engine=lambda: True):
            raise AssertionError("somebody is inside")
        with room.admitted(Control()):
            pass
