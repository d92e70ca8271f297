"""Shape of the model in a folder: its config.json, and the size of its weights by the headers of its safetensors."""

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from framelens.core.errors import ModelNotFound
from framelens.core.files import reason_of
from framelens.core.units import gib_text
from framelens.models.architecture import Shape
from framelens.models.config import read_shape
from framelens.models.serving_plan import Plan, number_bytes

_MOST_BYTES = 64 * 1024**2
"""Largest JSON file or header that is read."""
_WIDE = ("F32", "F64")
_INDEX = "model.safetensors.index.json"


def read_config(folder: Path) -> Any:
    """Read the config.json of a folder.

    Raises:
        ModelNotFound: It is missing or can't be read.
    """
    try:
        return _read_json(folder / "config.json")
    except FileNotFoundError as error:
        names = ", ".join(sorted(file.name for file in folder.iterdir())[:8])
        raise ModelNotFound("model_config_missing", model=str(folder), files=names or "-") from error
    except OSError as error:
        raise ModelNotFound("model_unreadable", model=str(folder), reason=reason_of(error)) from error
    except ValueError as error:
        raise ModelNotFound("model_config_broken", model=str(folder), reason=str(error)) from error


def shape_in(folder: Path, config: Any) -> Shape:
    """Read the shape of the model in `folder` from its config, with the size of its weights if they are there.

    Raises:
        ModelNotFound: As in `read_shape`; for an unknown type `model_type_weights`, with the size of its weights.
    """
    num_bytes, numbers = weights_in(folder)
    try:
        shape = read_shape(config)
    except ModelNotFound as error:
        if error.key == "model_type_unknown" and num_bytes:
            least = gib_text(loaded_bytes(folder))
            raise ModelNotFound("model_type_weights", **error.values, weights=least) from error
        raise
    if shape.quantisation is not None:
        return replace(shape, stored_bytes=num_bytes)
    return replace(shape, published=numbers, stored_bytes=numbers * number_bytes(shape, Plan()))


def weights_in(folder: Path) -> tuple[int, int]:
    """Return bytes and number of the weights in a folder, by the headers of its safetensors; 0 if a file is missing."""
    tensors = _tensor_sizes(folder)
    return sum(num_bytes for _, num_bytes, _ in tensors), sum(numbers for _, _, numbers in tensors)


def loaded_bytes(folder: Path) -> int:
    """Return the fewest bytes of weights that an engine loads: weights of 32 bits or more may be loaded in 16 bits."""
    return sum(2 * numbers if dtype in _WIDE else num_bytes for dtype, num_bytes, numbers in _tensor_sizes(folder))


def _tensor_sizes(folder: Path) -> list[tuple[str, int, int]]:
    """List type, bytes and number of the weights of each tensor in a folder; empty if a file is missing."""
    try:
        tensors = [tensor for name in _weight_files(folder) for tensor in _tensors(folder / name)]
        ends = [(tensor["data_offsets"][1] - tensor["data_offsets"][0], prod(tensor["shape"])) for tensor in tensors]
        return [(str(tensor["dtype"]), *each) for tensor, each in zip(tensors, ends, strict=True)]
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return []


def _weight_files(folder: Path) -> list[str]:
    if (folder / _INDEX).is_file():
        return sorted(set(_read_json(folder / _INDEX)["weight_map"].values()))
    return [file.name for file in folder.glob("*.safetensors")]


def _tensors(file: Path) -> list[Any]:
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(min(size, _MOST_BYTES)))
    return [tensor for name, tensor in header.items() if name != "__metadata__"]


def _read_json(file: Path) -> Any:
    with file.open("rb") as stream:
        return json.loads(stream.read(_MOST_BYTES).decode("utf-8-sig"))
