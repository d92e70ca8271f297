"""Input of a batch on a Ray cluster, and its progress: files in the folder of results, which every node can reach."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from framelens import config
from framelens.core.codec import from_json, to_json
from framelens.core.files import new_id
from framelens.core.redaction import is_secret
from framelens.plugins.batch.batch import Batch
from framelens.plugins.batch.results import Results
from framelens.store.fs_utils import storage_errors, write_whole

_FOLDER = "ray"
_BEGUN, _ENDED = ".begun", ".ended"
_PASSED = ("FRAMELENS_", "VLLM_")
_OF_A_MACHINE = frozenset(("FRAMELENS_DATA_DIR", "FRAMELENS_INPUT_DIRS", "FRAMELENS_ENGINE_PORT", config.ENV_FILE))
"""Settings that each node has for itself."""


@dataclass(frozen=True)
class RayTask:
    """A batch for a cluster.

    Attributes:
        batch: The batch, whose folder of results all nodes share under the same path.
        variables: Settings by the names of their variables, without secrets, which each node has for itself.
        most_actors: Most videos at a time, None for as many as the cluster has cores for.
        id: Its id; a batch that is resumed is another task.
    """

    batch: Batch
    variables: dict[str, str] = field(default_factory=dict)
    most_actors: int | None = None
    id: str = field(default_factory=new_id)

    @property
    def path(self) -> Path:
        """Return the file of this task."""
        return Results(self.batch).folder / _FOLDER / f"{self.id}.json"

    @property
    def progress(self) -> RayProgress:
        """Return the progress of this task."""
        return RayProgress(self.path.with_suffix(""))

    def save(self) -> None:
        """Write the file. Raises StorageError if that fails."""
        with storage_errors("report_not_written", self.path):
            self.progress.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, to_json(self).encode())

    def settings(self) -> config.Settings:
        """Return the settings on this node. Raises ConfigError if a setting is wrong."""
        return config.load({**os.environ, **self.variables})


@dataclass(frozen=True)
class RayProgress:
    """Small files that say which videos have begun and ended. The results themselves are the truth for resuming."""

    folder: Path

    def begin(self, key: str) -> int:
        """Note that the analysis of a video begins; return how often it has begun, this time included."""
        with (self.folder / f"{key}{_BEGUN}").open("ab") as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_size

    def end(self, key: str) -> None:
        """Note that the result of a video is stored."""
        (self.folder / f"{key}{_ENDED}").touch()

    def has_ended(self, key: str) -> bool:
        """Return whether this task has stored the result of a video."""
        return (self.folder / f"{key}{_ENDED}").exists()

    def read(self) -> tuple[set[str], set[str]]:
        """Return the keys of the videos that have begun, and of those that have ended."""
        names = os.listdir(self.folder) if self.folder.is_dir() else []  # noqa: PTH208 - names alone
        return (
            {name.removesuffix(_BEGUN) for name in names if name.endswith(_BEGUN)},
            {name.removesuffix(_ENDED) for name in names if name.endswith(_ENDED)},
        )


def read_ray_task(path: Path) -> RayTask:
    """Read a task.

    Raises:
        StorageError: There is no such file, or it can't be read.
        ValueError: It is something else.
    """
    with storage_errors("ray_task_unreadable", path):
        return from_json(path.read_bytes(), RayTask)


def job_name(batch: Batch) -> str:
    """Return the name of the jobs for a request and a folder of results: the same command gives the same name."""
    work = json.dumps([str(Results(batch).folder.resolve()), batch.fingerprint])
    return f"framelens-{hashlib.sha256(work.encode()).hexdigest()[:12]}"


def passed_variables(given: Mapping[str, str], settings: config.Settings) -> dict[str, str]:
    """Return the settings that travel to the nodes: neither keys nor folders of a machine.

    Args:
        given: Variables of the environment and `.env`.
        settings: The settings in use, whose model and engine may come from options.
    """
    passed = {
        name: value
        for name, value in given.items()
        if name.startswith(_PASSED) and name not in _OF_A_MACHINE and not is_secret(name)
    }
    return {**passed, "VLLM_MODEL_PATH": settings.model_path, "FRAMELENS_BASE_URL": settings.base_url}
