"""Batch of `framelens batch --ray`: the options of the command, and its output about the job on the cluster."""

import sys
import threading
from collections.abc import Iterator

from framelens import config
from framelens.cli.grammar import Options
from framelens.config import export_environment
from framelens.i18n import t
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.ray_jobs.client import RayCluster
from framelens.plugins.batch.ray_jobs.runner import run_on_ray, stop_on_ray
from framelens.plugins.batch.ray_jobs.task import RayTask, passed_variables
from framelens.plugins.batch.results import VideoResult
from framelens.plugins.batch.runner import BatchEvent


class BatchOnRay:
    """A batch on the cluster that `--ray` names.

    Raises:
        AppError: Ray isn't installed, or the cluster can't be used.
    """

    def __init__(self, options: Options, settings: config.Settings) -> None:
        self._options = options
        export_environment(settings)  # Ray's token may be in .env
        self._cluster = RayCluster(options.ray)
        self._variables = passed_variables(config.as_given(), settings)

    def events(
        self, batch: Batch, cancel: threading.Event, progress: BatchProgress
    ) -> Iterator[BatchEvent[BatchVideo, VideoResult]]:
        """Submit the batch or follow its job, and yield the events; say how to stop and how to come back."""

        def say(key: str, **values: object) -> None:
            progress.say(t(f"batch.{key}", **values), sys.stderr)

        task = RayTask(batch, self._variables, self._options.jobs)
        say("ray_begins", address=self._cluster.address)
        followed = run_on_ray(task, self._cluster, cancel=cancel, on_followed=lambda job: say("ray_follows", job=job))
        yield from followed
        if cancel.is_set():
            say("ray_detached")

    def stop(self, batch: Batch) -> int:
        """Stop the job of this batch and return the exit code."""
        was_running = stop_on_ray(batch, self._cluster)
        print(t("batch.ray_stopped" if was_running else "batch.ray_not_running", folder=batch.folder))
        return 0
