"""Encoders, which give pictures and texts of the same thing nearby vectors: a model on this machine, or a server.

The model runs in a sandboxed process (framelens.plugins.search.encoder_worker), which stays for some minutes after its
last use, since loading takes longer than a search.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from framelens import Cancelled, DecodeError, EngineError, InputError, ModelNotFound
from framelens.plugin import Settings
from framelens.plugin.chat import picture_part, text_part
from framelens.plugin.files import Region, typed_path
from framelens.plugin.models import Files, HubModel, find_in_cache
from framelens.plugin.processes import DecoderWorker, in_thread, require
from framelens.plugin.storage import Failure
from framelens.plugin.texts import human_size
from framelens.plugins.search.layout import Vector

if TYPE_CHECKING:
    from framelens.plugins.search.embeddings import EmbeddingModel

WORKER = "framelens.plugins.search.encoder_worker"
"""Module of the worker's program."""
VISION, TEXT = "onnx/vision_model_quantized.onnx", "onnx/text_model_quantized.onnx"
FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", VISION, TEXT)
"""The files that are read, as the hub's ONNX models for Transformers.js name them."""
SIDE, QUALITY = 512, 90
"""Longer side and JPEG quality of a picture as it is compared; models see fewer pixels."""
PACKAGES = ("onnxruntime", "tokenizers")
_SPARE_BYTES = 2 << 30
"""Memory of the process for its libraries and computations."""
_IDLE_SECONDS = 300.0
_SERVER_SECONDS = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderRequest:
    """A task of an encoder worker: load the model in a folder, then encode what follows; see FileTask."""

    path: Path
    memory_bytes: int
    confined: tuple[Path, ...] = ()
    stuck_seconds: float = 120.0


@dataclass(frozen=True)
class Encodable:
    """A text, or a picture as a JPEG or a part of it; `box` is (left, top, right, bottom) as fractions."""

    text: str = ""
    jpeg: bytes = field(default=b"", repr=False)
    box: Region | None = None


@dataclass(frozen=True)
class Encoded:
    """The vector of an Encodable as 32-bit floats; empty for a picture that can't be decoded."""

    values: bytes


class Encoder(Protocol):
    """What makes vectors of pictures and texts.

    Attributes:
        key: Identifies the model: vectors of another key can't be compared.
        label: Name of the model for readers.
        least_text: Cosine of a text and a picture that shows it, from which a picture is a hit.
        least_picture: The same for two pictures.
    """

    key: str
    label: str
    least_text: float
    least_picture: float

    def vectors(self, items: Sequence[Encodable], cancel: threading.Event | None = None) -> list[Vector | None]:
        """Return the vector of each item, None for what can't be decoded. Raises AppErrors."""


@dataclass(frozen=True)
class CatalogueModel:
    """A model that can be downloaded; `least_text` and `least_picture` are as for Encoder."""

    name: str
    hub_id: str
    licence: str
    num_bytes: int
    least_text: float
    least_picture: float


SIGLIP = CatalogueModel(
    "SigLIP 2 base", "onnx-community/siglip2-base-patch32-256-ONNX", "Apache-2.0", 418_000_000, 0.05, 0.75
)
"""95 million parameters for pictures, in patches of 32 pixels, which take 0.4 of the time of patches of 16; 282 million
for texts in over 100 languages; a byte each; and the tokenizer.

What a picture shows has cosines of 0.058 to 0.094 with its name in a library of photographs
(github.com/ncoevoet/facet, pull request 146); other words mostly have less than 0.05.
"""
SIZE = human_size(SIGLIP.num_bytes)


class PictureModel(HubModel):
    """The model that compares pictures.

    Args:
        settings: The settings; `search_model_path` names a folder with such a model in place of the catalogue's.
    """

    kind = "search"

    def __init__(self, settings: Settings) -> None:
        self._named = Path(typed_path(settings.search_model_path)) if settings.search_model_path else None
        name, hub_id = (self._named.name, "") if self._named else (SIGLIP.name, SIGLIP.hub_id)
        super().__init__(settings, name, label=name, engine=PACKAGES[0], hub_id=hub_id)

    @property
    def folder(self) -> Path | None:
        """Return its folder, None if it isn't on this machine."""
        if self._named:
            return self._named if is_whole(self._named) else None
        return find_in_cache(SIGLIP.hub_id, is_whole)

    def download_bytes(self) -> int:
        """Return the size of the download, 0 if it is here or named."""
        return 0 if self._named or self.folder else SIGLIP.num_bytes

    def check_usable(self) -> None:
        """Raise AppErrors unless its packages are installed, and it is whole here or its download confirmed."""
        for package in PACKAGES:
            require(package)
        if self._named and not is_whole(self._named):
            missing = [name for name in FILES if not (self._named / name).is_file()]
            raise ModelNotFound("search_model_incomplete", folder=str(self._named), files=", ".join(missing))
        super().check_usable()

    def _download(self, files: Files) -> Path:
        return files(self.hub_id, FILES)


def is_whole(folder: Path) -> bool:
    """Return whether a folder has all files of a model."""
    return all((folder / name).is_file() for name in FILES)


class LocalEncoder:
    """Encoder with a model on this machine; see Encoder. Safe to use from several threads.

    Args:
        folder: Folder of the model. Its config.json may have `least_text` and `least_picture`.
        label: Name of the model for readers.
    """

    def __init__(self, folder: Path, label: str) -> None:
        config = {}
        with suppress(OSError, ValueError):  # the worker says what is wrong with the folder
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.least_text = float(config.get("least_text", SIGLIP.least_text))
        self.least_picture = float(config.get("least_picture", SIGLIP.least_picture))
        self.label, self._folder = label, folder.resolve()
        self.key = f"{self._folder} {(folder / VISION).stat().st_size}"
        self._lock = threading.Lock()
        self._worker: DecoderWorker | None = None
        self._answers: Iterator[object] = iter(())
        self._idle: threading.Timer | None = None
        self._preparing: Future[object] | None = None

    def vectors(self, items: Sequence[Encodable], cancel: threading.Event | None = None) -> list[Vector | None]:
        """Return the vector of each item; see Encoder. A search needn't wait for all pictures of a video."""
        return [self._vector(item, cancel) for item in items]

    def prepare(self) -> None:
        """Load the model for texts in the background, so that the first search is as fast as the others."""
        if self._worker is None and (self._preparing is None or self._preparing.done()):
            self._preparing = in_thread("encoder", lambda: self.vectors([Encodable("a")]))

    def close(self) -> None:
        """End the process; the next call starts another."""
        with self._lock:
            self._end()

    def _vector(self, item: Encodable, cancel: threading.Event | None) -> Vector | None:
        if cancel and cancel.is_set():
            raise Cancelled
        with self._lock:
            try:
                answer = self._ask(item)
            except BaseException:
                self._end()
                raise
            self._end_later()
        return np.frombuffer(answer.values, np.float32) if answer.values else None

    def _ask(self, item: Encodable) -> Encoded:
        if self._worker is None:
            weights = sum((self._folder / name).stat().st_size for name in (VISION, TEXT))
            request = EncoderRequest(self._folder, 3 * weights + _SPARE_BYTES)
            self._worker = DecoderWorker(request, module=WORKER, messages=(Encoded, Failure))
            self._answers = self._worker.events()
        self._worker.ask(item)
        try:
            answer = next(self._answers, None)
        except DecodeError as error:
            raise EngineError("search_worker_died", model=self.label) from error
        except InputError as error:
            raise InputError(error.key, **{**error.values, "model": self.label}) from error
        if not isinstance(answer, Encoded):
            raise EngineError("search_worker_died", model=self.label)
        return answer

    def _end_later(self) -> None:
        self._stop_timer()
        self._idle = threading.Timer(_IDLE_SECONDS, self.close)
        self._idle.daemon = True
        self._idle.start()

    def _stop_timer(self) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None

    def _end(self) -> None:
        self._stop_timer()
        if self._worker:
            self._worker.__exit__()
            self._worker = None


class ServerEncoder:
    """Encoder with a server of embeddings whose model takes pictures in chat messages; see Encoder.

    How near is near differs from model to model, so everything is a hit.
    """

    least_text = least_picture = -1.0

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self.key = f"{model.model} {model.base_url}".strip()
        self.label = model.model or model.base_url

    def vectors(self, items: Sequence[Encodable], cancel: threading.Event | None = None) -> list[Vector | None]:
        """Return the vector of each item; see Encoder. Of a picture with a box the whole picture counts."""
        parts = [text_part(item.text) if item.text else picture_part(item.jpeg) for item in items]
        vectors = self._model.of_parts(parts, seconds=_SERVER_SECONDS, cancel=cancel)
        return [None if vector is None else np.asarray(vector, np.float32) for vector in vectors]


class Encoders:
    """The encoders that can be used now: a model that was downloaded meanwhile is one of them.

    Args:
        settings: The settings.
        server: The server of embeddings, None without one.
    """

    def __init__(self, settings: Settings, server: EmbeddingModel | None) -> None:
        self.model = PictureModel(settings)
        self._server = ServerEncoder(server) if server else None
        self._lock = threading.Lock()
        self._local: dict[Path, LocalEncoder] = {}

    def current(self) -> Encoder | None:
        """Return the encoder to use: with the model on this machine before the server, None without either."""
        folder = self.model.folder if all(map(find_spec, PACKAGES)) else None
        return self._of_folder(folder) if folder else self._server

    def of_key(self, key: str) -> Encoder | None:
        """Return the encoder of stored vectors, None if its model isn't here any more."""
        if self._server and key == self._server.key:
            return self._server
        folder = Path(key.rpartition(" ")[0])
        encoder = self._of_folder(folder) if folder.is_absolute() and is_whole(folder) else None
        return encoder if encoder and encoder.key == key else None

    def close(self) -> None:
        """End the processes."""
        for encoder in self._local.values():
            encoder.close()

    def _of_folder(self, folder: Path) -> LocalEncoder:
        with self._lock:
            if folder not in self._local:
                self._local[folder] = LocalEncoder(folder, self.model.label)
            return self._local[folder]
