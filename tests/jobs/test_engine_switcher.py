"""Another engine in place of the running engine: real engine processes around a small server, real jobs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from framelens.analysis.task import Control
from framelens.core.errors import AppError, Cancelled, EngineError, Paused
from framelens.engine.base import Engine, NullEngine
from framelens.jobs.engine_switcher import EngineSwitch, EngineSwitcher
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
def session(make_engine: MakeEngine, tmp_path: Path) -> Make:
    def make(name: str, **plan: Any) -> Bench:
        starts = tmp_path / name
        return Bench(make_engine({"starts": str(starts), **plan}, model=f"org/{name}"), starts)

    return make


@contextmanager
def switcher_of(session: Bench) -> Iterator[EngineSwitcher[Bench]]:
    switcher = EngineSwitcher(session)
    try:
        yield switcher
    finally:
        switcher.close()


def until(switcher: EngineSwitcher[Bench], phase: str) -> None:
    while not switcher.switch.progress or switcher.switch.progress.phase != phase:
        time.sleep(0.01)


def over(switcher: EngineSwitcher[Bench]) -> str:
    switcher.switch.wait()
    return switcher.switch.state


@pytest.mark.slow
def test_the_old_engine_is_gone_before_the_new_one_starts(session: Make, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    old, new = session("old"), session("new", hold=str(hold))
    with switcher_of(old) as switcher:
        old.use()
        switcher.begin(new)
        until(switcher, "starting")
        while not new.pids:
            time.sleep(0.01)
        assert not old.lives
        hold.touch()
        assert over(switcher) == "done"
        assert switcher.switch.progress == EngineSwitch("org/old", "org/new", "starting")
        assert switcher.session is new
        assert new.lives
    assert not new.lives


@pytest.mark.slow
def test_switch_waits_for_running_job_and_blocks_next(session: Make) -> None:
    old, new = session("old"), session("new")
    seen: list[Bench] = []
    with switcher_of(old) as switcher:
        old.use()
        with switcher.admitted(Control()):
            switcher.begin(new)
            time.sleep(0.3)
            assert switcher.switch.progress and switcher.switch.progress.phase == "waiting"
            assert switcher.session is old and old.lives

            def come() -> None:
                with switcher.admitted(Control()):
                    seen.append(switcher.session)

            later = threading.Thread(target=come)
            later.start()
            time.sleep(0.2)
            assert not seen
        later.join()
        assert seen == [new]


def test_who_waits_to_be_let_in_can_be_stopped(session: Make, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with switcher_of(session("old")) as switcher:
        switcher.begin(session("new", hold=str(hold)))
        until(switcher, "starting")
        cancelled, paused = Control(), Control()
        cancelled.cancel.set()
        paused.pause.set()
        with pytest.raises(Cancelled), switcher.admitted(cancelled):
            pass
        with pytest.raises(Paused), switcher.admitted(paused):
            pass
        hold.touch()


@pytest.mark.slow
def test_failed_switch_restores_the_old_engine(session: Make) -> None:
    old, broken = session("old"), session("broken", exit=3)
    ends: list[bool] = []
    with switcher_of(old) as switcher:
        old.use()
        switcher.begin(broken, on_end=ends.append)
        assert over(switcher) == "failed" and switcher.switch.error
        assert switcher.session is old
        assert ends == [False]
        while old.engine.status().state != "ready":
            time.sleep(0.02)
        assert len(old.pids) == 2
        assert not broken.lives


def test_switch_can_be_cancelled_waiting_and_starting(session: Make, tmp_path: Path) -> None:
    old, slow = session("old"), session("slow", hold=str(tmp_path / "never"))
    with switcher_of(old) as switcher:
        with switcher.admitted(Control()):
            switcher.begin(slow)
            switcher.switch.cancel()
            assert over(switcher) == "cancelled"
        assert not slow.pids
        switcher.begin(slow)
        until(switcher, "starting")
        switcher.switch.cancel()
        assert over(switcher) == "cancelled"
        assert switcher.session is old
        assert not slow.lives


@pytest.mark.slow
def test_what_cannot_even_be_tried_changes_nothing(session: Make, tmp_path: Path) -> None:
    old = session("old")
    with switcher_of(old) as switcher:
        old.use()
        with pytest.raises(EngineError):
            switcher.begin(Bench(NullEngine("/nowhere", EngineError("model_path_missing", path="/nowhere")), tmp_path))
        assert switcher.switch.state == "idle"
        assert old.lives


def test_only_one_switch_at_a_time(session: Make, tmp_path: Path) -> None:
    with switcher_of(session("old")) as switcher:
        switcher.begin(session("slow", hold=str(tmp_path / "never")))
        with pytest.raises(AppError) as caught:
            switcher.begin(session("third"))
        assert caught.value.key == "switch_under_way"
