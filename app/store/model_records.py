"""Records about models on this machine: benchmarks, vision checks, and downloads that the user has confirmed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core import AppError, make_private_folder
from app.store.fs_utils import disk_errors, read_json, write_json

_log = logging.getLogger(__name__)
_MOST = 200
"""Documents kept in a file. Chosen by hand; not tuned."""
Measured = Mapping[str, Any]


class BenchmarkStore:
    """Documents in the file `path`. Two with the same values under all names in `kind` are of one kind."""

    def __init__(self, path: Path, kind: tuple[str, ...]) -> None:
        self._path = path
        self._kind = kind
        self._lock = threading.Lock()

    def all(self) -> tuple[Measured, ...]:
        """List all documents, the latest last."""
        try:
            kept = (read_json(self._path) or {}).get(self._path.stem)
        except AppError:
            _log.warning("could not read %s", self._path, exc_info=True)
            return ()
        return tuple(one for one in kept if isinstance(one, dict)) if isinstance(kept, list) else ()

    def matching(self, **values: object) -> tuple[Measured, ...]:
        """List the documents that have these values, the latest last."""
        return tuple(one for one in self.all() if all(one.get(name) == value for name, value in values.items()))

    def save(self, measured: Measured) -> None:
        """Save this document in place of an earlier one of its kind."""
        with self._lock:
            others = [one for one in self.all() if any(one.get(name) != measured[name] for name in self._kind)]
            try:
                make_private_folder(self._path.parent)
                write_json(self._path, {self._path.stem: [*others, measured][-_MOST:]})
            except OSError:
                _log.warning("could not write %s", self._path, exc_info=True)


def trials(data_dir: Path) -> BenchmarkStore:
    """Open the benchmarks of models: each has a model, a machine, vLLM's arguments, and its figures."""
    return BenchmarkStore(data_dir / "trials.json", ("model", "machine", "arguments"))


def checks(data_dir: Path) -> BenchmarkStore:
    """Open the vision checks: each has a model, its engine, number format, the size of the frames, and a score."""
    return BenchmarkStore(data_dir / "sights.json", ("model", "engine", "format", "width", "height"))


class ConfirmedDownloads:
    """Ids of models on the hub, in the file `path`. Every call reads the file, since several processes may share it.

    Every method raises StorageError if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, model_id: str) -> None:
        """Add a model that may be downloaded."""
        self._write({*self._ids(), model_id})

    def remove(self, model_id: str) -> None:
        """Remove a model that was downloaded."""
        if model_id in (known := self._ids()):
            self._write(known - {model_id})

    def holds(self, model_id: str) -> bool:
        """Return whether this model may be downloaded."""
        return model_id in self._ids()

    def _ids(self) -> set[str]:
        known = (read_json(self._path) or {}).get("models")
        return {one for one in known if isinstance(one, str)} if isinstance(known, list) else set()

    def _write(self, ids: set[str]) -> None:
        with disk_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"models": sorted(ids)})
