"""The real engines on the tiny checkpoints. Each start takes half a minute here, so there are few of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.engine import Endpoint, ManagedEngine, vllm_launcher
from app.engine.transformers import read_phase as read_transformers_phase
from app.engine.vllm import read_phase
from app.errors import EngineError
from tests.engine.test_guard import assert_gone, read_when_written
from tests.engine.test_managed import ready, wait_until

pytestmark = pytest.mark.engine

OWNER = """
import sys, threading, time
from pathlib import Path
import psutil
from app.engine import ManagedEngine, vllm_launcher
folder = Path(sys.argv[2])
engine = ManagedEngine(vllm_launcher(sys.argv[1], {"max_model_len": 512}), log_dir=folder)
engine.ensure_ready(lambda phase: None, threading.Event())
(folder / "pids").write_text(" ".join(str(process.pid) for process in psutil.Process().children(recursive=True)))
time.sleep(600)
"""


def phases_of(engine: ManagedEngine, read: Callable[[str], object]) -> list[str]:
    lines = [part for line in engine.log_tail(5000).splitlines() for part in line.split("\r")]
    found = [getattr(phase, "phase", "") for line in lines if (phase := read(line)) is not None]
    return list(dict.fromkeys(found))


def post(endpoint: Endpoint, path: str, body: object, key: str | None = None) -> int:
    request = urllib.request.Request(
        f"{endpoint.base_url}/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.api_key if key is None else key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_vllm_tells_its_phases_its_length_and_answers_nobody_without_the_key(
    vl_engine: ManagedEngine, vl_endpoint: Endpoint
) -> None:
    phases = phases_of(vl_engine, read_phase)
    assert phases == ["importing", "configuring", "spawning", "building", "loading", "preparing", "answering"]
    info = vl_engine.status().info
    assert info is not None and info.max_model_len == 4096 and info.version.startswith("0.")
    question = {"model": vl_endpoint.model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
    assert post(vl_endpoint, "chat/completions", question) == 200
    assert post(vl_endpoint, "chat/completions", question, key="guess") == 401


def test_vllm_listens_on_loopback_alone(vl_endpoint: Endpoint) -> None:
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_transformers_serve_starts_the_same_way(
    transformers_engine: ManagedEngine, transformers_endpoint: Endpoint
) -> None:
    phases = phases_of(transformers_engine, read_transformers_phase)
    assert phases == ["importing", "loading", "answering"]
    info = transformers_engine.status().info
    assert info is not None and info.max_model_len is not None and info.version.startswith("5.")
    question = {"model": transformers_endpoint.model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
    assert post(transformers_endpoint, "chat/completions", question) == 200
    assert "Traceback" not in transformers_engine.log_tail(1000)


def test_a_start_that_vllm_refuses_says_vllm_s_own_reason(tiny_vl: Path, tmp_path: Path) -> None:
    engine = ManagedEngine(vllm_launcher(str(tiny_vl), {"max_model_len": 10**6}), log_dir=tmp_path)
    with pytest.raises(EngineError) as caught:
        ready(engine)
    assert caught.value.key == "context_exceeds_model" and caught.value.values["length"] == "1000000"
    engine.stop()


def test_an_engine_whose_core_is_killed_is_found_dead(tiny_text: Path, tmp_path: Path) -> None:
    engine = ManagedEngine(vllm_launcher(str(tiny_text), {"max_model_len": 512}), log_dir=tmp_path)
    try:
        ready(engine)
        family = psutil.Process().children(recursive=True)
        server = next(process for process in family if str(tiny_text) in process.cmdline() and not is_guard(process))
        max(server.children(), key=lambda process: process.memory_info().rss).kill()  # beside a small helper
        wait_until(lambda: engine.status().state == "failed")
        error = engine.status().error
        assert error is not None and error.key == "engine_killed"
    finally:
        engine.stop()


def is_guard(process: psutil.Process) -> bool:
    return any(word.endswith("guard.py") for word in process.cmdline())


def test_nothing_of_vllm_is_left_when_its_owner_is_killed(tiny_text: Path, tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tiny_text), str(tmp_path)])
    try:
        wait_until_written(tmp_path / "pids", owner)
        pids = read_when_written(tmp_path / "pids", 3)
    finally:
        owner.kill()
        owner.wait()
    assert_gone(pids)


def wait_until_written(path: Path, owner: subprocess.Popen[bytes]) -> None:
    waiter = threading.Event()
    while not path.exists():
        assert owner.poll() is None, "the owner ended before its engine was ready"
        waiter.wait(0.2)
