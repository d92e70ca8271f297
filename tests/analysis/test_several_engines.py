"""Analyses with several engines, of which an engine dies: nothing is lost, nothing is in a report twice."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.events import Probed, VideoEvent
from framelens.engine.engine_pool import EnginePool
from framelens.engine.remote_engine import RemoteEngine
from framelens.jobs.snapshot import JobSnapshot
from tests.analysis.requests.test_orchestrator import asked, done_of, introducing
from tests.analysis.test_pipeline import extracting, finished, marks_of, request, run, tools
from tests.jobs.working import CONTEXT, FRAMES, jobs_in, plain, until
from tests.llm.scripted import HangUp, Refuse, Server, serve

Behave = Callable[[dict[str, Any]], Iterator[str]]


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve(introducing, context=CONTEXT)) for _ in range(3)]


@pytest.fixture(scope="module")
def undisturbed() -> Analysis:
    with serve(introducing, context=CONTEXT) as server:
        return plain(finished(run(request(frames=FRAMES), tools(server, FRAMES, in_flight=2))[0]))


def connector_of(servers: list[Server], **options: Any) -> EngineConnector:
    engines = EnginePool([RemoteEngine(server.base_url) for server in servers], probe_seconds=0.05)
    return EngineConnector(engines, lambda: None, answer_tokens=256, timeout_seconds=30, in_flight=2, **options)


def pooled(servers: list[Server], **changes: Any) -> Any:
    return tools(servers[0], FRAMES, connector=connector_of(servers), **changes)


def parts_of(server: Server) -> list[int]:
    return [marks_of(body)[0] for body in asked(server) if marks_of(body)]


def of_its_own_size(path: Path, *given: Any) -> Iterator[VideoEvent]:
    """As many bytes as the file's name says, so that these videos differ."""
    for event in extracting(FRAMES)(path, *given):
        is_probe = isinstance(event, Probed)
        yield Probed(replace(event.video, size_bytes=int(path.stem) + 1)) if is_probe else event  # type: ignore[union-attr]


def dying(server: Server, after: int, dies: Callable[[], None] = lambda: None) -> Behave:
    """Answers this many parts, then ends in the middle of an answer."""
    left = threading.Semaphore(after)

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if marks_of(body) and body.get("max_tokens") != 1 and not left.acquire(blocking=False):
            server.dead.set()
            yield '{"findings": ['
            dies()
            raise HangUp
        yield from introducing(body)

    return behave


@pytest.mark.slow
def test_a_video_stays_on_one_engine(servers: list[Server], undisturbed: Analysis) -> None:
    made = pooled(servers)
    for _ in range(2):
        events, error = run(request(frames=FRAMES), made)
        assert error is None and plain(finished(events)) == undisturbed
    assert sorted(len(parts_of(server)) for server in servers) == [0, 0, 2 * len(undisturbed.chunks)]


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [1, 2])
def test_an_engine_that_dies_is_replaced(deaths: int, servers: list[Server], undisturbed: Analysis) -> None:
    left = threading.Semaphore(deaths)

    def behaving(server: Server) -> Behave:
        doomed = dying(server, 1)

        def behave(body: dict[str, Any]) -> Iterator[str]:
            is_doomed = server.dead.is_set() or (len(parts_of(server)) == 2 and left.acquire(blocking=False))
            if is_doomed and marks_of(body):
                server.dead.set()
            yield from doomed(body) if is_doomed else introducing(body)

        return behave

    for server in servers:
        server.behave = behaving(server)
    events, error = run(request(frames=FRAMES), pooled(servers))
    assert error is None
    whole = finished(events)
    assert plain(whole) == undisturbed
    assert [number for chunk in whole.chunks for number in chunk.frames] == list(range(1, FRAMES + 1))
    assert [notice.key for notice in whole.notices].count("engine_replaced") == deaths
    assert sum(server.dead.is_set() for server in servers) == deaths


@pytest.mark.slow
@pytest.mark.parametrize("status", [502, 503])
def test_a_proxy_before_a_dead_engine_is_one(status: int, servers: list[Server], undisturbed: Analysis) -> None:
    made = pooled(servers)
    for server in servers:

        def refuse(body: dict[str, Any], server: Server = server) -> Iterator[str]:
            if len(parts_of(server)) == 2 and not any(server.dead.is_set() for server in servers):
                server.dead.set()  # of which its own /models would tell, too
                raise Refuse(status, "Bad Gateway")
            yield from introducing(body)

        server.behave = refuse
    events, error = run(request(frames=FRAMES), made)
    assert error is None and plain(finished(events)) == undisturbed


@pytest.mark.slow
def test_all_dead_keeps_the_answers_and_resumes(servers: list[Server], undisturbed: Analysis) -> None:
    pair = servers[:2]
    for server in pair:
        server.behave = dying(server, 2)
    made = pooled(pair)
    events, error = run(request(frames=FRAMES), made)
    assert error and error.key == "engines_unusable"
    kept = finished(events)
    assert 0 < len(kept.chunks) < len(undisturbed.chunks)
    for server in pair:
        server.dead.clear()
        server.behave = introducing
        server.requests.clear()
    events, error = run(request(frames=FRAMES), made, done=done_of(events))
    assert error is None and plain(finished(events)) == undisturbed
    again = [number for server in pair for number in parts_of(server)]
    assert not set(again) & {chunk.number for chunk in kept.chunks}


@pytest.mark.slow
def test_a_batch_uses_both_and_survives_one(servers: list[Server], undisturbed: Analysis, tmp_path: Path) -> None:
    """Eight videos, four at a time; one engine dies under the first four, and is back for the others."""
    pair, death = servers[:2], threading.Event()
    pair[0].behave = dying(pair[0], 8, death.set)
    videos = [tmp_path / f"{number}.mp4" for number in range(8)]
    for video in videos:
        video.touch()
    made = pooled(pair, extract=of_its_own_size)
    with jobs_in(tmp_path / "data", made, workers=4) as jobs:

        def analysed(some: list[Path]) -> list[JobSnapshot]:
            ids = [jobs.submit(AnalysisRequest(one, frames=FRAMES), name=one.name) for one in some]
            return [until(jobs, one, lambda job: job.is_over) for one in ids]

        done = analysed(videos[:4])
        assert death.is_set()
        pair[0].dead.clear()
        pair[0].behave = introducing
        while any(status.error for status in made.connector.engine.statuses()):
            time.sleep(0.01)
        for server in pair:
            server.requests.clear()
        done += analysed(videos[4:])
    for job in done:
        assert job.error is None and job.analysis
        assert job.analysis.chunks and plain(job.analysis).chunks == undisturbed.chunks
        assert plain(job.analysis).summary == undisturbed.summary
    assert any("engine_replaced" in {notice.key for notice in job.progress.notices} for job in done)
    assert [len(parts_of(server)) for server in pair] == [2 * len(undisturbed.chunks)] * 2
