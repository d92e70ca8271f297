"""Shape of the model in a folder: its config.json, and the size of its weights by the headers of its safetensors."""

import json
from pathlib import Path
from typing import Any

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Shape
from framelens.models.config.parser import read_shape

_MOST_BYTES = 4 * 1024**2
"""Largest JSON file that is read."""
_INDEX = "model.safetensors.index.json"


def read_config(folder: Path) -> Any:
    """Read the config.json of a folder.

    Raises:
        ModelNotFound: It is missing or can't be read.
    """
    try:
        return _read_json(folder / "config.json")
    except FileNotFoundError as error:
        listed = ", ".join(sorted(one.name for one in folder.iterdir())[:8])
        raise ModelNotFound("model_config_missing", model=str(folder), files=listed or "-") from error
    except OSError as error:
        raise ModelNotFound("model_unreadable", model=str(folder), reason=error.strerror or str(error)) from error
    except ValueError as error:
        raise ModelNotFound("model_config_broken", model=str(folder), reason=str(error)) from error


def shape_in(folder: Path, config: Any) -> Shape:
    """Read the shape of the model in `folder` from its config, with the size of its weights if they are there.

    Raises:
        ModelNotFound: As in `read_shape`.
    """
    return read_shape(config, stored_bytes=stored_bytes(folder))


def stored_bytes(folder: Path) -> int:
    """Return the bytes of the weights in a folder, by the index or the headers of its safetensors; 0 if unknown."""
    try:
        if (folder / _INDEX).is_file():
            return int(_read_json(folder / _INDEX)["metadata"]["total_size"])
        return sum(_data_bytes(file) for file in folder.glob("*.safetensors"))
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _data_bytes(file: Path) -> int:
    with file.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
    return max(0, file.stat().st_size - 8 - header_bytes)


def _read_json(file: Path) -> Any:
    with file.open("rb") as stream:
        return json.loads(stream.read(_MOST_BYTES).decode("utf-8-sig"))
