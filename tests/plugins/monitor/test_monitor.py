"""The monitor measures while somebody looks and not otherwise; and what it tells of the real vLLM is true."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from framelens.core.errors import StorageError
from framelens.engine.base import Endpoint
from framelens.engine.gpu_metrics import GpuReader
from framelens.engine.local.child_process import ChildProcess
from framelens.engine.local.local_engine import LocalEngine
from framelens.plugins.monitor.engine_metrics import EngineLoad, EngineMetricsReader
from framelens.plugins.monitor.machine_metrics import SystemMetricsReader, own_memory
from framelens.plugins.monitor.monitor import Monitor
from tests.engine.fake_nvml import FakeNvml

Make = Callable[..., Monitor]


@pytest.fixture
def make_monitor() -> Iterator[Make]:
    made: list[Monitor] = []

    def make(**changes: object) -> Monitor:
        parts: dict[str, object] = {
            "load": lambda: "not_running",
            "jobs": lambda: (1, 2),
            "cards": GpuReader(FakeNvml().as_module()),
            "period_seconds": 0.02,
            **changes,
        }
        made.append(Monitor(parts.pop("load"), parts.pop("jobs"), **parts))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for monitor in made:
        monitor.close()


def until(is_so: Callable[[], bool]) -> None:
    """The test's own time limit ends the wait for what never comes."""
    while not is_so():
        time.sleep(0.01)


def test_monitor_measures_from_the_first_look(make_monitor: Make) -> None:
    monitor = make_monitor()
    assert not monitor.is_measuring
    (sample, *_) = monitor.watch()
    assert monitor.is_measuring
    assert 0 < sample.machine.memory_used_bytes < sample.machine.memory_bytes
    assert 0 <= sample.machine.cpu_share <= 1
    assert sample.cards.cards[0].celsius == 64 and sample.load == "not_running" and sample.jobs == (1, 2)


def test_samples_come_in_order_while_somebody_looks(make_monitor: Make) -> None:
    monitor = make_monitor()
    until(lambda: len(monitor.watch()) >= 5)
    times = [sample.at for sample in monitor.watch()]
    assert times == sorted(times) and len(set(times)) == len(times)


def test_monitor_stops_unwatched_and_restarts_on_look(make_monitor: Make) -> None:
    nvml = FakeNvml()
    monitor = make_monitor(cards=GpuReader(nvml.as_module()), watched_seconds=0.1)
    monitor.watch()
    until(lambda: not monitor.is_measuring)
    assert nvml.calls[-1] == "nvmlShutdown"
    kept = len(monitor.watch())
    assert monitor.is_measuring
    until(lambda: len(monitor.watch()) > kept)


def test_no_more_is_kept_than_the_last_minutes(make_monitor: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.plugins.monitor.monitor.KEPT_SECONDS", 0.2)
    monitor = make_monitor()
    first = monitor.watch()[0]
    until(lambda: first not in monitor.watch())
    assert len(monitor.watch()) <= 10


def test_a_source_that_fails_once_costs_one_sample(make_monitor: Make) -> None:
    failures = [StorageError("store_refused", path="x", reason="locked")]

    def jobs() -> tuple[int, int]:
        if failures:
            raise failures.pop()
        return 0, 0

    monitor = make_monitor(jobs=jobs)
    until(lambda: bool(monitor.watch()))
    assert not failures


@pytest.mark.slow
def test_a_bug_ends_measuring_and_is_in_the_log(make_monitor: Make, caplog: pytest.LogCaptureFixture) -> None:
    def jobs() -> tuple[int, int]:
        raise ZeroDivisionError

    monitor = make_monitor(jobs=jobs)
    assert monitor.watch() == () and monitor.watch() == ()
    assert monitor.has_failed and not monitor.is_measuring
    assert [record.getMessage() for record in caplog.records] == ["the task 'monitor' failed"]


def test_closing_ends_the_thread_and_is_the_end(make_monitor: Make) -> None:
    monitor = make_monitor(period_seconds=60.0)
    monitor.watch()
    monitor.close()
    until(lambda: not any(thread.name == "monitor" for thread in threading.enumerate()))
    monitor.watch()
    assert not monitor.is_measuring


HOLDS = "import sys, time; held = bytearray(80_000_000); print('ready', flush=True); time.sleep(600)"


@pytest.mark.slow
def test_memory_separates_engine_decoder_and_app(tmp_path: Path) -> None:
    before = own_memory()
    log = tmp_path / "engine.log"
    # What an engine starts in a session of its own is the engine's, too.
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}], start_new_session=True)"
    engine = ChildProcess.start([sys.executable, "-c", outer], environment={}, log_path=log)
    decoder = subprocess.Popen([sys.executable, "-c", HOLDS, "framelens.video.worker"], stdout=subprocess.PIPE)
    try:
        assert decoder.stdout and decoder.stdout.readline() == b"ready\n"
        until(lambda: b"ready" in log.read_bytes())
        now = own_memory()
        assert now["engines"] - before["engines"] > 80_000_000
        assert now["decoders"] - before["decoders"] > 80_000_000
        assert abs(now["app"] - before["app"]) < 40_000_000
    finally:
        decoder.kill()
        decoder.communicate()
        engine.stop()
    assert own_memory()["engines"] - before["engines"] < 40_000_000


def test_the_memory_of_the_machine_is_what_the_system_says() -> None:
    machine = SystemMetricsReader()()
    assert machine.memory_bytes <= psutil.virtual_memory().total
    assert machine.processors == os.cpu_count()


@pytest.mark.engine
def test_the_real_vllm_reports_its_requests_tokens_and_caches(vl_engine: LocalEngine, vl_endpoint: Endpoint) -> None:
    load = EngineMetricsReader(vl_engine)
    assert isinstance(load(), EngineLoad)
    words = " ".join(["red", "green", "blue"] * 60)
    used = [ask(vl_endpoint, words, most=8) for _ in range(2)]
    reported = load()
    assert isinstance(reported, EngineLoad)
    assert reported.read_per_second and reported.written_per_second
    # The same counters over the same time, whose length only the reader knows.
    tokens = [sum(one[name] for one in used) for name in ("prompt_tokens", "completion_tokens")]
    assert reported.read_per_second / reported.written_per_second == pytest.approx(tokens[0] / tokens[1])
    assert reported.first_token_seconds and 0 < reported.first_token_seconds < 60
    assert (
        reported.prefix_share and 0.2 < reported.prefix_share <= 1
    )  # the second request found what the first had left
    assert (reported.running, reported.waiting) == (0, 0)

    many = [threading.Thread(target=ask, args=(vl_endpoint, words, 300)) for _ in range(12)]
    for one in many:
        one.start()
    busiest = EngineLoad(running=0)
    while any(one.is_alive() for one in many):
        now = load()
        if isinstance(now, EngineLoad) and (now.waiting or 0) >= (busiest.waiting or 0) and now.running:
            busiest = now
        time.sleep(0.05)
    assert busiest.running and 1 <= busiest.running <= 8  # as many as it takes in at a time
    assert busiest.waiting and busiest.waiting <= 4
    assert busiest.cache_share and 0 < busiest.cache_share <= 1


def ask(endpoint: Endpoint, words: str, most: int) -> dict[str, int]:
    """The usage of a request that answers with exactly so many tokens."""
    question = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": words}],
        "max_tokens": most,
        "ignore_eos": True,
    }
    request = urllib.request.Request(
        f"{endpoint.base_url}/chat/completions",
        json.dumps(question).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.api_key}"},
    )
    with urllib.request.urlopen(request, timeout=300) as response:
        usage: dict[str, int] = json.load(response)["usage"]
    return usage
