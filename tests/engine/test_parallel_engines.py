"""Real engines that share the work: a model in two processes, and two engines behind an app, one of them killed.

A start takes one to two minutes on two cores, so there are few.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import psutil
import pytest

import framelens
from framelens import config
from framelens.analysis.prompts import templates
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.analysis.task import Task
from framelens.core.domain import AnalysisRequest, EngineInfo
from framelens.core.events import ChunkDone, EngineReady, Finished
from framelens.engine.base import Endpoint
from framelens.engine.local.engine_guard import KEY_VARIABLE
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher
from framelens.jobs.engine_session import EngineSession
from tests.cards import write_card_video
from tests.conftest import ENGINE_ARGUMENTS, in_words, ready
from tests.updates import events_of

CORES = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(len(CORES) < 2, reason="each process needs a core of its own"),
]
"""The tiny model was not made for a schema."""
CARDS = ["red", "blue", "green", "yellow", "white", "purple", "orange", "cyan"]


def engine_processes() -> list[psutil.Process]:
    """The processes of vLLM that run below this process."""
    return [one for one in psutil.Process().children(recursive=True) if is_engine(one)]


def is_engine(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it has ended, and nobody may have waited for it yet
        return "vllm" in " ".join(process.cmdline()).lower()
    return False


@pytest.mark.thorough
@pytest.mark.parametrize("argument", ["tensor_parallel_size", "pipeline_parallel_size"])
def test_two_processes_share_a_model(
    argument: str, tiny_vl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_text_reading: None
) -> None:
    """As users start it: with VLLM_CONFIG, past the preflight, below the supervisor."""
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "|".join(map(str, CORES)))
    arguments = json.dumps({**ENGINE_ARGUMENTS, argument: 2})
    given = {"VLLM_MODEL_PATH": str(tiny_vl), "VLLM_CONFIG": arguments}
    settings = config.load({**given, "FRAMELENS_DATA_DIR": str(tmp_path / "data")})
    session = in_words(EngineSession(settings, templates.Templates(None)))
    video = write_card_video(tmp_path / "cards.mp4", CARDS)
    others = set(engine_processes())  # the engine that other tests share
    try:
        events = list(events_of(session.run(Task(AnalysisRequest(video), "shared"))))
        log = session.engine.log_tail(2000)
        processes = set(engine_processes()) - others
    finally:
        session.close()
    last = events[-1]
    assert isinstance(last, Finished)
    assert [finding.text for finding in last.analysis.chunks[0].findings] == CARDS
    assert f"{argument}=2" in log and "world_size=2 rank=1" in log
    assert len(processes) > 2  # the server and two workers, at least
    assert not [one for one in processes if is_engine(one)]


@contextmanager
def another_engine(model: Path, key: str, log_dir: Path) -> Iterator[LocalEngine]:
    """An engine with the key of the engine that other tests share, as users give one key to all their engines."""
    launcher = vllm_launcher(str(model), ENGINE_ARGUMENTS)
    environment = launcher.environment
    engine = LocalEngine(
        replace(launcher, environment=lambda own: {**environment(own), KEY_VARIABLE: key}),
        log_dir=log_dir,
    )
    try:
        yield engine
    finally:
        engine.stop()


def server_of(endpoint: Endpoint) -> psutil.Process:
    """The process that listens at the address."""
    port = int(endpoint.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    for process in psutil.Process().children(recursive=True):
        sockets = process.net_connections("inet") if is_engine(process) else []
        if any(one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in sockets):
            return process
    raise AssertionError(f"no server on port {port}")


@pytest.mark.thorough
def test_an_engine_killed_in_mid_job_is_replaced(
    tiny_vl: Path, vl_endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_text_reading: None
) -> None:
    one_by_one = partialmethod(EngineConnector.__init__, in_flight=1, takes_schema=False)
    monkeypatch.setattr(EngineConnector, "__init__", one_by_one)
    cards = [*CARDS, *reversed(CARDS)] * 2
    video = write_card_video(tmp_path / "cards.mp4", cards, seconds_per_card=0.5)
    used, killed = list[EngineInfo](), False
    with ExitStack() as stack:
        other = ready(stack.enter_context(another_engine(tiny_vl, vl_endpoint.api_key, tmp_path)))
        endpoints = {at.base_url: at for at in (vl_endpoint, other)}
        session = framelens.Session(
            base_url=", ".join(endpoints),
            api_key=vl_endpoint.api_key,
            data_dir=tmp_path / "data",
            language="en",
        )
        for event in stack.enter_context(session).analyse_events(video, frames=len(cards)):
            if isinstance(event, EngineReady):
                used.append(event.engine)
            elif isinstance(event, ChunkDone) and not killed:
                server_of(endpoints[used[0].base_url]).kill()
                killed = True
    assert isinstance(event, Finished)
    assert {info.base_url for info in used} == set(endpoints) and len(used) == 2
    assert [finding.text for chunk in event.analysis.chunks for finding in chunk.findings] == cards
    assert [chunk.number for chunk in event.analysis.chunks] == [1, 9, 17, 25]
    assert "engine_replaced" in {notice.key for notice in event.analysis.notices}
