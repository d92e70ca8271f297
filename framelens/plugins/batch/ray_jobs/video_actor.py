"""Actor that analyses videos in turn on a node of a Ray cluster."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from framelens.composition import open_services
from framelens.core.codec import Failure, to_json
from framelens.core.errors import AppError, EngineError, as_app_error
from framelens.i18n import set_language
from framelens.plugins.batch.batch import BatchVideo
from framelens.plugins.batch.ray_jobs.task import read_ray_task
from framelens.plugins.batch.results import Results, VideoResult
from framelens.plugins.batch.runner import BatchRunner
from framelens.video.worker_pool import worker_ready

MOST_ATTEMPTS = 3
"""How often a video is begun whose actor or node dies each time: it may be the cause."""
log = logging.getLogger(__name__)


class VideoActor:
    """Callable class of Ray Data: a batch is a single video, by its key.

    After an error that every other video would meet here, too, the node is ill: its videos are handed back.

    Args:
        task_path: File of the task.
    """

    def __init__(self, task_path: str) -> None:
        import ray

        self._task = read_ray_task(Path(task_path))
        self._videos = {video.key: video for video in self._task.batch.videos}
        self._results = Results(self._task.batch)
        self._node = ray.get_runtime_context().get_node_id()
        self._failure = ""
        set_language(self._task.batch.request.language)
        with ExitStack() as opened:
            opened.enter_context(worker_ready())
            services = open_services(self._task.settings(), adopts=False, workers=1)
            opened.callback(services.close)
            self._runner = BatchRunner(services.jobs, services.switcher, services.templates)
            self._opened = opened.pop_all()

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Analyse a video; return its key, this node, and why the node is ill, if it is."""
        key = str(batch["sha256"][0])
        if not self._failure:
            try:
                self._analyse(key)
            except AppError as error:
                self._failure = to_json(Failure.of(error))
        return {"sha256": [key], "node": [self._node], "failure": [self._failure]}

    def _analyse(self, key: str) -> None:
        progress, video = self._task.progress, self._videos[key]
        if progress.has_ended(key):  # the actor died right after that
            return
        if progress.begin(key) > MOST_ATTEMPTS:
            self._save_failure(video, EngineError("ray_video_lost", name=video.name, times=MOST_ATTEMPTS))
        else:
            try:
                self._runner.analyse(video, self._task.batch)
            except AppError:
                raise
            except Exception as error:
                log.exception("the analysis of %s failed", key)
                self._save_failure(video, as_app_error(error))
        progress.end(key)

    def _save_failure(self, video: BatchVideo, error: AppError) -> None:
        """Store that a video failed for a reason that isn't its file; a later job tries it again."""
        created = datetime.now(UTC).isoformat(timespec="seconds")
        failure, fingerprint = Failure.of(error), self._task.batch.fingerprint
        self._results.save(
            VideoResult(video.key, video.name, video.path, fingerprint, "failed", created=created, failure=failure)
        )

    def __del__(self) -> None:
        if opened := getattr(self, "_opened", None):
            opened.close()
