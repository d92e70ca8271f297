"""Choice of the speech model: the server or vLLM's model that the settings name, or that of a plugin."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from framelens import registry
from framelens.analysis.inputs.recognisers import EngineRecogniser, Recogniser
from framelens.core.domain import ProgressListener

if TYPE_CHECKING:
    from framelens.config import Settings


class LocalRecogniser(Recogniser, Protocol):
    """A speech model that runs on this machine without a server; plugins bring them.

    Attributes:
        name: What a person calls the model.
    """

    name: str

    def is_available(self) -> bool:
        """Return whether it can be used, or is only to be downloaded and that was confirmed."""

    def download_bytes(self) -> int | None:
        """Return the size of the download that is needed first: 0 for none, None if it is unknown."""

    def confirm_download(self) -> None:
        """Have the model downloaded when it is needed."""

    def fetch(self, on_progress: ProgressListener, cancel: threading.Event) -> Path:
        """Return the folder of the model, downloading it if that was confirmed. Raises AppErrors."""


def build_recogniser(settings: Settings) -> Recogniser | None:
    """Build what transcribes speech with these settings, None if nothing does."""
    if not settings.speech_base_url and (local := local_recogniser(settings)):
        return local
    if not (settings.speech_base_url or settings.speech_model_path):
        return None
    from framelens.services.engine_selection import build_speech_engine

    return EngineRecogniser(build_speech_engine(settings), timeout_seconds=settings.timeout_seconds)


def local_recogniser(settings: Settings) -> LocalRecogniser | None:
    """Return that of the first plugin which transcribes with these settings."""
    for plugin in registry.used():
        if plugin.recogniser:
            found: LocalRecogniser | None = registry.called(plugin, plugin.recogniser, settings)
            if found is not None:
                return found
    return None
