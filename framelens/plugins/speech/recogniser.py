"""Recognisers of speech: a model in a worker process of its own, or a server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from framelens import AppError, EngineError, StorageError
from framelens.plugin import Settings
from framelens.plugin.engines import build_engine
from framelens.plugin.processes import DecoderWorker
from framelens.plugin.speech import (
    Pieces,
    SoundPiece,
    SpeechListener,
    SpeechModelName,
    SpeechSpans,
    Spoken,
    seconds_of,
    speech_between,
)
from framelens.plugin.storage import ModelRecords
from framelens.plugins.speech.hub_model import (
    SPARE_BYTES,
    SpeechModel,
    answer_of,
    answers_of,
    is_installed,
    threads_here,
)
from framelens.plugins.speech.models import PACKAGES, WhisperReference, find_model
from framelens.plugins.speech.recognition.cues import cues_of
from framelens.plugins.speech.recognition.messages import (
    MESSAGES,
    WORKER,
    Device,
    ModelLoaded,
    SoundSent,
    SpeechFound,
    SpeechRequest,
    WordsHeard,
)
from framelens.plugins.speech.sherpa_models import SherpaReference, find_sherpa_model

if TYPE_CHECKING:
    from framelens.plugin.engines import Engine

_log = logging.getLogger(__name__)
_CPU_DEFAULT, _GPU_DEFAULT = "small", "large-v3-turbo"
_WAV_HEADER_BYTES = 44
_WORK_OF_A_BYTE = 1.5e-9
"""Seconds of work of a core for a second of speech and a byte of weights, int8; docs/benchmarks/speech.md."""
_WORTH_NOTING_SECONDS = 30.0
"""Speech from which the measured pace is kept."""


def recogniser(settings: Settings) -> WorkerRecogniser | EngineRecogniser | None:
    """Return the recogniser that these settings mean; None if they name no model and the packages aren't installed.

    A server, or a model that only an engine runs, is an EngineRecogniser.
    """
    name = settings.speech_model_path
    if not settings.speech_base_url:
        if not name and not is_installed(PACKAGES):
            return None
        if model := (find_sherpa_model(name) or find_model(name) if name else find_model(default_size())):
            return WorkerRecogniser(settings, model)
    return EngineRecogniser(build_engine(settings, hears=True)[0], timeout_seconds=settings.timeout_seconds)


def default_size() -> str:
    """Return the size of the model that is used where the settings name no model."""
    return _GPU_DEFAULT if device_here() == "cuda" else _CPU_DEFAULT


def device_here() -> Device:
    """Return what a model would run on here; the worker falls back to the CPU if a card can't be used."""
    from framelens.plugin.machine import GpuReader

    return "cuda" if GpuReader()().cards else "cpu"


class WorkerRecogniser(SpeechModel[WhisperReference | SherpaReference]):
    """Recogniser with a model; see framelens.engine.recognisers.LocalRecogniser."""

    def model(self, cancel: threading.Event) -> SpeechModelName:
        """Return the name of the model; see Recogniser."""
        self.check_usable()
        model, weights = self._model, self._model.weights
        changed = weights.stat().st_mtime_ns if weights and not model.hub_id else ""
        return SpeechModelName(model.label, f"{model.engine} {model.hub_id or model.folder} {changed}")

    @contextmanager
    def ready(
        self, language: str, cancel: threading.Event, after: Callable[[], object] | None
    ) -> Generator[SpeechListener, None, None]:
        """Start a worker that has loaded the model; see Recogniser."""
        folder = self.fetch(lambda progress: None, cancel)
        device = self._device()
        if device == "cuda" and after is not None:
            with suppress(EngineError):
                after()
        memory = 3 * self._weights_bytes() + SPARE_BYTES
        request = SpeechRequest(folder.resolve(), memory, language, device, threads_here(), self._model.family)
        with DecoderWorker(request, module=WORKER, messages=MESSAGES) as child:
            answers = answers_of(child, cancel, self.name)
            loaded = answer_of(ModelLoaded, answers)
            listen = partial(self._listen, child, answers, loaded.device)
            find = partial(_find, child, answers)
            yield SpeechListener(self._model.label, lambda pieces, speech, _: listen(pieces, speech), find)

    def pace(self) -> float | None:
        """Return the expected time of a second of speech, from earlier runs or from the size of the weights."""
        device = self._device()
        with suppress(StorageError):
            if pace := self._paces().get(self._pace_name(device)):
                return pace
        size = self._weights_bytes()
        return size * _WORK_OF_A_BYTE / threads_here() if size and device == "cpu" else None

    def _device(self) -> Device:
        device = device_here()
        return device if device in self._model.devices else "cpu"

    def _weights_bytes(self) -> int:
        weights = self._model.weights
        return weights.stat().st_size if weights else self._model.download_bytes or 0

    def _listen(
        self, child: DecoderWorker, answers: Iterator[object], device: Device, pieces: Pieces, speech: SpeechSpans
    ) -> Iterator[Spoken]:
        began, speech_seconds = time.monotonic(), 0.0
        for part in parts(pieces):
            own = speech_between(speech, part.start_seconds, part.end_seconds)
            speech_seconds += seconds_of(own)
            child.ask(replace(part, speech=own))
            answer = answer_of(WordsHeard, answers)
            yield Spoken(answer.end_seconds, tuple(cues_of(answer.words)))
        if speech_seconds >= _WORTH_NOTING_SECONDS:
            with suppress(StorageError):
                self._paces().save(self._pace_name(device), (time.monotonic() - began) / speech_seconds)

    def _paces(self) -> ModelRecords[float]:
        return ModelRecords(self._settings.data_dir, "speech_pace", float)

    def _pace_name(self, device: Device) -> str:
        return f"{self.name} {device} {threads_here()}"


def _find(child: DecoderWorker, answers: Iterator[object], pieces: Pieces) -> SpeechSpans:
    spans = list[tuple[float, float]]()
    for part in parts(pieces):
        if part.samples:
            child.ask(part)
            spans += answer_of(SpeechFound, answers).speech
    return tuple(spans)


def parts(pieces: Pieces) -> Iterator[SoundSent]:
    """Yield the sound of the pieces as it is sent, and at the end a part without any."""
    end = 0.0
    for piece in pieces:
        end = piece.end_seconds
        yield SoundSent(piece.start_seconds, end, _samples(piece))
    yield SoundSent(end, end)


def _samples(piece: SoundPiece) -> bytes:
    """Return the samples of a piece, without the silence that pads a short piece."""
    length = 2 * round((piece.end_seconds - piece.start_seconds) * 16_000)
    return piece.wav[_WAV_HEADER_BYTES : _WAV_HEADER_BYTES + length]


class EngineRecogniser:
    """Recogniser of a server with OpenAI's transcription endpoint, such as vLLM with a Whisper model.

    Args:
        engine: Its engine. It is started when there is sound to transcribe, and stopped after the last user.
        timeout_seconds: Longest wait for an answer.
    """

    def __init__(self, engine: Engine, *, timeout_seconds: float = 600.0) -> None:
        self._engine = engine
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._users = 0

    def model(self, cancel: threading.Event) -> SpeechModelName:
        """Return the name of the model; a remote engine is asked for it."""
        name = self._engine.status().model or self._engine.ensure_ready(lambda progress: None, cancel).model
        return SpeechModelName(name, name)

    @contextmanager
    def ready(
        self, language: str, cancel: threading.Event, after: Callable[[], object] | None
    ) -> Generator[SpeechListener, None, None]:
        """Start the engine; see Recogniser."""
        from framelens.plugins.speech.server import SpeechModel, transcribe

        if after is not None:
            with suppress(AppError):
                after()
        with self._lock:
            self._users += 1
        try:
            endpoint = self._engine.ensure_ready(lambda progress: None, cancel)
            model = SpeechModel(endpoint.base_url, endpoint.api_key, endpoint.model, language, self._timeout_seconds)
            yield SpeechListener(endpoint.model, lambda pieces, _, cancel: transcribe(pieces, model, cancel=cancel))
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._engine.stop()

    def pace(self) -> float | None:
        """Return None."""
        return None
