"""Recogniser of speech on this machine: a Whisper model in a worker process of its own."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from framelens.analysis.inputs.recognisers import Pieces, SpeechListener, SpeechModelName
from framelens.config import Settings
from framelens.core.domain import ProgressListener, SoundPiece, Spoken
from framelens.core.errors import DecodeError, EngineError, StorageError
from framelens.plugins.speech import models
from framelens.plugins.speech.recognition.cues import cues_of
from framelens.plugins.speech.recognition.messages import (
    MESSAGES,
    WORKER,
    Device,
    ModelLoaded,
    SoundSent,
    SpeechRequest,
    WordsHeard,
)
from framelens.services.engine_selection import confirmed_downloads
from framelens.store.model_records import ModelRecords
from framelens.video.worker_pool import DecoderWorker

_log = logging.getLogger(__name__)
_CPU_DEFAULT, _GPU_DEFAULT = "small", "large-v3-turbo"
_MOST_THREADS = 8
"""More are hardly faster for one window (faster-whisper's README uses 8)."""
_SPARE_BYTES = 2 << 30
"""For the libraries and what is computed."""
_WAV_HEADER_BYTES = 44
_WORK_OF_A_BYTE = 1.5e-9
"""Seconds of work of one core for a second of sound and a byte of weights, int8; docs/benchmarks/speech.md."""
_WORTH_NOTING_SECONDS = 30.0
"""Sound from which the measured pace is kept."""
_FAULTS = {"video_out_of_memory": "speech_out_of_memory", "video_decoder_stuck": "speech_worker_stuck"}


def recogniser(settings: Settings) -> LocalWhisper | None:
    """Return the recogniser that these settings mean, None if they name another kind of model or nothing is there."""
    if name := settings.speech_model_path:
        found = models.find_model(name)
        return LocalWhisper(settings, found) if found else None
    if not models.is_installed():
        return None
    default = models.find_model(_GPU_DEFAULT if device_here() == "cuda" else _CPU_DEFAULT)
    return LocalWhisper(settings, default) if default else None


def device_here() -> Device:
    """Return what a model would run on here; the worker falls back to the CPU if a card can't be used."""
    from framelens.engine.system_metrics import GpuReader

    return "cuda" if GpuReader()().cards else "cpu"


def threads_here() -> int:
    """Return the number of threads for a model on a CPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_THREADS)


class LocalWhisper:
    """Recogniser with one model; see framelens.services.recognition.LocalRecogniser.

    Args:
        settings: The settings.
        model: The model.
    """

    def __init__(self, settings: Settings, model: models.WhisperReference) -> None:
        self.name = model.name
        self._settings = settings
        self._model = model

    def is_available(self) -> bool:
        """Return whether it can be used, or is only to be downloaded and that was confirmed."""
        if self._model.folder is None:  # another process, or another part of this one, may have downloaded it
            self._model = models.find_model(self._model.hub_id) or self._model
        return self._model.folder is not None or self._is_confirmed()

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 for none, None if it is unknown."""
        return self._model.download_bytes

    def confirm_download(self) -> None:
        """Have the model downloaded when it is needed. Raises StorageError."""
        confirmed_downloads(self._settings).save(self._model.hub_id, True)

    def fetch(self, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        """Return the folder of the model, downloading it if that was confirmed. Raises AppErrors."""
        models.check_installed(self.name)
        self._check_confirmed()
        if self._model.folder is None:
            self._model = replace(self._model, folder=self._model.download(on_progress, cancel))
            confirmed_downloads(self._settings).save(self._model.hub_id, None)
        assert self._model.folder
        models.check_folder(self._model.folder)
        return self._model.folder

    def model(self, cancel: threading.Event) -> SpeechModelName:
        """Return the name of the model; see Recogniser."""
        models.check_installed(self.name)
        self._check_confirmed()
        folder = self._model.folder
        changed = (folder / "model.bin").stat().st_mtime_ns if folder and not self._model.hub_id else ""
        return SpeechModelName(f"Whisper {self.name}", f"faster-whisper {self._model.hub_id or folder} {changed}")

    @contextmanager
    def ready(
        self, language: str, cancel: threading.Event, after: Callable[[], object] | None
    ) -> Generator[SpeechListener, None, None]:
        """Start a worker that has loaded the model; see Recogniser."""
        folder = self.fetch(lambda progress: None, cancel)
        device = device_here()
        if device == "cuda" and after is not None:
            with suppress(EngineError):
                after()
        memory = 3 * (folder / "model.bin").stat().st_size + _SPARE_BYTES
        request = SpeechRequest(folder.resolve(), memory, language, device, threads_here())
        with _faults_named(self.name), DecoderWorker(request, module=WORKER, messages=MESSAGES) as child:
            answers = child.events(cancel)
            loaded = next(answers, None)
            if not isinstance(loaded, ModelLoaded):
                raise EngineError("speech_worker_died", model=self.name)
            listen = partial(self._listen, child, answers, loaded.device)
            yield SpeechListener(f"Whisper {self.name}", lambda pieces, _: listen(pieces))

    def pace(self) -> float | None:
        """Return the expected time of a second of sound, from earlier runs or from the size of the weights."""
        device = device_here()
        with suppress(StorageError):
            if known := self._paces().of(self._pace_name(device)):
                return known
        size = self._model.download_bytes
        folder = self._model.folder
        size = (folder / "model.bin").stat().st_size if folder else size
        return size * _WORK_OF_A_BYTE / threads_here() if size and device == "cpu" else None

    def _listen(
        self, child: DecoderWorker, answers: Iterator[object], device: Device, pieces: Pieces
    ) -> Iterator[Spoken]:
        began, started_at, reached = time.monotonic(), None, 0.0
        with _faults_named(self.name):
            for part in _parts(pieces):
                started_at = part.start_seconds if started_at is None else started_at
                child.ask(part)
                answer = next(answers, None)
                if not isinstance(answer, WordsHeard):
                    raise EngineError("speech_worker_died", model=self.name)
                reached = answer.end_seconds
                yield Spoken(reached, tuple(cues_of(answer.words)))
        if started_at is not None and reached - started_at >= _WORTH_NOTING_SECONDS:
            with suppress(StorageError):
                self._paces().save(self._pace_name(device), (time.monotonic() - began) / (reached - started_at))

    def _paces(self) -> ModelRecords[float]:
        return ModelRecords(self._settings.data_dir, "speech_pace", float)

    def _pace_name(self, device: Device) -> str:
        return f"{self.name} {device} {threads_here()}"

    def _is_confirmed(self) -> bool:
        try:
            return bool(confirmed_downloads(self._settings).of(self._model.hub_id))
        except StorageError:
            _log.warning("confirmed downloads can't be read", exc_info=True)
            return False

    def _check_confirmed(self) -> None:
        if not self.is_available():
            raise models.absent_error(self._model)


def _parts(pieces: Pieces) -> Iterator[SoundSent]:
    """Yield the sound of the pieces as it is sent, and at the end a part without any."""
    end = 0.0
    for piece in pieces:
        end = piece.end_seconds
        yield SoundSent(piece.start_seconds, end, _samples(piece))
    yield SoundSent(end, end)


def _samples(piece: SoundPiece) -> bytes:
    """Return the samples of a piece, without the silence that pads a short one."""
    length = 2 * round((piece.end_seconds - piece.start_seconds) * 16_000)
    return piece.wav[_WAV_HEADER_BYTES : _WAV_HEADER_BYTES + length]


@contextmanager
def _faults_named(model: str) -> Iterator[None]:
    """Raise what ends a worker as an error about the model and not about a video."""
    try:
        yield
    except DecodeError as error:
        raise EngineError(_FAULTS.get(error.key, "speech_worker_died"), model=model) from error
