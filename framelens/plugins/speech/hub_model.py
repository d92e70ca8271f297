"""Models on this machine: what the recognisers and the diariser have in common, and what their processes are given."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from framelens import DecodeError, EngineError, InputError, ModelNotFound
from framelens.plugin import Settings
from framelens.plugin.models import Files, HubModel, is_offline
from framelens.plugin.processes import DecoderWorker

if TYPE_CHECKING:
    from framelens.plugins.speech.models import WhisperReference
    from framelens.plugins.speech.sherpa_models import SherpaReference
    from framelens.plugins.speech.speaker_models import SpeakerReference

T = TypeVar("T")
Referred = TypeVar("Referred", bound="WhisperReference | SherpaReference | SpeakerReference")
SPARE_BYTES = 2 << 30
"""Memory of a process for its libraries and computations."""
_MOST_THREADS = 8
"""More are hardly faster for one window (faster-whisper's README uses 8)."""
_FAULTS = {"video_out_of_memory": "speech_out_of_memory", "video_decoder_stuck": "speech_worker_stuck"}


class SpeechModel(HubModel, Generic[Referred]):
    """A model about speech, by the reference that finds and downloads it.

    Args:
        settings: The settings.
        model: The model.
    """

    kind = "speech"
    allows_pickle = True
    """Any *.bin counts as a pickle there; CTranslate2 reads a format of its own, see models.check_folder."""

    def __init__(self, settings: Settings, model: Referred) -> None:
        super().__init__(settings, model.name, label=model.label, engine=model.engine, hub_id=model.hub_id)
        self.command = " ".join(["framelens download", *model.options])
        self._settings = settings
        self._model = model

    @property
    def folder(self) -> Path | None:
        """Return its folder, None if it isn't on this machine."""
        if self._model.folder is None:  # another process, or another part of this process, may have downloaded it
            self._model = cast("Referred", self._model.found_again())
        return self._model.folder

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 if it is here, None if it is unknown."""
        return self._model.download_bytes

    def check_usable(self) -> None:
        """Raise AppErrors unless its package is installed, and it is whole here or its download confirmed."""
        check_installed(self._model.packages, self.name)
        if self._model.folder or not self.hub_id:
            self._model.check()
        if is_offline() and not self.is_available():
            raise ModelNotFound("model_offline", model=self.hub_id)
        super().check_usable()

    def _download(self, files: Files) -> Path:
        self._model = cast("Referred", self._model.download(files))
        assert self._model.folder
        return self._model.folder


def is_installed(packages: tuple[str, ...]) -> bool:
    """Return whether packages are installed. They aren't imported."""
    return all(find_spec(package) is not None for package in packages)


def check_installed(packages: tuple[str, ...], model: str) -> None:
    """Raise EngineError("speech_not_installed") without the packages of a model, which is named as it was asked for."""
    if not is_installed(packages):
        raise EngineError("speech_not_installed", model=model, package=packages[0].replace("_", "-"))


def has_bytes(path: Path, mark: bytes) -> bool:
    """Return whether a file contains these bytes, such as the name of a model's metadata."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(mark) >= 0
    except (OSError, ValueError):  # an empty file can't be mapped
        return False


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
