"""Models on this machine: finding and downloading them with the user's consent, and what their processes are given.

`HubModel` is what the recognisers and the diariser of this plugin have in common.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from framelens import DecodeError, EngineError, InputError, ModelNotFound, StorageError
from framelens.plugin import Settings
from framelens.plugin.models import chosen_hub, confirmed_downloads, download, is_offline
from framelens.plugin.processes import DecoderWorker, ProgressListener
from framelens.plugin.texts import human_size

T = TypeVar("T")
_log = logging.getLogger(__name__)
SPARE_BYTES = 2 << 30
"""Memory of a process for its libraries and computations."""
_MOST_THREADS = 8
"""More are hardly faster for one window (faster-whisper's README uses 8)."""
_FAULTS = {"video_out_of_memory": "speech_out_of_memory", "video_decoder_stuck": "speech_worker_stuck"}


class Reference(Protocol):
    """A model by name, perhaps not on this machine yet."""

    @property
    def name(self) -> str:
        """Return what a person calls it."""

    @property
    def label(self) -> str:
        """Return what a report calls it."""

    @property
    def engine(self) -> str:
        """Return the package that runs it."""

    @property
    def hub_id(self) -> str:
        """Return where it is downloaded from, "" for a folder."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages that run it, as they are imported; the first is named if any is missing."""

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of `framelens download` that mean it."""

    @property
    def folder(self) -> Path | None:
        """Return its folder, None if it isn't on this machine."""

    @property
    def download_bytes(self) -> int | None:
        """Return the size of the download, 0 if it is here, None if it is unknown."""

    def found_again(self) -> Self:
        """Return the model as it is on this machine now."""

    def check(self) -> None:
        """Raise ModelNotFound unless its folder has all files, or it is still to be downloaded."""

    def download(self, on_progress: ProgressListener, cancel: threading.Event) -> Self:
        """Download the model and return it. Raises what `download_files` raises."""


Referred = TypeVar("Referred", bound=Reference)


class HubModel(Generic[Referred]):
    """A model and the consent to its download; see framelens.engine.recognisers.LocalModel.

    Args:
        settings: The settings.
        model: The model.
    """

    def __init__(self, settings: Settings, model: Referred) -> None:
        self.name, self.label, self.engine = model.name, model.label, model.engine
        self._settings = settings
        self._model = model

    def is_available(self) -> bool:
        """Return whether it is on this machine, or its download was confirmed."""
        if self._model.folder is None:  # another process, or another part of this process, may have downloaded it
            self._model = self._model.found_again()
        return self._model.folder is not None or self._is_confirmed()

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 if it is here, None if it is unknown."""
        return self._model.download_bytes

    def confirm_download(self) -> None:
        """Have the model downloaded when it is needed. Raises StorageError."""
        confirmed_downloads(self._settings.data_dir).save(self._model.hub_id, True)

    def fetch(self, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        """Return the folder of the model, downloading it if that was confirmed. Raises AppErrors."""
        self.check_usable()
        if self._model.folder is None:
            self._model = self._model.download(on_progress, cancel)
            confirmed_downloads(self._settings.data_dir).save(self._model.hub_id, None)
        assert self._model.folder
        self._model.check()
        return self._model.folder

    def check_usable(self) -> None:
        """Raise AppErrors unless its package is installed, and it is here or its download confirmed."""
        check_installed(self._model.packages, self.name)
        if not self._model.hub_id:
            self._model.check()
        if not self.is_available():
            raise _absent(self._model)

    def _is_confirmed(self) -> bool:
        try:
            return bool(confirmed_downloads(self._settings.data_dir).get(self._model.hub_id))
        except StorageError:
            _log.warning("confirmed downloads can't be read", exc_info=True)
            return False


def is_installed(packages: tuple[str, ...]) -> bool:
    """Return whether packages are installed. They aren't imported."""
    return all(find_spec(package) is not None for package in packages)


def check_installed(packages: tuple[str, ...], model: str) -> None:
    """Raise EngineError("speech_not_installed") without the packages of a model, which is named as it was asked for."""
    if not is_installed(packages):
        raise EngineError("speech_not_installed", model=model, package=packages[0].replace("_", "-"))


def download_files(
    model: Reference, hub_id: str, on_progress: ProgressListener, cancel: threading.Event, only: tuple[str, ...] = ()
) -> Path:
    """Download a model's files from a repository and return their folder; `only` some of them, or all.

    Raises:
        ModelNotFound: It can't be downloaded.
        StorageError: The disk is full.
        Cancelled: `cancel` was set.
    """
    # Any *.bin counts as a pickle there; CTranslate2 reads a format of its own, see models.check_folder.
    try:
        return download(hub_id, on_progress, cancel, allow_pickle=True, only=only)
    except ModelNotFound as error:  # its sentence is about the model of the engine
        reason = str(error.values.get("reason") or error.key)
        values = {"model": model.name, "id": hub_id, "endpoint": chosen_hub().endpoint, "reason": reason}
        raise ModelNotFound("speech_download_failed", **values) from error


def has_bytes(path: Path, mark: bytes) -> bool:
    """Return whether a file contains these bytes, such as the name of a model's metadata."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(mark) >= 0
    except (OSError, ValueError):  # an empty file can't be mapped
        return False


def _absent(model: Reference) -> ModelNotFound:
    if is_offline():
        return ModelNotFound("model_offline", model=model.hub_id)
    size = model.download_bytes
    return ModelNotFound(
        "speech_model_absent",
        model=model.name,
        id=model.hub_id,
        size=human_size(size) if size else "?",
        command=" ".join(["framelens download", *model.options]),
    )


def threads_here() -> int:
    """Return the number of threads for a model on a CPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_THREADS)


def answers_of(child: DecoderWorker, cancel: threading.Event, model: str) -> Iterator[object]:
    """Yield the messages of a worker, and raise what ends it as an error about the model and not about a file."""
    try:
        yield from child.events(cancel)
    except DecodeError as error:
        raise EngineError(_FAULTS.get(error.key, "speech_worker_died"), model=model) from error
    except InputError as error:
        raise InputError(error.key, **{**error.values, "model": model}) from error
    raise EngineError("speech_worker_died", model=model)


def answer_of(kind: type[T], answers: Iterator[object]) -> T:
    """Return the next answer of this kind. Raises what `answers_of` raises."""
    return next(answer for answer in answers if isinstance(answer, kind))
