"""Speech models that sherpa-onnx reads, for Chinese above all: their names, folders, and what a download costs.

ONNX is no pickle: loading a model runs no code of it. A model is recognised by its metadata, which sherpa-onnx needs:
it ends its process where they are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from framelens import ModelNotFound
from framelens.plugin.files import typed_path
from framelens.plugin.models import Files, find_in_cache
from framelens.plugins.speech.hub_model import has_bytes
from framelens.plugins.speech.recognition.messages import SHERPA_FILES, Device, sherpa_weights

Family = Literal["sensevoice", "paraformer"]
_HUB_IDS: dict[Family, str] = {
    "sensevoice": "csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17",
    "paraformer": "csukuangfj/sherpa-onnx-paraformer-zh-2023-09-14",
}
NAMES: tuple[Family, ...] = get_args(Family)
_BYTES: dict[Family, int] = {"sensevoice": 239_000_000, "paraformer": 243_000_000}
"""Of the weights in int8 and the tokens."""
_LABELS: dict[Family, str] = {"sensevoice": "SenseVoice", "paraformer": "Paraformer"}
_MARKS: dict[Family, bytes] = {"sensevoice": b"lang_yue", "paraformer": b"lfr_window_shift"}
"""Metadata of each family; SenseVoice has Paraformer's metadata, too, and is looked for first."""


@dataclass(frozen=True)
class SherpaReference:
    """A model of one of these families, perhaps not on this machine yet.

    Attributes:
        family: Its family.
        name: As a person calls it: the family, or the name of a folder.
        hub_id: Where it is downloaded from, "" for a folder.
        folder: Its folder, if it is on this machine.
    """

    family: Family
    name: str
    hub_id: str
    folder: Path | None
    engine = "sherpa-onnx"
    packages = ("sherpa_onnx", "faster_whisper")  # the latter has the detector of speech
    options = ("--speech",)
    devices: tuple[Device, ...] = ("cpu",)

    @property
    def label(self) -> str:
        """Return what a report calls it."""
        family = _LABELS[self.family]
        return family if self.name == self.family else f"{family} {self.name}"

    @property
    def weights(self) -> Path | None:
        """Return the file with the weights, None if it isn't on this machine."""
        return sherpa_weights(self.folder) if self.folder else None

    @property
    def download_bytes(self) -> int:
        """Return the size of the download, 0 if it is here."""
        return 0 if self.folder else _BYTES[self.family]

    def found_again(self) -> SherpaReference:
        """Return the model as it is on this machine now."""
        return find_sherpa_model(self.hub_id) or self

    def check(self) -> None:
        """Raise ModelNotFound unless its folder has all files, or it is still to be downloaded."""
        if self.folder and _family_of(self.folder) != self.family:
            raise ModelNotFound("speech_model_incomplete", folder=str(self.folder), files=", ".join(SHERPA_FILES))

    def download(self, files: Files) -> SherpaReference:
        """Download the model and return it."""
        return replace(self, folder=files(self.hub_id, SHERPA_FILES))


def find_sherpa_model(name: str) -> SherpaReference | None:
    """Find the model that a name means: a family, its id on the hub, or a folder; None if sherpa-onnx can't read it.

    No network is used.
    """
    for family, hub_id in _HUB_IDS.items():
        if name in (family, hub_id):
            return SherpaReference(
                family, family, hub_id, find_in_cache(hub_id, lambda folder: bool(_family_of(folder)))
            )
    folder = Path(typed_path(name))
    own_family = _family_of(folder) if folder.is_dir() else None
    return SherpaReference(own_family, folder.absolute().name, "", folder) if own_family else None


def _family_of(folder: Path) -> Family | None:
    """Return the family of the model in a folder, None unless the model is complete."""
    weights = sherpa_weights(folder)
    if weights is None or not (folder / SHERPA_FILES[1]).is_file():
        return None
    return next((family for family, mark in _MARKS.items() if has_bytes(weights, mark)), None)
