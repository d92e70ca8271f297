"""Store of benchmarks and vision checks made on this machine: one small JSON file each, with the newest of each kind.

It is a cache: a file that is lost, damaged or cannot be written costs nothing but another measurement.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.private_files import make_private_folder
from app.store.fs_utils import read_json, write_json

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
