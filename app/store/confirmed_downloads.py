"""Downloads of models that the user has confirmed and that have not come to their end.

Kept on disk, so that an analysis that waits for a download goes on with it after a restart.
"""

from __future__ import annotations

from pathlib import Path

from app.store.fs_utils import disk_errors, read_json, write_json


class ConfirmedDownloads:
    """Ids of models on the hub, in the file `path`. Every call reads the file: several programs may share it.

    Raises StorageError where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, model_id: str) -> None:
        """Remember that this model may be downloaded."""
        self._write({*self._ids(), model_id})

    def remove(self, model_id: str) -> None:
        """Forget a model, once it is here."""
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
