"""Choice of the speech model: the server or vLLM's model that the settings name, or a plugin's model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from framelens import registry
from framelens.core.events import ProgressListener
from framelens.engine.recognisers import Diariser, EngineRecogniser, Recogniser

if TYPE_CHECKING:
    from framelens.config import Settings


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
    """Build the recogniser of speech that the settings describe, or return None if they describe no recogniser."""
    if local := local_recogniser(settings):
        return local
    if not (settings.speech_base_url or settings.speech_model_path):
        return None
    from framelens.engine.engine_builder import build_speech_engine

    return EngineRecogniser(build_speech_engine(settings), timeout_seconds=settings.timeout_seconds)


def local_recogniser(settings: Settings) -> LocalRecogniser | None:
    """Return the recogniser of the first plugin which transcribes with these settings; None if they name a server."""
    recognisers: Iterator[LocalRecogniser] = registry.results("speech.recogniser", settings)
    return None if settings.speech_base_url else next(recognisers, None)


def has_diariser() -> bool:
    """Return whether a plugin separates speakers. Nothing is looked for on the disk."""
    return any(registry.placed("speech.diariser"))


def local_diariser(settings: Settings) -> LocalDiariser | None:
    """Return the diariser of the first plugin which separates speakers with these settings."""
    diarisers: Iterator[LocalDiariser] = registry.results("speech.diariser", settings)
    return next(diarisers, None)
