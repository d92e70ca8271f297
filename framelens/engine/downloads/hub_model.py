"""Model of a hub that a plugin runs on this machine, downloaded with the user's consent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from framelens.config import Settings
from framelens.core.engines.model_hub import chosen_hub
from framelens.core.errors import ModelNotFound, StorageError
from framelens.core.events import ProgressListener
from framelens.core.units import human_size
from framelens.engine.downloads.hub import download
from framelens.store.model_records import confirmed_downloads

Files = Callable[[str, tuple[str, ...]], Path]
"""Downloads some files of a repository, or all of them, and returns their folder."""
_log = logging.getLogger(__name__)


class HubModel:
    """A model and the consent to its download; see framelens.engine.recognisers.LocalModel.

    Subclasses find and download it; `kind` begins the keys of their texts "…_model_absent" and "…_download_failed".

    Args:
        settings: The settings.
        name: What a person calls it.
        label: What a report calls it.
        engine: The package that runs it.
        hub_id: Where it is downloaded from, "" for a folder.
    """

    kind: ClassVar[str]
    allows_pickle = False
    command = ""
    """The command that downloads it."""

    def __init__(self, settings: Settings, name: str, *, label: str, engine: str, hub_id: str) -> None:
        self.name, self.label, self.engine, self.hub_id = name, label, engine, hub_id
        self._confirmed = confirmed_downloads(settings.data_dir)

    @property
    def folder(self) -> Path | None:
        """Return its folder, None if it isn't on this machine."""
        raise NotImplementedError

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 if it is here, None if it is unknown."""
        raise NotImplementedError

    def is_available(self) -> bool:
        """Return whether it is on this machine, or its download was confirmed."""
        try:
            return self.folder is not None or bool(self._confirmed.get(self.hub_id))
        except StorageError:
            _log.warning("confirmed downloads can't be read", exc_info=True)
            return False

    def confirm_download(self) -> None:
        """Have the model downloaded when it is needed. Raises StorageError."""
        self._confirmed.save(self.hub_id, True)

    def check_usable(self) -> None:
        """Raise AppErrors unless it is here or its download confirmed."""
        if self.is_available():
            return
        num_bytes = self.download_bytes()
        size = human_size(num_bytes) if num_bytes else "?"
        raise ModelNotFound(f"{self.kind}_model_absent", model=self.name, size=size, command=self.command)

    def fetch(self, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        """Return the folder of the model, downloading it if that was confirmed. Raises AppErrors."""
        self.check_usable()
        if folder := self.folder:
            return folder
        options = partial(download, on_progress=on_progress, cancel=cancel, allow_pickle=self.allows_pickle)
        try:
            folder = self._download(lambda hub_id, only: options(hub_id, only=only))
        except ModelNotFound as error:  # its sentence is about the model of the engine
            values = {"model": self.name, "id": self.hub_id, "endpoint": chosen_hub().endpoint}
            reason = str(error.values.get("reason") or error.key)
            raise ModelNotFound(f"{self.kind}_download_failed", **values, reason=reason) from error
        self._confirmed.save(self.hub_id, None)
        self.check_usable()
        return folder

    def _download(self, files: Files) -> Path:
        """Download the model and return its folder."""
        raise NotImplementedError
