"""Unfinished downloads of models that the user has confirmed.

Stored on disk, so that an analysis that waits for a download resumes it after a restart.
"""

from __future__ import annotations

from pathlib import Path

from app.store.fs_utils import disk_errors, read_json, write_json


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
