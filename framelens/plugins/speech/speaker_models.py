"""Models that separate speakers, as sherpa-onnx reads them: for segmentation and for embeddings, both in ONNX.

ONNX is no pickle: loading a model runs no code of it. Files are recognised by the metadata that sherpa-onnx needs,
whatever their names: it ends its process where they are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from framelens import ModelNotFound
from framelens.plugin.models import Files, find_in_cache
from framelens.plugins.speech.hub_model import has_bytes

_SEGMENTATION = ("csukuangfj/sherpa-onnx-pyannote-segmentation-3-0", "model.onnx")
_EMBEDDING = (
    "csukuangfj/speaker-embedding-models",
    "3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx",
)
_DOWNLOAD_BYTES = 34_300_000
_SEGMENTATION_MARK, _EMBEDDING_MARK = b"powerset_max_classes", b"output_dim"
"""Names of metadata that only these models have."""


@dataclass(frozen=True)
class SpeakerReference:
    """Both models, perhaps not on this machine yet.

    Attributes:
        name: As a person calls them.
        hub_id: Where the embedding is downloaded from, "" for a folder.
        segmentation: File of the segmentation, if it is on this machine.
        embedding: File of the embedding, if it is on this machine.
        named_folder: Folder that a person has named, "" if no folder was named.
    """

    name: str
    hub_id: str
    segmentation: Path | None
    embedding: Path | None
    named_folder: str = ""
    engine = "sherpa-onnx"
    packages = ("sherpa_onnx",)
    options = ("--speakers",)

    @property
    def label(self) -> str:
        """Return what a report calls them."""
        return self.name

    @property
    def folder(self) -> Path | None:
        """Return the folder of the segmentation if both are on this machine."""
        return self.segmentation.parent if self.segmentation and self.embedding else None

    @property
    def download_bytes(self) -> int:
        """Return the size of the download, 0 if they are here."""
        return 0 if self.folder else _DOWNLOAD_BYTES

    def found_again(self) -> SpeakerReference:
        """Return the models as they are on this machine now."""
        return default_models() if self.hub_id else self

    def check(self) -> None:
        """Raise ModelNotFound unless the files are such models, or are to be downloaded."""
        if self.folder is None and not self.hub_id:
            raise ModelNotFound("speaker_models_incomplete", folder=self.named_folder)
        for path, mark in ((self.segmentation, _SEGMENTATION_MARK), (self.embedding, _EMBEDDING_MARK)):
            if path and not has_bytes(path, mark):
                raise ModelNotFound("speaker_model_other", file=str(path))

    def download(self, files: Files) -> SpeakerReference:
        """Download the models and return them."""
        segmentation, embedding = (files(hub_id, (name,)) / name for hub_id, name in (_SEGMENTATION, _EMBEDDING))
        return replace(self, segmentation=segmentation, embedding=embedding)


def default_models() -> SpeakerReference:
    """Return the models that are downloaded, as they are on this machine. No network is used."""
    return SpeakerReference(
        "pyannote 3.0 + CAM++", _EMBEDDING[0], _cached_file(*_SEGMENTATION), _cached_file(*_EMBEDDING)
    )


def _cached_file(hub_id: str, name: str) -> Path | None:
    folder = find_in_cache(hub_id, lambda folder: (folder / name).is_file())
    return folder / name if folder else None


def models_in(folder: Path) -> SpeakerReference:
    """Return the models that a folder has."""
    files = sorted(folder.glob("*.onnx")) if folder.is_dir() else []
    segmentation, embedding = (
        next((path for path in files if has_bytes(path, mark)), None) for mark in (_SEGMENTATION_MARK, _EMBEDDING_MARK)
    )
    return SpeakerReference(folder.name, "", segmentation, embedding, str(folder))
