import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from framelens.core.errors import Cancelled, EngineError, EngineTimeout
from framelens.core.events import EngineProgress
from framelens.engine.base import Endpoint
from framelens.engine.local import local_engine
from framelens.engine.local.local_engine import LocalEngine
from tests.engine.fakes import MakeEngine

TRACEBACK = """Traceback (most recent call last):
  File "core.py", line 1, in start
    load()
ValueError: the weights are upside down"""


def ready(engine: LocalEngine) -> Endpoint:
    return engine.ensure_ready(lambda phase: None, threading.Event())


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s in vain"
        time.sleep(0.02)


def die(endpoint: Endpoint) -> None:
    with contextlib.suppress(OSError, HTTPException):
        urllib.request.urlopen(endpoint.base_url.replace("/v1", "/die"), timeout=5).close()


def test_start_reports_phases_until_endpoint_answers(make_engine: MakeEngine) -> None:
    engine = make_engine({"lines": ["phase: importing", "noise", "phase: loading"]})
    assert engine.status().state == "stopped"
    phases: list[EngineProgress] = []
    endpoint = engine.ensure_ready(phases.append, threading.Event())
    assert [phase.phase for phase in phases] == ["launching", "importing", "loading", "ready"]
    status = engine.status()
    assert status.state == "ready" and status.info is not None
    assert (status.info.version, status.info.max_model_len, status.info.model) == ("9.9", 321, "org/fake")
    assert endpoint.model == "fake" and endpoint.base_url.endswith("/v1")
    assert "noise" in engine.log_tail()


@pytest.mark.thorough
@pytest.mark.slow
def test_hanging_engine_is_restarted_on_demand(
    make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = tmp_path / "starts"
    engine = make_engine({"starts": str(starts)})
    ready(engine)
    assert engine.end_if_unwell() is None and engine.status().state == "ready"
    monkeypatch.setattr(local_engine, "HEALTH_SECONDS", 0.5)
    hung = psutil.Process(int(starts.read_text()))
    hung.suspend()
    error = engine.end_if_unwell()
    assert error is not None and error.key == "engine_hung"
    assert not hung.is_running() and engine.status().error is error
    assert ready(engine)

    psutil.Process(int(starts.read_text().splitlines()[-1])).suspend()
    assert ready(engine) and len(starts.read_text().splitlines()) == 3
    die(ready(engine))
    wait_until(lambda: engine.status().error)
    assert engine.end_if_unwell() is engine.status().error


@pytest.mark.slow
def test_broken_engine_is_stopped_and_diagnosed(make_engine: MakeEngine, tmp_path: Path) -> None:
    sick, starts = tmp_path / "sick", tmp_path / "starts"
    engine = make_engine({"sick": str(sick), "starts": str(starts), "lines": TRACEBACK.splitlines()})
    ready(engine)
    sick.touch()
    error = engine.end_if_unwell()
    assert error is not None and (error.key, error.values["cause"]) == (
        "engine_crashed",
        "ValueError: the weights are upside down",
    )
    assert engine.status().error is error and not psutil.pid_exists(int(starts.read_text()))
    sick.unlink()
    assert ready(engine) and engine.end_if_unwell() is None


@pytest.mark.slow
def test_the_key_is_in_no_repr_no_command_line_and_no_log(make_engine: MakeEngine) -> None:
    engine = make_engine({})
    endpoint = ready(engine)
    family = psutil.Process().children(recursive=True)
    assert endpoint.api_key not in repr(endpoint)
    assert not any(endpoint.api_key in word for process in family for word in process.cmdline())
    assert endpoint.api_key not in engine.log_tail()


@pytest.mark.slow
def test_concurrent_callers_share_one_start_and_progress(make_engine: MakeEngine, tmp_path: Path) -> None:
    starts, gate = tmp_path / "starts", tmp_path / "gate"
    engine = make_engine({"starts": str(starts), "hold": str(gate), "lines": ["phase: importing"]})
    heard: list[list[str]] = [[] for _ in range(4)]
    endpoints: list[Endpoint] = []

    def call(own: list[str]) -> None:
        endpoints.append(engine.ensure_ready(lambda phase: own.append(phase.phase), threading.Event()))

    threads = [threading.Thread(target=call, args=(own,)) for own in heard]
    for thread in threads:
        thread.start()
    wait_until(lambda: all("importing" in own for own in heard))
    gate.touch()
    for thread in threads:
        thread.join()
    assert len(starts.read_text().splitlines()) == 1
    assert len(set(endpoints)) == 1
    assert heard == [["launching", "importing", "ready"]] * 4


@pytest.mark.slow
def test_cancelling_caller_leaves_start_to_the_other(make_engine: MakeEngine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine = make_engine({"hold": str(gate)})
    cancel, left, got = threading.Event(), threading.Event(), []

    def leaver() -> None:
        with contextlib.suppress(Cancelled):
            engine.ensure_ready(lambda phase: None, cancel)
        left.set()

    threads = [threading.Thread(target=leaver), threading.Thread(target=lambda: got.append(ready(engine)))]
    for thread in threads:
        thread.start()
    wait_until(lambda: (status := engine.status()).phase is not None and status.phase.phase == "launching")
    cancel.set()
    assert left.wait(10)
    gate.touch()
    for thread in threads:
        thread.join()
    assert len(got) == 1 and engine.status().state == "ready"


@pytest.mark.slow
def test_last_cancel_ends_start_and_allows_a_new_one(make_engine: MakeEngine, tmp_path: Path) -> None:
    gate, starts = tmp_path / "gate", tmp_path / "starts"
    engine = make_engine({"hold": str(gate), "starts": str(starts), "lines": ["phase: importing"]})
    cancel = threading.Event()

    def on_progress(phase: EngineProgress) -> None:
        if phase.phase == "importing":
            cancel.set()

    with pytest.raises(Cancelled):
        engine.ensure_ready(on_progress, cancel)
    wait_until(lambda: not psutil.pid_exists(int(starts.read_text())))
    assert engine.status().state == "stopped"
    gate.touch()
    assert ready(engine).model == "fake"


@pytest.mark.slow
def test_failed_start_names_cause_and_can_be_retried(make_engine: MakeEngine, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    engine = make_engine({"lines": TRACEBACK.splitlines(), "exit": 1, "starts": str(starts)})
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            ready(engine)
        assert caught.value.key == "engine_failed"
        assert caught.value.values["cause"] == "ValueError: the weights are upside down"
    status = engine.status()
    assert status.state == "failed" and status.error is caught.value
    assert len(starts.read_text().splitlines()) == 2
    assert "upside down" in engine.log_tail()


def test_a_failing_fetch_is_the_error_and_no_process_is_started(make_engine: MakeEngine, tmp_path: Path) -> None:
    def fetch(on_progress: object, cancel: object) -> Path:
        raise EngineError("model_not_on_hub", model="a/b", endpoint="x")

    engine = make_engine({}, fetch=fetch)
    with pytest.raises(EngineError) as caught:
        ready(engine)
    assert caught.value.key == "model_not_on_hub" and not (tmp_path / "logs").exists()


@pytest.mark.slow
def test_engine_that_dies_is_failed_and_restarted_on_demand(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine({"die": 137})
    first = ready(engine)
    die(first)
    wait_until(lambda: engine.status().state == "failed")
    error = engine.status().error
    assert error is not None and error.key == "engine_killed"
    second = ready(engine)
    assert second != first and engine.status().state == "ready"


@pytest.mark.slow
def test_a_ready_engine_is_given_at_once_without_a_new_process(make_engine: MakeEngine) -> None:
    engine = make_engine({})
    phases: list[str] = []
    assert ready(engine) == engine.ensure_ready(lambda phase: phases.append(phase.phase), threading.Event())
    assert phases == ["ready"]


@pytest.mark.slow
def test_stop_leaves_no_process_and_forgets_the_failure(make_engine: MakeEngine, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    engine = make_engine({"starts": str(starts)})
    ready(engine)
    engine.stop()
    engine.stop()
    assert engine.status().state == "stopped"
    assert not psutil.pid_exists(int(starts.read_text()))


def test_stop_during_start_reaches_the_waiting_caller(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({"hold": str(tmp_path / "never"), "lines": ["phase: importing"]})
    raised: list[BaseException] = []

    def call() -> None:
        try:
            ready(engine)
        except Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: (status := engine.status()).phase is not None and status.phase.phase == "importing")
    engine.stop()
    thread.join()
    assert len(raised) == 1 and engine.status().state == "stopped"


@pytest.mark.slow
def test_a_start_that_takes_too_long_is_ended(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({"hold": str(tmp_path / "never")}, start_timeout_seconds=0.5)
    with pytest.raises(EngineTimeout) as caught:
        ready(engine)
    assert caught.value.key == "engine_start_timeout"


@pytest.mark.slow
def test_newest_logs_are_kept_for_owner_only(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({"exit": 3}, keep_logs=2)
    for _ in range(4):
        with pytest.raises(EngineError):
            ready(engine)
    assert len(list((tmp_path / "logs").glob("*.log"))) == 2
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "logs").iterdir())
