"""Speech recognisers: the interface that `framelens.analysis.inputs.transcription` uses, and an engine's recogniser.

A plugin may bring another recogniser, see `framelens.hookspecs.Hooks.parts`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from framelens import registry
from framelens.core.domain import SoundPiece, SpeakerTurn, SpeechSpans, Spoken
from framelens.core.events import ProgressListener

if TYPE_CHECKING:
    from framelens.config import Settings


@dataclass(frozen=True)
class SpeechModelName:
    """Name of a speech model.

    Attributes:
        label: What a report calls it.
        key: Identifies it also among models with the same label; transcripts are cached by it.
    """

    label: str
    key: str


Pieces = Iterable[SoundPiece]


@dataclass(frozen=True)
class SpeechListener:
    """A speech model that is ready.

    Attributes:
        label: What a report calls it.
        listen: Transcribes the pieces of a video in time order, with the speech that `find` has found, if any. All
            sound up to the end of a yielded value is transcribed by then. Raises AppErrors, and Cancelled when the
            event is set.
        find: Finds the speech in the pieces of a video, in little time; None if the model can't. Raises the same.
    """

    label: str
    listen: Callable[[Pieces, SpeechSpans, threading.Event], Iterator[Spoken]]
    find: Callable[[Pieces], SpeechSpans] | None = None


class Recogniser(Protocol):
    """A speech model, used by several threads."""

    def model(self, cancel: threading.Event) -> SpeechModelName:
        """Return the name of the model, starting an engine if only that knows it. Raises AppErrors."""

    def ready(
        self, language: str, cancel: threading.Event, after: Callable[[], object] | None
    ) -> AbstractContextManager[SpeechListener]:
        """Hold the model ready within a context; the last user ends it.

        Args:
            language: Spoken language (ISO 639-1), "" to detect it.
            cancel: Ends the wait.
            after: Called before a process is started and may block: two engines must not measure the free memory of a
                GPU at the same moment.

        Raises:
            AppError: The model can't be used.
            Cancelled: `cancel` was set.
        """

    def pace(self) -> float | None:
        """Return the expected time of a second of speech in seconds, None if it is unknown."""


class Diariser(Protocol):
    """Models that separate speakers."""

    def model(self) -> SpeechModelName:
        """Return the name of the models. Raises AppErrors if they can't be used."""

    def turns(
        self,
        pieces: Pieces,
        num_speakers: int,
        end_seconds: float,
        cancel: threading.Event,
        on_share: Callable[[float], object],
    ) -> tuple[SpeakerTurn, ...]:
        """Return who speaks when, in time order.

        Args:
            pieces: The sound in time order.
            num_speakers: Number of speakers, 0 to guess it.
            end_seconds: End of the range, or the declared end of the video, 0 if unknown; only for `on_share`.
            cancel: Ends the work.
            on_share: Called with how much is done, 0 to 1.

        Raises:
            AppError: The models can't be used.
            Cancelled: `cancel` was set.
        """


@runtime_checkable
class LocalModel(Protocol):
    """A model about speech that runs on this machine without a server; plugins bring them.

    Attributes:
        name: Name of the model for users.
        label: Name of the model in reports.
        engine: The package that runs it.
    """

    name: str
    label: str
    engine: str

    def is_available(self) -> bool:
        """Return whether the model can be used, if need be after a download that the user has confirmed."""

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 without a download, None if it is unknown."""

    def confirm_download(self) -> None:
        """Confirm the download of the model, which begins when the model is needed."""

    def fetch(self, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        """Return the folder or file of the model, after a download if the user has confirmed it. Raises AppErrors."""


class LocalRecogniser(LocalModel, Recogniser, Protocol):
    """A model that transcribes."""


class LocalDiariser(LocalModel, Diariser, Protocol):
    """Models that separate speakers."""


def build_recogniser(settings: Settings) -> Recogniser | None:
    """Return the recogniser for these settings, one that needs no server before others, or None without one."""
    return local_recogniser(settings) or next(_recognisers(settings), None)


def local_recogniser(settings: Settings) -> LocalRecogniser | None:
    """Return the first plugin's recogniser without a server; None if the settings name a server."""
    recognisers = () if settings.speech_base_url else _recognisers(settings)
    return next((recogniser for recogniser in recognisers if isinstance(recogniser, LocalModel)), None)


def _recognisers(settings: Settings) -> Iterator[Recogniser]:
    return registry.results("speech.recogniser", settings)


def has_recogniser() -> bool:
    """Return whether a plugin transcribes with suitable settings. Nothing is looked for on the disk."""
    return any(registry.placed("speech.recogniser"))


def has_diariser() -> bool:
    """Return whether a plugin separates speakers. Nothing is looked for on the disk."""
    return any(registry.placed("speech.diariser"))


def local_diariser(settings: Settings) -> LocalDiariser | None:
    """Return the diariser of the first plugin which separates speakers with these settings."""
    diarisers: Iterator[LocalDiariser] = registry.results("speech.diariser", settings)
    return next(diarisers, None)
