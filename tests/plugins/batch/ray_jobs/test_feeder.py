"""Where the feeder sends videos when actors die, and when nodes can't analyse any; test_cluster has a real cluster."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from framelens import config
from framelens.analysis.task import Control, Task
from framelens.core.codec import Failure
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import AppError, Cancelled, EngineError, VideoError
from framelens.plugins.batch.ray_jobs.feeder import RayFeeder
from framelens.plugins.batch.ray_jobs.node_checks import facts_of

Answer = Callable[[], Any]


class ActorDied(Exception):
    """Ray's error about an actor that has ended."""


class NodeGone(Exception):
    """Ray's error about a node that is still in its list."""


class FakeRay:
    """The part of Ray that the feeder uses: actors begin on the first node that isn't excluded, and answer at once."""

    def __init__(self, answers: list[Answer], nodes: int = 2) -> None:
        self.answers = answers
        self.ids = [f"node{number}" for number in range(nodes)]
        self.started: list[str] = []
        self.killed = 0
        self.exceptions = SimpleNamespace(RayError=ActorDied, TaskUnschedulableError=NodeGone, NodeDiedError=NodeGone)
        self.__path__: list[str] = []

    def nodes(self) -> list[dict[str, Any]]:
        alive = {"Alive": True, "Resources": {"CPU": 2.0}, "NodeManagerHostname": "vm"}
        return [{"NodeID": node, **alive} for node in self.ids]

    def remote(self, kind: type | None = None, **resources: Any) -> Any:
        if kind:
            return SimpleNamespace(options=self._options)
        task = SimpleNamespace(remote=lambda *given: self.answers.pop(0))
        return lambda function: SimpleNamespace(options=lambda **options: task)

    def _options(self, **resources: Any) -> Any:
        ill = resources.get("label_selector", {}).get("ray.io/node-id", "")
        node = next(one for one in self.ids if one not in ill)

        def start(variables: object, *, force: bool) -> Any:
            self.started.append(node)
            ready = SimpleNamespace(remote=lambda: lambda: node)
            return SimpleNamespace(ready=ready, analyse=SimpleNamespace(remote=lambda request: self.answers.pop(0)))

        return SimpleNamespace(remote=start)

    def wait(self, asked: list[Answer], timeout: float) -> tuple[list[Answer], list[Answer]]:
        return ([], asked) if asked[0] is never else (asked, [])

    def get(self, answer: Answer) -> Any:
        return answer()

    def kill(self, actor: Any) -> None:
        self.killed += 1


def never() -> None:
    """Stand for an answer that doesn't come."""


def dies() -> None:
    raise ActorDied


def gives(error: AppError | None = None) -> Answer:
    return lambda: SimpleNamespace(failure=Failure.of(error) if error else None)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RayFeeder, FakeRay]]:
    def open_feeder(*answers: Answer, nodes: int = 2) -> tuple[RayFeeder, FakeRay]:
        ray = FakeRay(list(answers), nodes)
        strategies: Any = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
        monkeypatch.setitem(sys.modules, "ray", cast(Any, ray))
        monkeypatch.setitem(sys.modules, "ray.util", cast(Any, SimpleNamespace(__path__=[])))
        monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
        cluster: Any = None
        return RayFeeder(cluster, config.load({}, Path(os.devnull)), {}, use_model=False), ray

    return open_feeder


TASK = Task(AnalysisRequest(Path("a.mp4")), "job")


def test_videos_are_tried_on_other_actors(feed: Any) -> None:
    # An actor takes the next video.
    feeder, ray = feed(gives(), gives())
    assert feeder.capacity() == 2
    assert [feeder.analyse(TASK).failure for _ in range(2)] == [None, None]
    assert (ray.started, ray.killed) == (["node0"], 0)
    # A video whose actor died is tried again.
    feeder, ray = feed(dies, gives())
    assert feeder.analyse(TASK).failure is None and len(ray.started) == 2
    # A video that kills each actor fails.
    feeder, _ = feed(dies, dies, dies)
    with pytest.raises(EngineError, match="ray_video_lost"):
        feeder.analyse(TASK)


def test_nodes_and_failures_are_told_apart(feed: Any) -> None:
    # A node without its engine gets no more videos.
    away = EngineError("remote_unreachable", base_url="u", reason="r")
    feeder, ray = feed(gives(away), gives(), gives())
    assert [feeder.analyse(TASK).failure for _ in range(2)] == [None, None]
    assert (ray.started, ray.killed) == (["node0", "node1"], 1)
    # Without any well node its error is reported.
    away = EngineError("remote_unreachable", base_url="u", reason="r")
    feeder, _ = feed(gives(away), nodes=1)
    with pytest.raises(EngineError, match="remote_unreachable"):
        feeder.analyse(TASK)
    # A failure about the video leaves the actor.
    feeder, ray = feed(lambda: Failure.of(VideoError("video_not_found", path="a.mp4")), gives())
    with pytest.raises(VideoError, match="video_not_found"):
        feeder.analyse(TASK)
    assert feeder.analyse(TASK).failure is None and ray.killed == 0


def test_a_stop_ends_the_actor(feed: Any) -> None:
    feeder, ray = feed(never)
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        feeder.analyse(Task(TASK.request, "job", Control(cancel=cancelled)))
    assert ray.killed == 1


def leaves() -> None:
    raise NodeGone


def test_a_node_that_has_just_died_is_left_out(feed: Any) -> None:
    well = facts_of(config.load({}, Path(os.devnull)), TASK.request)
    feeder, ray = feed(leaves, lambda: replace(well, free_bytes=2**40), gives())
    assert feeder.check(TASK.request, []) == []
    assert feeder.analyse(TASK).failure is None and ray.started == ["node1"]
    # Both have the same host name, and the second is looked at as well.
    feeder, _ = feed(lambda: replace(well, free_bytes=2**40), lambda: replace(well, free_bytes=1))
    assert [error.key for error in feeder.check(TASK.request, [])] == ["ray_disk"]
    feeder, _ = feed(leaves, leaves)
    with pytest.raises(EngineError, match="ray_no_nodes"):
        feeder.check(TASK.request, [])
