"""One engine for several programs, each of them a real process; see `shared_engine.py`."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from framelens.core.errors import EngineError
from framelens.core.events import EngineProgress
from framelens.engine.local import shared_engine
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.shared_engine import SharedEngine, engine_identity
from tests.engine.fakes import MakeEngine, fake_launcher, is_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local engines run on Linux alone")

PROGRAM = """
import json, sys, threading, time
from pathlib import Path
from framelens.engine.local.local_engine import LocalEngine
from tests.engine.fakes import fake_launcher
folder, plan, heard = Path(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
parts = {"inspect": lambda folder: (heard.write_text("inspecting"), time.sleep(600))} if "stuck" in plan else {}
engine = LocalEngine(fake_launcher({name: plan[name] for name in plan if name != "stuck"}, **parts), log_dir=folder)
def note(phase):
    heard.write_text(phase.phase)
engine.ensure_ready(note, threading.Event())
sys.stdin.read()
engine.stop()
"""
Program = subprocess.Popen[bytes]
Run = Callable[..., tuple[Program, Path]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts a program that uses the engine of the folder "logs" until its standard input closes."""
    programs: list[Program] = []

    def start(plan: dict[str, Any]) -> tuple[Program, Path]:
        heard = tmp_path / f"heard-{len(programs)}"
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "logs"), json.dumps(plan), str(heard)]
        programs.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        return programs[-1], heard

    yield start
    for program in programs:
        program.kill()
        program.communicate()


@pytest.fixture
def plan(tmp_path: Path) -> dict[str, Any]:
    return {"starts": str(tmp_path / "starts")}


def wait_for(heard: Path, phase: str) -> None:
    wait_until(lambda: heard.exists() and heard.read_text() == phase)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited 60 s in vain"
        time.sleep(0.02)


def ready(engine: LocalEngine) -> str:
    return engine.ensure_ready(lambda phase: None, threading.Event()).base_url


def pids(plan: dict[str, Any]) -> list[int]:
    return [int(line) for line in Path(plan["starts"]).read_text().split()]


@pytest.mark.slow
def test_an_engine_outlives_the_killed_program_that_started_it(
    run: Run, make_engine: MakeEngine, plan: dict[str, Any]
) -> None:
    program, heard = run(plan)
    wait_for(heard, "ready")
    engine, phases = make_engine(plan), list[str]()
    engine.ensure_ready(lambda phase: phases.append(phase.phase), threading.Event())
    assert phases == ["ready"] and engine.status().info
    program.kill()
    time.sleep(1.5)
    assert engine.end_if_unwell() is None and engine.status().state == "ready"
    (pid,) = pids(plan)
    engine.stop()
    assert is_gone(pid)


@pytest.mark.slow
def test_an_engine_ends_when_its_last_user_is_killed(run: Run, plan: dict[str, Any]) -> None:
    programs = [run(plan), run(plan)]
    for _, heard in programs:
        wait_for(heard, "ready")
    (pid,) = pids(plan)
    for program, _ in programs:
        assert not is_gone(pid)
        program.kill()
        time.sleep(1.5)
    wait_until(lambda: is_gone(pid))


@pytest.mark.slow
def test_the_starter_leaves_the_engine_to_the_others(run: Run, make_engine: MakeEngine, plan: dict[str, Any]) -> None:
    starter = make_engine(plan)
    ready(starter)
    program, heard = run(plan)
    wait_for(heard, "ready")
    starter.stop()
    (pid,) = pids(plan)
    assert starter.status().state == "stopped" and not is_gone(pid)
    assert ready(starter) and pids(plan) == [pid]
    starter.stop()
    program.communicate()
    assert is_gone(pid)


@pytest.mark.slow
def test_a_start_goes_on_for_those_who_wait(
    run: Run, make_engine: MakeEngine, plan: dict[str, Any], tmp_path: Path
) -> None:
    plan = {**plan, "hold": str(tmp_path / "gate"), "lines": ["phase: importing"]}
    program, heard = run(plan)
    wait_for(heard, "importing")
    engine, phases = make_engine(plan), list[str]()
    waiting = threading.Thread(
        target=lambda: engine.ensure_ready(lambda phase: phases.append(phase.phase), threading.Event())
    )
    waiting.start()
    wait_until(lambda: "importing" in phases)
    program.kill()
    (tmp_path / "gate").touch()
    waiting.join()
    assert phases == ["importing", "ready"] and len(pids(plan)) == 1


@pytest.mark.slow
def test_a_start_is_taken_over_from_a_killed_program(run: Run, make_engine: MakeEngine, plan: dict[str, Any]) -> None:
    program, heard = run({**plan, "stuck": True})
    wait_for(heard, "inspecting")
    engine, phases = make_engine(plan), list[str]()
    waiting = threading.Thread(
        target=lambda: engine.ensure_ready(lambda phase: phases.append(phase.phase), threading.Event())
    )
    waiting.start()
    wait_until(lambda: phases == ["joining"])
    program.kill()
    waiting.join()
    assert phases == ["joining", "launching", "ready"] and len(pids(plan)) == 1


@pytest.mark.slow
def test_a_failed_start_is_the_error_of_those_who_wait(
    run: Run, make_engine: MakeEngine, plan: dict[str, Any], tmp_path: Path
) -> None:
    plan = {**plan, "hold": str(tmp_path / "gate"), "exit": 7, "lines": ["phase: importing"]}
    _, heard = run(plan)
    wait_for(heard, "importing")
    engine = make_engine(plan)

    def open_gate(phase: EngineProgress) -> None:
        (tmp_path / "gate").touch()

    with pytest.raises(EngineError) as caught:
        engine.ensure_ready(open_gate, threading.Event())
    assert (caught.value.key, caught.value.values["status"]) == ("engine_silent", 7) and len(pids(plan)) == 1


@pytest.mark.slow
def test_an_engine_that_hangs_is_replaced_for_all(
    make_engine: MakeEngine, plan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framelens.engine.local.local_engine.HEALTH_SECONDS", 0.5)
    first, second = make_engine(plan), make_engine(plan)
    assert ready(first) == ready(second)
    psutil.Process(pids(plan)[0]).suspend()
    assert (error := first.end_if_unwell()) and error.key == "engine_hung"
    assert ready(first) == ready(second) and len(pids(plan)) == 2


@pytest.mark.slow
def test_other_settings_have_an_engine_of_their_own(make_engine: MakeEngine, plan: dict[str, Any]) -> None:
    assert ready(make_engine(plan)) != ready(make_engine({**plan, "lines": ["other"]}))
    assert len(pids(plan)) == 2


def test_an_engine_is_named_by_command_devices_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    name = engine_identity(["vllm"], tmp_path)
    monkeypatch.setenv("VLLM_CONFIG", "{}")
    monkeypatch.setenv("LANG", "C")
    assert engine_identity(["vllm"], tmp_path) == name != engine_identity(["vllm", "--dtype=half"], tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert engine_identity(["vllm"], tmp_path) != name
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    (tmp_path / "model.safetensors").touch()
    assert engine_identity(["vllm"], tmp_path) != name


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["link", "readable", "stale"])
def test_a_foreign_or_stale_record_is_not_used(
    make_engine: MakeEngine, plan: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    launcher, logs = fake_launcher(plan), tmp_path / "logs"
    logs.mkdir()
    record = logs / f"{engine_identity(launcher.command(Path('/model'), 0), Path('/model'))}.json"
    planted = tmp_path / "planted"
    planted.write_text(json.dumps({"port": 1, "api_key": "k", "pid": 1, "log_path": "/etc/passwd"}))
    planted.chmod(0o644 if kind == "readable" else 0o600)
    if kind == "link":
        record.symlink_to(planted)
    else:
        planted.rename(record)
    assert ready(make_engine(plan))
    assert not record.is_symlink() and record.stat().st_mode & 0o777 == 0o600
    assert json.loads(record.read_text())["port"] != 1 and (kind != "link" or "passwd" in planted.read_text())


@pytest.mark.slow
def test_the_record_forgets_the_key_of_an_ended_engine(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine({})
    key = engine.ensure_ready(lambda phase: None, threading.Event()).api_key
    (record,) = (tmp_path / "logs").glob("*.json")
    assert json.loads(record.read_text())["api_key"] == key
    engine.stop()
    assert record.read_text() == "143"


@pytest.mark.slow
def test_an_engine_is_not_shared_where_nothing_can_be_locked(
    make_engine: MakeEngine, plan: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_engine, "_has_locks", lambda folder: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = make_engine(plan)
    assert ready(engine) and not list((tmp_path / "logs").glob("*.json"))
    engine.stop()
    assert is_gone(pids(plan)[0])


def test_files_of_ended_engines_are_deleted(tmp_path: Path) -> None:
    held = SharedEngine(tmp_path, "held")
    assert held.join() and held.claim()
    waiting = SharedEngine(tmp_path, "waiting")
    assert waiting.join()
    for suffix in ("json", "users"):
        (tmp_path / f"ended.{suffix}").touch(mode=0o600)
    SharedEngine(tmp_path, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held.json", "held.users", "waiting.users"]
    held.leave()
    waiting.leave()
