"""Speech recognisers: the interface that `framelens.analysis.inputs.transcription` uses, and an engine's recogniser.

A plugin may bring another recogniser, see `framelens.hookspecs.Hooks.parts`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from framelens.core.domain import SoundPiece, SpeakerTurn, SpeechSpans, Spoken
from framelens.core.errors import AppError

if TYPE_CHECKING:
    from framelens.engine.base import Engine


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
        from framelens.llm.speech import SpeechModel, transcribe

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
