"""Model references (VLLM_MODEL_PATH): a local folder, a folder of a hub's cache, or a hub id.

`resolve_model` finds the folder if it exists; `check_model_folder` checks that an engine could load it, reading headers
only, in milliseconds. Downloading is `framelens.engine.downloads.hub`.
"""

import json
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from framelens.core.engines.model_hub import model_on_page
from framelens.core.errors import ModelNotFound
from framelens.core.files import reason_of, typed_path
from framelens.engine.hub_cache import find_in_cache, in_cache

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9_][\w.-]{0,95})?")
_DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)")
_TOKENIZER = re.compile(r"tokenizer\.(?:json|model.*)|vocab\.(?:json|txt)|.*\.(?:tiktoken|gguf|model)|tekken\.json")
# Repositories often hold the same weights in formats for other programs.
UNNEEDED_FILES = (
    *("*.msgpack", "*.h5", "*.ot", "*.onnx", "*.onnx_data", "*.tflite", "*.mlmodel"),
    *("original/*", "onnx/*", "openvino/*"),
)
OLDER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.gguf")  # not needed where there are safetensors
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib")
"""Patterns of files that may be pickles, which can run any code while they are loaded."""
SAFE_WEIGHTS = (".safetensors", ".gguf")
_PICKLED_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt")
_WHOLE_MODEL = {"model.safetensors", "model.safetensors.index.json", "consolidated.safetensors"}


@dataclass(frozen=True)
class ModelReference:
    """A resolved model. `folder` is None if it has to be downloaded from the hub under `hub_id`."""

    name: str
    folder: Path | None
    hub_id: str | None


def resolve_model(reference: str, *, cache_dir: Path | None = None) -> ModelReference:
    """Resolve `reference` to a model on this machine. Nothing is downloaded and no network is used.

    Args:
        reference: A hub id, the address of its page, or a path. A path may be relative, start with ~, be in Windows
            form (on Windows, or under WSL if the drive is mounted), or name a folder of a hub's cache.
        cache_dir: A hub's cache; None uses the environment's caches.

    Raises:
        ModelNotFound: The path doesn't exist, or `reference` is neither a path nor an id.
    """
    text = _without_hub(reference)
    path = _as_path(text)
    if text and path.is_dir():
        return _reference_of(path)
    if path.is_file():
        raise ModelNotFound("model_is_file", model=reference, folder=str(path.absolute().parent))
    if _looks_like_path(text) or not _HUB_ID.fullmatch(text):
        raise ModelNotFound("model_folder_missing", model=reference, existing=str(_existing_parent(path)))
    return ModelReference(text, find_in_cache(text, _is_whole, cache_dir=cache_dir), text)


def model_name(reference: str) -> str:
    """Return the display name of the model. Never fails: an unresolvable reference is its own name."""
    text = _without_hub(reference)
    path = _as_path(text)
    return _reference_of(path).name if text and path.is_dir() else text


def last_change(folder: Path) -> int:
    """Return the modification time of the newest file of a model in nanoseconds, 0 if the folder can't be read."""
    try:
        return max((file.stat().st_mtime_ns for file in folder.iterdir() if file.is_file()), default=0)
    except OSError:
        return 0


def _without_hub(reference: str) -> str:
    """Return a reference without quotes, and the id alone of an address."""
    text = reference.strip().strip("\"'")
    plain = text.rstrip("/")
    return model_on_page(text) or (plain if _HUB_ID.fullmatch(plain) else text)


def _is_whole(folder: Path) -> bool:
    """Check that a downloaded model could be loaded; pickles are refused where it is used, not as missing."""
    try:
        check_model_folder(folder, allow_pickle=True)
    except ModelNotFound:
        return False
    return True


def _as_path(text: str) -> Path:
    if sys.platform != "win32" and (drive := _DRIVE.fullmatch(text)):
        mounted = Path("/mnt") / drive[1].lower() / drive[2].replace("\\", "/")
        return mounted if mounted.exists() else Path(text)
    return Path(typed_path(text))


def _looks_like_path(text: str) -> bool:
    return text.startswith((".", "~", "/", "\\")) or "\\" in text or bool(_DRIVE.fullmatch(text)) or text.count("/") > 1


def _existing_parent(path: Path) -> Path:
    """Return the deepest existing parent of `path`, to show where a path goes wrong."""
    return next((parent for parent in path.absolute().parents if parent.is_dir()), Path(path.anchor or "/"))


def _reference_of(folder: Path) -> ModelReference:
    """Return the reference of a folder; in a hub's cache, of its snapshot under the model's hub id."""
    if cached := in_cache(folder):
        return ModelReference(cached[0], cached[1], cached[0])
    return ModelReference(folder.absolute().name or str(folder), folder, None)


# ---- completeness of a folder ----------------------------------------------------------------------------------------


def check_model_folder(path: Path, *, needs_tokenizer: bool = True, allow_pickle: bool = False) -> None:
    """Check that an engine could load the model folder `path`.

    Checked are read access, config.json, a tokenizer (without a tokenizer, vLLM starts and answers nonsense), the
    shards that the weights' index names, and the length of every safetensors file against its own header.

    Args:
        path: The folder.
        needs_tokenizer: Whether a missing tokenizer is an error.
        allow_pickle: Whether an engine may load pickles, which can run any code.

    Raises:
        ModelNotFound: Something is missing, broken or refused; the error says what.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir())
        config = path / "config.json"
        if "config.json" not in names:
            raise ModelNotFound("model_config_missing", model=str(path), files=", ".join(names[:8]) or "-")
        if not isinstance(json.loads(config.read_text(encoding="utf-8")), dict):
            raise ValueError("not a JSON object")
    except NotADirectoryError as error:
        raise ModelNotFound("model_is_file", model=str(path), folder=str(path.absolute().parent)) from error
    except FileNotFoundError as error:
        raise ModelNotFound("model_folder_missing", model=str(path), existing=str(_existing_parent(path))) from error
    except OSError as error:
        raise ModelNotFound("model_unreadable", model=str(path), reason=reason_of(error)) from error
    except ValueError as error:
        raise ModelNotFound("model_config_broken", model=str(path), reason=str(error)) from error
    if needs_tokenizer and not any(_TOKENIZER.fullmatch(name) for name in names):
        raise ModelNotFound("model_tokenizer_missing", model=str(path))
    if not allow_pickle:
        _refuse_pickles(path, names)
    _check_weights(path, names)


def _refuse_pickles(path: Path, names: list[str]) -> None:
    """Refuse a folder from which an engine would load a pickle.

    Pickles beside a whole model in safetensors stay unread and are no reason to refuse it.
    """
    pickled = [name for name in names if name.endswith(_PICKLED_WEIGHTS)]
    unsafe = [name for name in _indexed_shards(path, names) if not name.endswith(SAFE_WEIGHTS)]
    if not any(name.endswith(SAFE_WEIGHTS) for name in names):
        unsafe += pickled
    elif not _WHOLE_MODEL & set(names):  # Transformers takes pytorch_model.bin before safetensors of other names
        unsafe += [name for name in pickled if name.startswith("pytorch_model")]
    if "adapter_config.json" in names and "adapter_model.safetensors" not in names:
        unsafe += [name for name in pickled if name.startswith("adapter_model")]
    if unsafe:
        raise pickle_error(str(path), unsafe)


def pickle_error(model: str, files: list[str]) -> ModelNotFound:
    """Return the error for a model whose `files` are pickles."""
    files = sorted(set(files))
    names_text = ", ".join(files[:3]) + (" …" if len(files) > 3 else "")
    return ModelNotFound("model_pickled", model=model, files=names_text)


def _check_weights(path: Path, names: list[str]) -> None:
    if not any(name.endswith((*SAFE_WEIGHTS, *_PICKLED_WEIGHTS)) for name in names):
        raise ModelNotFound("model_weights_missing", model=str(path))
    if missing := [name for name in _indexed_shards(path, names) if not (path / name).is_file()]:
        names_text = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise ModelNotFound("model_shards_missing", model=str(path), count=len(missing), files=names_text)
    for name in names:
        if name.endswith(".safetensors") and (reason := _safetensors_fault(path / name)):
            raise ModelNotFound("model_shard_broken", model=str(path), file=name, reason=reason)


def _indexed_shards(path: Path, names: list[str]) -> Iterator[str]:
    """List the files named by the index of the weights in use; empty without an index."""
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    index = path / ("model.safetensors.index.json" if has_safetensors else "pytorch_model.bin.index.json")
    if not index.is_file() and not (index := path / "model.safetensors.index.json").is_file():
        return
    try:
        yield from sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelNotFound(
            "model_shard_broken", model=str(path), file=index.name, reason=f"{type(error).__name__}: {error}"
        ) from error


def _safetensors_fault(file: Path) -> str | None:
    """Return why `file` is not a complete safetensors file, or None if it is.

    The format: eight bytes of little-endian header length, then a JSON header with each tensor's [start, end) in the
    data that follows.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            if len(start) < 8:
                return f"{size} bytes"
            (header_length,) = struct.unpack("<Q", start)
            if header_length > size - 8:
                return f"{size} bytes, header {header_length}"
            header = json.loads(stream.read(header_length))
        end = max((tensor["data_offsets"][1] for key, tensor in header.items() if key != "__metadata__"), default=0)
    except OSError as error:
        return reason_of(error)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "header"
    expected = 8 + header_length + end
    return None if size == expected else f"{size} of {expected} bytes"
