"""Driver of a batch on a Ray cluster, run by the head node as a Ray job.

It is `python -m framelens.plugins.batch.ray_jobs.driver TASK`.

It checks every node and refuses to start if a node would give other results. Ray Data spreads the videos over actors,
one at a time to each; an actor stores the result itself and returns JSON with no picture in it. Decoding stays in the
decoder process of each actor, so that a malformed video is a failed result and not the death of an actor. A later job
does the videos that have no result at the end.
"""

import logging
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from framelens.core.codec import Failure, from_json, to_json
from framelens.core.errors import AppError, EngineError, as_app_error
from framelens.plugins.batch.batch import BatchVideo
from framelens.plugins.batch.ray_jobs.node_checks import NodeFacts, find_faults, inspect_node
from framelens.plugins.batch.ray_jobs.task import RayTask, read_ray_task
from framelens.plugins.batch.ray_jobs.video_actor import MOST_ATTEMPTS, VideoActor
from framelens.plugins.batch.results import Results
from framelens.store.fs_utils import log_to, storage_errors

_FAULT = "FRAMELENS-FAULT "
"""Begins a line of the job's log with an error as JSON."""
_VIDEO_CPUS = 2
"""Cores for each video: one decodes, one reads text on the screen. On smaller nodes, all cores."""
_WAITING_FROM = 10
"""With so many videos for each actor, a video waits at each actor, and begins at once when the running video ends, not
a tenth of a second later (measured). With fewer, a waiting video could have begun on an idle actor."""
_MOST_ROUNDS = 20
"""Rounds over the videos that are missing: one usually, and one more for each node that is ill."""
log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run the task in a file and return the exit code; errors are lines of the log for `read_faults`."""
    try:
        task = read_ray_task(Path(arguments[0]))
        log_to(task.settings().data_dir)
        faults = list(run(task))
    except Exception as error:  # a bug is reported to the user as everywhere else
        log.exception("the batch failed")
        faults = [as_app_error(error)]
    for fault in faults:
        print(_FAULT + to_json(Failure.of(fault)), flush=True)  # noqa: T201 - the job's log
    return 1 if faults else 0


def read_faults(job_log: str) -> list[AppError]:
    """Return the errors that a driver has printed."""
    lines = [line.partition(_FAULT)[2] for line in job_log.splitlines() if _FAULT in line]
    return [from_json(line, Failure).as_error() for line in lines]


def run(task: RayTask) -> Iterator[AppError]:
    """Analyse the videos of a task that have no final result yet, and yield the errors that kept any from a result."""
    import ray

    ray.init(log_to_driver=False, logging_level=logging.WARNING)
    results = Results(task.batch)
    ill: dict[str, AppError] = {}
    checked = set[str]()
    for number in range(_MOST_ROUNDS):
        if not (missing := _missing(task, results)):
            return
        nodes = [one for one in _nodes() if one["NodeID"] not in ill]
        if not nodes:
            yield next(iter(ill.values()), EngineError("ray_no_nodes"))
            return
        if faults := _node_faults(task, [one for one in nodes if one["NodeID"] not in checked]):
            yield from faults
            return
        checked |= {one["NodeID"] for one in nodes}
        rows = list(_analyse(task, missing, nodes, tuple(ill)))
        log.info("%s of %s videos came back in round %s", len(rows), len(missing), number + 1)
        ill |= {row["node"]: from_json(row["failure"], Failure).as_error() for row in rows if row["failure"]}
    yield EngineError("ray_rounds", n=len(_missing(task, results)), rounds=_MOST_ROUNDS)


def _nodes() -> list[dict[str, Any]]:
    """Return the nodes that can analyse videos."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _missing(task: RayTask, results: Results) -> list[BatchVideo]:
    """Return the videos that have neither ended in this task nor have a final result of an earlier task."""
    finished = results.finished(task.batch)
    _, ended = task.progress.read()
    return [video for video in task.batch.videos if video.key not in finished and video.key not in ended]


def _node_faults(task: RayTask, nodes: Sequence[dict[str, Any]]) -> list[AppError]:
    """Check all nodes at the same time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token, path = secrets.token_hex(16), task.progress.folder / "token"
    with storage_errors("report_not_written", path):
        path.write_text(token, encoding="utf-8")
    inspect = ray.remote(num_cpus=0, max_retries=0)(inspect_node)
    asked = {
        node["NodeManagerHostname"]: inspect.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(str(task.path), str(path))
        for node in nodes
    }
    import ray.data  # a second's work while the nodes answer

    facts, faults = list[NodeFacts](), list[AppError]()
    for host, answer in asked.items():
        try:
            facts.append(ray.get(answer))
        except Exception as error:
            log.exception("the node %s could not be checked", host)
            faults.append(EngineError("ray_node_unusable", host=host, reason=str(error).strip().splitlines()[-1][:300]))
    return [*faults, *find_faults(inspect_node(str(task.path), str(path)), facts, token, task.batch.request.language)]


def _analyse(
    task: RayTask, videos: Sequence[BatchVideo], nodes: Sequence[dict[str, Any]], ill: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the row of each video, except of videos whose actor or row was lost each time."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # the next round does what is missing
    resources = _actor_resources(task, nodes)
    capacity = sum(int(node["Resources"]["CPU"] // resources["num_cpus"]) for node in nodes)
    if gpus := resources.get("num_gpus"):
        capacity = sum(int(node["Resources"].get("GPU", 0) // gpus) for node in nodes)
    most = max(1, min(capacity, len(videos), task.most_actors or capacity))
    if ill:
        resources["label_selector"] = {"ray.io/node-id": f"!in({','.join(ill)})"}
    rows = [{"sha256": video.key} for video in videos]
    yield from (
        ray.data.from_items(rows, override_num_blocks=len(rows))
        .map_batches(
            VideoActor,
            fn_constructor_args=(str(task.path),),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(
                min_size=1,
                max_size=most,
                initial_size=most,
                max_tasks_in_flight_per_actor=2 if len(videos) >= _WAITING_FROM * most else 1,
            ),
            max_restarts=MOST_ATTEMPTS * len(rows),
            max_task_retries=MOST_ATTEMPTS - 1,
            **resources,
        )
        .iter_rows()
    )


def _actor_resources(task: RayTask, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the cores and cards of an actor.

    With a remote engine or no model, a video needs cores. Otherwise each actor starts an engine of its own: with as
    many cards as the model is divided among, or without any card with all cores of a node.
    """
    settings = task.settings()
    fewest = min(node["Resources"]["CPU"] for node in nodes)
    if settings.base_url or not task.batch.request.use_model:
        return {"num_cpus": min(_VIDEO_CPUS, fewest)}
    if not any(node["Resources"].get("GPU") for node in nodes):
        return {"num_cpus": fewest}
    cards = settings.vllm_config.get("tensor_parallel_size", 1) * settings.vllm_config.get("pipeline_parallel_size", 1)
    return {"num_cpus": 1, "num_gpus": cards}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
