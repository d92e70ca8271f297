"""Whisper models that faster-whisper reads: their names, their folders, and what a download costs.

They are in the format of CTranslate2, which is no pickle: loading a model runs no code of it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from framelens import ModelNotFound
from framelens.plugin.models import Files, find_in_cache, resolve_model
from framelens.plugins.speech.recognition.messages import Device, ModelFamily

PACKAGES = ("faster_whisper", "ctranslate2")
_HUB_IDS = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""The models of faster-whisper 1.2."""
SIZES = tuple(_HUB_IDS)
_MB = 1_000_000
_BYTES = {"tiny": 78, "base": 148, "small": 486, "medium": 1530, "large-v3": 3090, "large-v3-turbo": 1620}
"""Megabytes of a download: the weights, two bytes for each parameter, and the tokenizer."""
_OF_CTRANSLATE2 = re.compile(r".*/faster-(?:distil-)?whisper-.*|.*whisper.*-ct2", re.IGNORECASE)
_SPEC = b"WhisperSpec\0"
_NEEDED = ("config.json", "model.bin", "tokenizer.json")


@dataclass(frozen=True)
class WhisperReference:
    """A Whisper model by name, perhaps not on this machine yet.

    Attributes:
        name: As a person calls it: a size, or the name of a folder.
        hub_id: Where it is downloaded from, "" for a folder.
        folder: Its folder, if it is on this machine.
    """

    name: str
    hub_id: str
    folder: Path | None
    family: ModelFamily = "whisper"
    engine = "faster-whisper"
    packages = PACKAGES
    options = ("--speech",)
    devices: tuple[Device, ...] = ("cpu", "cuda")

    @property
    def label(self) -> str:
        """Return what a report calls it."""
        return f"Whisper {self.name}"

    @property
    def weights(self) -> Path | None:
        """Return the file with the weights, None if it isn't on this machine."""
        return self.folder / "model.bin" if self.folder else None

    @property
    def download_bytes(self) -> int | None:
        """Return the size of the download, 0 if it is here, None if it is unknown."""
        if self.folder is not None:
            return 0
        size = _BYTES.get(self.name.removesuffix(".en"))
        return size * _MB if size else None

    def found_again(self) -> WhisperReference:
        """Return the model as it is on this machine now."""
        return find_model(self.hub_id) or self

    def check(self) -> None:
        """Raise ModelNotFound unless its folder has all files."""
        if self.folder is not None:
            check_folder(self.folder)

    def download(self, files: Files) -> WhisperReference:
        """Download the model and return it."""
        return replace(self, folder=files(self.hub_id, ()))


def find_model(name: str) -> WhisperReference | None:
    """Find the model that a name means: a size, a folder, or an id on a hub; None if faster-whisper can't read it.

    No network is used.
    """
    size = next((size for size, hub_id in _HUB_IDS.items() if name in (size, hub_id)), None)
    if size is not None:
        hub_id = _HUB_IDS[size]
        return WhisperReference(size, hub_id, find_in_cache(hub_id, _is_whole))
    try:
        resolved = resolve_model(name)
    except ModelNotFound:
        return None
    if resolved.folder is not None:
        if not _is_whisper(resolved.folder):
            return None
        return WhisperReference(resolved.name.rpartition("/")[2], resolved.hub_id or "", resolved.folder)
    if resolved.hub_id and _OF_CTRANSLATE2.fullmatch(resolved.hub_id):
        return WhisperReference(
            resolved.hub_id.rpartition("/")[2], resolved.hub_id, find_in_cache(resolved.hub_id, _is_whole)
        )
    return None


def check_folder(folder: Path) -> None:
    """Raise ModelNotFound unless a folder has all files of a Whisper model for CTranslate2."""
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any(folder.glob("vocabulary.*")):
        missing.append("vocabulary.json")
    if missing:
        raise ModelNotFound("speech_model_incomplete", folder=str(folder), files=", ".join(missing))
    if not _is_whisper(folder):
        raise ModelNotFound("speech_model_other", folder=str(folder))


def _is_whole(folder: Path) -> bool:
    try:
        check_folder(folder)
    except ModelNotFound:
        return False
    return True


def _is_whisper(folder: Path) -> bool:
    """Return whether the weights begin as CTranslate2 writes a Whisper model's weights: version, length, name."""
    try:
        with (folder / "model.bin").open("rb") as file:
            head = file.read(6 + len(_SPEC))
    except OSError:
        return False
    return len(head) == 6 + len(_SPEC) and struct.unpack_from("<H", head, 4)[0] == len(_SPEC) and head.endswith(_SPEC)
