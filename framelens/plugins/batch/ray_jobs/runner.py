"""Runner of a batch on a Ray cluster: hands it over as a job and yields the same events as the local runner.

Progress and results are read from the shared folder; the job continues if this process ends, and the same
command follows it again.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from framelens.core.errors import AppError, EngineError
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.ray_jobs.client import RUNNING, RayCluster, RayJobState, python_command
from framelens.plugins.batch.ray_jobs.driver import read_faults
from framelens.plugins.batch.ray_jobs.task import RayProgress, RayTask, job_name
from framelens.plugins.batch.results import Results, VideoResult
from framelens.plugins.batch.runner import BatchEvent, BatchHalted, VideoBegun, VideoEnded

_POLL_SECONDS = 1.0
"""How often the folder and the job are looked at."""
_LOG_LINES = 5
"""Lines of the log of a job that failed without a reason of its own."""
Events = Iterator[BatchEvent[BatchVideo, VideoResult]]


def run_on_ray(
    task: RayTask, cluster: RayCluster, *, cancel: threading.Event, on_followed: Callable[[str], None]
) -> Events:
    """Submit a task, or follow the job of an earlier call, and yield the events until all is done or `cancel` is set.

    Cancelling leaves the job running.

    Args:
        task: The task.
        cluster: Where it runs.
        cancel: Ends the iterator.
        on_followed: Called with the id of a job that runs already.

    Raises:
        AppError: The cluster doesn't answer, or the folder of results can't be used.
    """
    batch, results = task.batch, Results(task.batch)
    pending = {video.key: video for video in batch.videos}
    for key, result in results.finished(batch).items():
        yield VideoEnded(pending.pop(key), result, was_done=True)
    name = job_name(batch)
    while pending and not cancel.is_set():
        job, is_followed = cluster.latest(name), True
        if job is None or cluster.state(job) not in RUNNING:
            task.save()
            command = python_command(("-m", "framelens.plugins.batch.ray_jobs.driver", str(task.path)))
            job, is_followed = cluster.submit(name, command, {"task": str(task.path)}), False
        elif pending.keys() <= _progress(job, cluster).read()[1]:  # it is about to end; what failed is tried again then
            cancel.wait(_POLL_SECONDS)
            continue
        else:
            on_followed(job)
        yield from _follow(job, cluster, results, pending, cancel)
        if pending and not is_followed and not cancel.is_set():
            yield BatchHalted(_reason(cluster, job))
            return


def stop_on_ray(batch: Batch, cluster: RayCluster) -> bool:
    """Stop the job for the request of a batch and its folder of results; return whether it was running."""
    job = cluster.latest(job_name(batch))
    if job is None or cluster.state(job) not in RUNNING:
        return False
    cluster.stop(job)
    return True


def _follow(
    job: str, cluster: RayCluster, results: Results, pending: dict[str, BatchVideo], cancel: threading.Event
) -> Events:
    """Yield the events of a job until it is over or nothing is missing; remove videos with a result from `pending`."""
    progress = _progress(job, cluster)
    shown = set[str]()
    state: RayJobState = "PENDING"
    while pending and state in RUNNING and not cancel.is_set():
        cancel.wait(_POLL_SECONDS)
        state = cluster.state(job)  # before the folder: videos that ended before the job did are seen
        begun, ended = progress.read()
        for key in (begun - shown) & pending.keys():
            shown.add(key)
            yield VideoBegun(pending[key])
        for key in ended & pending.keys():
            if result := results.get(key):
                yield VideoEnded(pending.pop(key), result)


def _progress(job: str, cluster: RayCluster) -> RayProgress:
    return RayProgress(Path(cluster.metadata(job)["task"]).with_suffix(""))


def _reason(cluster: RayCluster, job: str) -> AppError:
    """Return why a job that is over has left videos without a result."""
    log = cluster.log(job)
    if faults := read_faults(log):
        return faults[0]
    if cluster.state(job) == "STOPPED":
        return EngineError("ray_job_stopped", job=job)
    return EngineError("ray_job_failed", job=job, log=" / ".join(log.strip().splitlines()[-_LOG_LINES:]) or "–")
