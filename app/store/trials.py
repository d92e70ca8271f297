"""Keeps what trials of models have measured on this machine: one small JSON file, the newest of each kind alone.

It is a cache: a file that is lost, damaged or cannot be written costs nothing but another trial.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import AppError
from app.store.disk import read_json, write_json

_log = logging.getLogger(__name__)
_MOST = 200
_KIND = ("model", "machine", "arguments")
Measured = Mapping[str, Any]


class Trials:
    """In the file `path`. A trial is an object with a model, a machine, vLLM's arguments, and its figures."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> tuple[Measured, ...]:
        """Every trial that is kept, the latest last."""
        try:
            kept = (read_json(self._path) or {}).get("trials")
        except AppError:
            _log.warning("the trials in %s cannot be read", self._path, exc_info=True)
            return ()
        return tuple(one for one in kept if isinstance(one, dict)) if isinstance(kept, list) else ()

    def of(self, model: str, machine: str) -> tuple[Measured, ...]:
        """Those of this model on this machine, the latest last."""
        return tuple(one for one in self.all() if (one.get("model"), one.get("machine")) == (model, machine))

    def keep(self, trial: Measured) -> None:
        """Keep this one, in the place of an earlier one of the same model, machine and arguments."""
        others = [one for one in self.all() if any(one.get(name) != trial[name] for name in _KIND)]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"trials": [*others, trial][-_MOST:]})
        except OSError:
            _log.warning("the trial could not be written to %s", self._path, exc_info=True)
