"""Analyses on a node of a Ray cluster, in an actor with a data folder, a queue and an engine session of that node."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from framelens import AppError
from framelens.plugin import Settings, in_language, load, open_services
from framelens.plugin.analyses import AnalysisRequest, AnalysisRun
from framelens.plugin.files import check_file, is_secret, printable_path
from framelens.plugin.processes import worker_ready
from framelens.plugin.storage import Failure

if TYPE_CHECKING:
    from framelens.plugin.analyses import JobSnapshot

_PASSED = ("FRAMELENS_", "VLLM_")
_OF_A_MACHINE = frozenset(("FRAMELENS_DATA_DIR", "FRAMELENS_INPUT_DIRS", "FRAMELENS_ENV_FILE"))
"""Settings that each node has for itself."""


class NodeAnalyser:
    """Actor that analyses videos in turn.

    Args:
        variables: Settings of the command by the names of their variables.
        force: Analyse even videos that were analysed in the same way on this node.
    """

    def __init__(self, variables: Mapping[str, str], *, force: bool) -> None:
        self._force = force
        with ExitStack() as opened:
            opened.enter_context(worker_ready())
            self._services = open_services(node_settings(variables), adopts=False, workers=1)
            opened.callback(self._services.close)
            self._opened = opened.pop_all()

    def ready(self) -> str:
        """Return the id of this node."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def analyse(self, request: AnalysisRequest) -> JobSnapshot | Failure:
        """Analyse a video as `framelens analyse` does, and return its job with its pictures, or why there is none.

        The job is the command's from then on: this node, whose data folder may be that of the command, keeps none.
        """
        with in_language(request.language):
            return self._job(request)

    def _job(self, request: AnalysisRequest) -> JobSnapshot | Failure:
        try:
            check_file(request.path)
            name = printable_path(request.path.name)
            run = AnalysisRun.begin(self._services.jobs, request, name=name, force=self._force)
            for _ in run.updates(threading.Event()):
                pass
            job = run.result()
            if not (run.was_finished or job.is_no_video):
                self._services.jobs.remove(job.id)
            return job
        except AppError as error:
            return Failure.of(error)

    def __del__(self) -> None:
        if opened := getattr(self, "_opened", None):
            opened.close()


def node_settings(variables: Mapping[str, str]) -> Settings:
    """Return the settings on this node, those of the command before its own. Raises ConfigError if one is wrong."""
    return load({**os.environ, **variables})


def passed_variables(variables: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Return the settings that travel to the nodes: neither keys nor folders of a machine.

    Args:
        variables: Variables of the environment and `.env`.
        settings: The settings in use, whose model and engine may come from options.
    """
    passed = {
        name: value
        for name, value in variables.items()
        if name.startswith(_PASSED) and name not in _OF_A_MACHINE and not is_secret(name)
    }
    return {**passed, "VLLM_MODEL_PATH": settings.model_path, "FRAMELENS_BASE_URL": settings.base_url}
