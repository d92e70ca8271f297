"""Feeder of a Ray cluster: an engine session of the command whose analyses run on the nodes.

To the queue they are analyses like all others, so that states, resuming and results are its own. Nothing stays on the
cluster when the command ends, but what the nodes have in their data folders.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framelens import AppError, Cancelled, EngineError
from framelens.plugin import Settings
from framelens.plugin.analyses import AnalysisRequest, AnalysisUpdate, Control, Task
from framelens.plugin.engines import EngineSession
from framelens.plugin.storage import Failure
from framelens.plugins.batch.ray_jobs.client import RayCluster
from framelens.plugins.batch.ray_jobs.node_analyser import NodeAnalyser
from framelens.plugins.batch.ray_jobs.node_checks import facts_of, find_faults, inspect_node, sample
from framelens.plugins.batch.results import concerns_all

if TYPE_CHECKING:
    from framelens.plugin.analyses import JobSnapshot

_VIDEO_CPUS = 2
"""Cores for each video: one decodes, one reads text on the screen. On smaller nodes, all cores."""
_MOST_ATTEMPTS = 3
"""How often a video is begun whose actor or node dies each time: it may be the cause."""
_POLL_SECONDS = 0.5
log = logging.getLogger(__name__)


@dataclass
class RayFeeder:
    """Actors on the nodes of a cluster, each of which one thread uses at a time.

    Attributes:
        cluster: The cluster, whose access was checked.
        settings: The command's settings.
        variables: Those of them that travel.
        use_model: Whether a model is asked.
        force: Analyse even videos that were analysed in the same way before.
    """

    cluster: RayCluster
    settings: Settings
    variables: dict[str, str]
    use_model: bool
    force: bool = False
    _idle: list[Any] = field(default_factory=list)
    _ill: dict[str, AppError] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> RayFeeder:
        """Connect to the cluster. Raises EngineError if that fails."""
        self.cluster.connect()
        return self

    def __exit__(self, *_: object) -> None:
        """End the actors and the connection."""
        import ray

        ray.shutdown()

    def check(self, request: AnalysisRequest, paths: Sequence[Path]) -> list[AppError]:
        """Check all nodes at the same time, and return what would keep them from the results of this machine.

        A node that has just died is still in Ray's list. It gets no videos. Raises EngineError if no other is there.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes, inspect = self._nodes(), ray.remote(num_cpus=0, max_retries=0)(inspect_node)
        answers = [
            inspect.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                self.variables, request, sample(paths)
            )
            for node in nodes
        ]
        facts, faults = [], list[AppError]()
        for node, answer in zip(nodes, answers, strict=True):
            host = node["NodeManagerHostname"]
            try:
                facts.append(ray.get(answer))
            except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
                log.warning("the node %s has left the cluster", host)
                self._ill[node["NodeID"]] = EngineError("ray_no_nodes")
            except Exception as error:
                log.exception("the node %s could not be checked", host)
                reason = str(error).strip().splitlines()[-1][:300]
                faults.append(EngineError("ray_node_unusable", host=host, reason=reason))
        self._nodes()
        return [*faults, *find_faults(facts_of(self.settings, request), facts, request.language)]

    def capacity(self) -> int:
        """Return the number of videos that the nodes analyse at a time. Raises EngineError if that is none."""
        resources = self._resources()
        places = 0
        for node in self._nodes():
            has = node["Resources"]
            gpus = resources.get("num_gpus")
            places += int(has.get("GPU", 0) // gpus if gpus else has["CPU"] // resources["num_cpus"])
        return max(1, places)

    def analyse(self, task: Task) -> JobSnapshot:
        """Analyse a video on a node, on another one if that dies or can't analyse any video.

        Raises:
            Cancelled: The task was cancelled.
            AppError: There is no report.
        """
        import ray

        lost: AppError = EngineError("ray_video_lost", name=task.request.path.name, times=_MOST_ATTEMPTS)
        for _ in range(_MOST_ATTEMPTS):
            actor, node = self._actor(task.control)
            try:
                job: JobSnapshot | Failure = self._wait(actor.analyse.remote(task.request), task.control)
            except ray.exceptions.RayError:
                log.exception("an actor that analysed %s has ended", task.request.path)
                continue
            except BaseException:
                ray.kill(actor)
                raise
            failure = job if isinstance(job, Failure) else job.failure
            error = failure.as_error() if failure else None
            if error and concerns_all(error):
                ray.kill(actor)
                self._ill[node] = lost = error
                continue
            with self._lock:
                self._idle.append((actor, node))
            if isinstance(job, Failure):
                raise job.as_error()
            return job
        raise lost

    def _actor(self, control: Control) -> tuple[Any, str]:
        """Return an actor that does nothing, and its node: a new one, unless another thread is sooner done with its."""
        import ray

        if idle := self._pop_idle():
            return idle
        resources = self._resources()
        if self._ill:
            resources["label_selector"] = {"ray.io/node-id": f"!in({','.join(self._ill)})"}
        actor = ray.remote(NodeAnalyser).options(**resources).remote(self.variables, force=self.force)
        try:
            node = self._wait(actor.ready.remote(), control, until=lambda: bool(self._idle))
        except BaseException:
            ray.kill(actor)
            raise
        if node is None:
            ray.kill(actor)
            return self._actor(control)
        return actor, node

    def _pop_idle(self) -> tuple[Any, str] | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _wait(self, answer: Any, control: Control, until: Callable[[], bool] = lambda: False) -> Any:
        """Return an actor's answer; None if `until` is true before. Raises Cancelled."""
        import ray

        while not ray.wait([answer], timeout=_POLL_SECONDS)[0]:
            if control.cancel.is_set():
                raise Cancelled
            if until():
                return None
        return ray.get(answer)

    def _nodes(self) -> list[dict[str, Any]]:
        """Return the nodes that can analyse videos. Raises an AppError if there are none."""
        import ray

        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if well := [node for node in nodes if node["NodeID"] not in self._ill]:
            return well
        raise next(iter(self._ill.values()), EngineError("ray_no_nodes"))

    def _resources(self) -> dict[str, Any]:
        """Return the cores and cards of an actor.

        With a remote engine or no model, a video needs cores. Otherwise each actor starts an engine of its own: with as
        many cards as the model is divided among, or without any card with all cores of a node.
        """
        nodes = self._nodes()
        fewest = min(node["Resources"]["CPU"] for node in nodes)
        if self.settings.base_url or not self.use_model:
            return {"num_cpus": min(_VIDEO_CPUS, fewest)}
        if not any(node["Resources"].get("GPU") for node in nodes):
            return {"num_cpus": fewest}
        sizes = (self.settings.vllm_config.get(f"{kind}_parallel_size", 1) for kind in ("tensor", "pipeline"))
        return {"num_cpus": 1, "num_gpus": next(sizes) * next(sizes)}

    def session(self) -> Callable[..., EngineSession]:
        """Return what builds the engine session for `open_services`."""
        return partial(RaySession, self)


class RaySession(EngineSession):
    """Engine session whose analyses run on the nodes of a cluster."""

    def __init__(self, feeder: RayFeeder, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self._feeder = feeder

    def run(self, task: Task) -> Iterator[AnalysisUpdate]:
        """Yield what an analysis on a node has, once it is over. Raises its error."""
        job = self._feeder.analyse(task)
        header = job.progress.header and replace(job.progress.header, id=task.job_id, request=task.request)
        yield from replace(job.progress, header=header, found=(), opening=()).replayed()
        if job.error:
            raise job.error
