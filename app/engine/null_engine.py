"""The engine that cannot be: stands where a local one was wanted and this machine has none, and says why."""

from __future__ import annotations

import threading

from app.engine.base import Endpoint, EngineStatus, ProgressListener
from app.errors import AppError


class AbsentEngine:
    """Every attempt to use it raises `error`."""

    def __init__(self, model: str, error: AppError) -> None:
        self._model = model
        self._error = error

    def ensure_ready(self, on_progress: ProgressListener, cancel: threading.Event) -> Endpoint:
        raise self._error

    def status(self) -> EngineStatus:
        return EngineStatus("failed", "vllm", self._model, error=self._error)

    def note_sight(self, sees: bool | None) -> None:
        """Nothing runs that could see."""

    def end_if_unwell(self) -> AppError | None:
        """Nothing runs."""
        return None

    def log_tail(self, lines: int = 200) -> str:
        """Always "": nothing was started."""
        return ""

    def stop(self) -> None:
        """Nothing to do."""
