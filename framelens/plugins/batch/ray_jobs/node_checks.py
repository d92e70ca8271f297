"""Checks of a cluster's nodes before a batch starts: versions, videos, the engine or model, the disk.

`inspect_node` runs on each node and only gathers; `find_faults` is a pure function of what was gathered.
"""

import os
import platform
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from framelens import AppError, ConfigError, EngineError, Language, ModelNotFound, StorageError, VideoError, error_text
from framelens.plugin import Settings, in_language, t
from framelens.plugin.analyses import AnalysisRequest, Templates, conditions
from framelens.plugin.engines import build_engine, check_folder
from framelens.plugin.models import resolve_model
from framelens.plugin.storage import Failure
from framelens.plugin.texts import GIB, gib_number
from framelens.plugins.batch.ray_jobs.node_analyser import node_settings

_LEAST_FREE_BYTES = GIB
"""What a node needs for its cache and log while it analyses."""
_SAMPLED_VIDEOS = 100
"""Videos that each node looks for, spread over the batch; looking takes milliseconds over a network."""
_OF_LOCAL_ENGINE = ("engine", "model")
"""Conditions that differ between nodes for good reason: the model has the time at which it was copied."""


@dataclass(frozen=True)
class NodeFacts:
    """State of a node.

    Attributes:
        host: Its name.
        python: Version of Python.
        ray: Version of Ray.
        conditions: Settings that answers depend on, as this node has them.
        missing: The videos looked for that the node doesn't have under their paths.
        engine: Why the remote engine can't be used from here, None if it can or no remote engine is set.
        model: Why the local model can't be used, likewise.
        folder: Folder for data.
        free_bytes: Free space of its disk.
    """

    host: str
    python: str
    ray: str
    conditions: dict[str, str]
    missing: tuple[str, ...] = ()
    engine: Failure | None = None
    model: Failure | None = None
    folder: str = ""
    free_bytes: int = 0


def inspect_node(variables: Mapping[str, str], request: AnalysisRequest, paths: Sequence[Path]) -> NodeFacts:
    """Return the state of this node, with the settings of the command that travel; the node has to have `paths`."""
    settings = node_settings(variables)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    is_remote = bool(settings.base_url)
    return replace(
        facts_of(settings, request),
        missing=tuple(str(path) for path in paths if not os.path.isfile(path)),  # noqa: PTH113 - too long a name
        engine=_engine_failure(settings) if request.use_model and is_remote else None,
        model=_model_failure(settings) if request.use_model and not is_remote else None,
        folder=str(settings.data_dir),
        free_bytes=shutil.disk_usage(settings.data_dir).free,
    )


def facts_of(settings: Settings, request: AnalysisRequest) -> NodeFacts:
    """Return the versions of this machine, and the settings that answers to a request depend on."""
    values = conditions(settings, Templates(settings.template_dir), request)
    return NodeFacts(socket.gethostname(), platform.python_version(), version("ray"), values)


def find_faults(own: NodeFacts, nodes: Sequence[NodeFacts], language: Language) -> list[AppError]:
    """List everything that would make results differ between nodes, or videos fail on a node.

    Args:
        own: State of this machine.
        nodes: State of all nodes that analyse.
        language: Language of the names of settings.
    """
    with in_language(language):
        return list(_faults(own, nodes))


def _faults(own: NodeFacts, nodes: Sequence[NodeFacts]) -> Iterator[AppError]:
    for node in nodes:
        for what, value, expected in _differences(node, own, nodes[0]):
            yield ConfigError("ray_node_differs", host=node.host, what=what, given=value or "–", wanted=expected or "–")
        if node.missing:
            yield VideoError("ray_videos_missing", host=node.host, n=len(node.missing), path=node.missing[0])
        if node.engine:
            yield EngineError("ray_engine", host=node.host, reason=error_text(node.engine.as_error()))
        if node.model:
            yield ModelNotFound("ray_model", host=node.host, reason=error_text(node.model.as_error()))
        if node.free_bytes < _LEAST_FREE_BYTES:
            yield StorageError("ray_disk", host=node.host, folder=node.folder, free=gib_number(node.free_bytes))


def _differences(node: NodeFacts, own: NodeFacts, first: NodeFacts) -> Iterator[tuple[str, str, str]]:
    """Yield what differs: its name, the node's value, and the value of the command's machine or the first node."""
    compared = [("Python", _minor(node.python), _minor(own.python)), ("Ray", node.ray, own.ray)]
    for key, value in node.conditions.items():
        if key not in _OF_LOCAL_ENGINE:
            compared.append((t(f"condition.{key}"), value, own.conditions.get(key, "")))
        elif key == "engine":  # the command's machine may have no engine
            compared.append((t("condition.engine"), value, first.conditions.get("engine", "")))
    yield from (row for row in compared if row[1] != row[2])


def _minor(text: str) -> str:
    return ".".join(text.split(".")[:2])


def sample(paths: Sequence[Path]) -> Sequence[Path]:
    """Return some of the videos, spread over the batch."""
    return paths[:: max(1, len(paths) // _SAMPLED_VIDEOS)]


def _engine_failure(settings: Settings) -> Failure | None:
    try:
        build_engine(settings)[0].ensure_ready(lambda progress: None, threading.Event())
    except AppError as error:
        return Failure.of(error)
    return None


def _model_failure(settings: Settings) -> Failure | None:
    """Return why the model can't be loaded; a node downloads nothing."""
    try:
        model = resolve_model(settings.model_path)
        if model.folder is None:
            raise ModelNotFound("model_unconfirmed", model=settings.model_path)
        check_folder(model.folder, settings)
    except AppError as error:
        return Failure.of(error)
    return None
