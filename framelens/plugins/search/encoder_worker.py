"""Encoder worker: a sandboxed process that loads an image-text model in ONNX and encodes what it is sent.

It is started by framelens.plugins.search.encoder and works as framelens.video.worker does. Pictures are decoded here.
A model is loaded when its first picture or text arrives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framelens import InputError
from framelens.plugin.files import Region
from framelens.plugin.processes import further_requests, serve
from framelens.plugins.search.encoder import FILES, TEXT, VISION, Encodable, Encoded, EncoderRequest

_NICENESS = 10
"""As for text recognition: the page goes first."""
_THREADS = 1
"""More wait for each other: two take 0.17 s of the processor for a picture, one takes 0.10 s."""
_LENGTH, _LONGEST = 64, 512
"""Tokens of a text where the tokenizer's settings name none, or more than a model has."""
_OUTPUTS = ("text_embeds", "image_embeds", "pooler_output")
"""Names of the vectors of CLIP and of SigLIP."""
_BICUBIC = 3
_DRAFT = 512
"""Least side of a picture that is decoded, for models that see up to half of it."""


def files_of(request: EncoderRequest) -> list[Path]:
    """Return the files that a request reads."""
    return [request.path / name for name in FILES]


def begin(request: EncoderRequest) -> Iterator[Encoded]:
    """Start a request; see framelens.video.worker.serve."""
    model = ImageTextModel(request.path)
    for item in further_requests(Encodable):
        try:
            vector = model.text_vector(item.text) if item.text else model.picture_vector(item.jpeg, item.box)
        except Exception as error:  # ONNX Runtime's and the tokenizer's have no common class
            raise InputError("search_model_unusable", reason=f"{type(error).__name__}: {error}") from error
        yield Encoded(b"" if vector is None else vector.astype(np.float32).tobytes())


class ImageTextModel:
    """A model of two halves, as the hub's ONNX models for Transformers.js are laid out.

    Args:
        folder: Folder with `FILES`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def text_vector(self, text: str) -> NDArray[np.float32]:
        """Encode a text, padded to the length that the model was trained with: SigLIP needs that."""
        self._tokenizer.enable_truncation(self._length)
        ids = self._tokenizer.encode(text.lower()).ids
        pad = self._tokenizer.token_to_id(str(self._settings("tokenizer_config").get("pad_token"))) or 0
        padded = np.array([ids + [pad] * (self._length - len(ids))], np.int64)
        given = {"input_ids": padded, "attention_mask": (np.arange(self._length) < len(ids))[None].astype(np.int64)}
        return _run(self._text, {entry.name: given[entry.name] for entry in self._text.get_inputs()})

    def picture_vector(self, jpeg: bytes, box: Region | None) -> NDArray[np.float32] | None:
        """Encode a picture or a part of it, None if it can't be decoded."""
        from PIL import Image

        try:
            with Image.open(BytesIO(jpeg)) as file:
                if not box:
                    file.draft("RGB", (_DRAFT, _DRAFT))  # decodes a JPEG at a fraction of its size
                picture = file.convert("RGB")
        except (OSError, SyntaxError, ValueError):
            return None
        if box:
            (left, top, right, bottom), (width, height) = box, picture.size
            picture = picture.crop((left * width, top * height, right * width, bottom * height))
        return _run(self._vision, {self._vision.get_inputs()[0].name: self._pixels(picture)})

    def _pixels(self, picture: Any) -> NDArray[np.float32]:
        """Scale and normalise a picture as the model's processor does."""
        settings = self._settings("preprocessor_config")
        size, resample = settings["size"], settings.get("resample", _BICUBIC)
        if edge := size.get("shortest_edge"):
            factor = edge / min(picture.size)
            picture = picture.resize(tuple(max(edge, round(side * factor)) for side in picture.size), resample)
            left, top = ((side - edge) // 2 for side in picture.size)
            picture = picture.crop((left, top, left + edge, top + edge))
        else:
            picture = picture.resize((size["width"], size["height"]), resample)
        mean, spread = (np.array(settings[f"image_{name}"], np.float32) for name in ("mean", "std"))
        pixels = ((np.asarray(picture, np.float32) / 255 - mean) / spread).astype(np.float32)
        return pixels.transpose(2, 0, 1)[None]

    @cached_property
    def _vision(self) -> Any:
        return self._load(VISION)

    @cached_property
    def _text(self) -> Any:
        return self._load(TEXT)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self._folder / "tokenizer.json"))

    @cached_property
    def _length(self) -> int:
        length = self._settings("tokenizer_config").get("model_max_length") or _LENGTH
        return int(length) if length <= _LONGEST else _LENGTH

    def _settings(self, name: str) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        return settings

    def _load(self, name: str) -> Any:
        from onnxruntime import InferenceSession, SessionOptions  # type: ignore[import-untyped]

        options = SessionOptions()
        options.intra_op_num_threads = _THREADS
        return InferenceSession(str(self._folder / name), options, providers=["CPUExecutionProvider"])


def _run(session: Any, given: dict[str, Any]) -> NDArray[np.float32]:
    names = [output.name for output in session.get_outputs()]
    name = next(name for name in _OUTPUTS if name in names)
    vector: NDArray[np.float32] = session.run([name], given)[0][0]
    return vector


def main() -> None:
    """Answer the requests of the process that started this one."""
    serve(EncoderRequest, files_of, begin, niceness=_NICENESS)


if __name__ == "__main__":
    main()
