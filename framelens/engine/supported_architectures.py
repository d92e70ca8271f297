"""Architectures, model types and quantisation methods that the installed vLLM and transformers support.

They are read from source text: importing the packages would take ten seconds and torch, while `ast` reads their
literal tables in a tenth of a second. A table that cannot be read gives an empty set, which means "unknown"; so does
vLLM with plugins, since a plugin may add to its tables.
"""

import ast
import functools
import re
from collections.abc import Iterator, Set
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from framelens.core.errors import EngineError
from framelens.engine.hardware import Device

_NAME = re.compile(r"[A-Za-z]\w*")
Kind = Literal["vllm", "transformers"]
RequestedDevice = Literal["auto", "cpu", "cuda"]
_VLLM_NEEDS = {"avx2", "asimd"}
"""vLLM is built for processors with one of these (x86, ARM); transformers needs neither."""


def architectures() -> frozenset[str]:
    """Return the architectures that vLLM has a class for, empty if unknown."""
    return frozenset() if _has_plugins() else _architectures(_package("vllm"))


def model_types() -> frozenset[str]:
    """Return the `model_type`s whose config.json vLLM reads without the model's own code, empty if unknown."""
    in_vllm = _vllm_model_types(_package("vllm"))
    in_transformers = transformers_model_types()
    return in_vllm | in_transformers if in_vllm and in_transformers and not _has_plugins() else frozenset()


def transformers_model_types() -> frozenset[str]:
    """Return the model types that transformers reads, empty if unknown; vLLM adds some of its own."""
    return _transformers_model_types(_package("transformers"))


def quantisations() -> frozenset[str]:
    """Return the names of vLLM's quantisation methods, empty if unknown."""
    folder = _package("vllm")
    if folder is None or _has_plugins():
        return frozenset()
    for name, value in _assigned(folder / "model_executor" / "layers" / "quantization" / "__init__.py"):
        if name == "QuantizationMethods":
            return frozenset(_strings(value))
    return frozenset()


def has_transformers_class(architecture: str, model_type: str) -> bool:
    """Check whether transformers has a class of this name, in its auto classes or in the type's own module."""
    folder = _package("transformers")
    if folder is None or not _NAME.fullmatch(architecture):
        return False
    files = [folder / "models" / "auto" / "modeling_auto.py"]
    if re.fullmatch(r"[\w-]+", model_type):
        files += sorted((folder / "models" / model_type.replace("-", "_")).glob("modeling_*.py"))
    wanted = re.compile(rf"['\"]{architecture}['\"]|^class {architecture}\(", re.MULTILINE)
    return any(wanted.search(_text(file)) for file in files)


def may_run_in_vllm(model_type: str) -> bool:
    """Check whether vLLM could run transformers' class for this vision model: its processor must count tokens."""
    folder = _package("transformers")
    if folder is None or not re.fullmatch(r"[\w-]+", model_type):
        return True
    files = (folder / "models" / model_type.replace("-", "_")).glob("processing_*.py")
    own = [text for text in map(_text, files) if "Processor(ProcessorMixin)" in text]  # others inherit it
    return not own or any("_get_num_multimodal_tokens" in text for text in own)


@functools.cache
def _architectures(vllm: Path | None) -> frozenset[str]:
    if vllm is None:
        return frozenset()
    tables = dict(_assigned(vllm / "model_executor" / "models" / "registry.py"))

    def keys(table: ast.expr | None) -> Iterator[str]:
        for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
            if isinstance(key, ast.Constant):
                yield str(key.value)
            elif key is None and isinstance(value, ast.Name):
                yield from keys(tables.get(value.id))

    return frozenset(keys(tables.get("_VLLM_MODELS")))


@functools.cache
def _vllm_model_types(vllm: Path | None) -> frozenset[str]:
    """Read the types that vLLM adds to transformers': keywords of one call, some of them in a literal."""
    if vllm is None:
        return frozenset()
    for name, value in _assigned(vllm / "transformers_utils" / "config.py"):
        if name == "_CONFIG_REGISTRY" and isinstance(value, ast.Call):
            literal = (key for word in value.keywords if isinstance(word.value, ast.Dict) for key in word.value.keys)
            named = {word.arg for word in value.keywords if word.arg}
            return frozenset(named | {str(key.value) for key in literal if isinstance(key, ast.Constant)})
    return frozenset()


@functools.cache
def _transformers_model_types(transformers: Path | None) -> frozenset[str]:
    """Read the keys of CONFIG_MAPPING_NAMES from whichever of its two known files holds it."""
    found: set[str] = set()
    for name in ("auto_mappings.py", "configuration_auto.py") if transformers else ():
        for table, value in _assigned(transformers / "models" / "auto" / name) if transformers else ():
            if table == "CONFIG_MAPPING_NAMES":
                found.update(_first_strings(value))
    return frozenset(found)


def _first_strings(table: ast.expr) -> Iterator[str]:
    for node in ast.walk(table):
        match node:
            case ast.Tuple(elts=[ast.Constant(value=str(first)), ast.Constant()]):
                yield first
            case ast.Dict(keys=keys):
                yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))


def _strings(value: ast.expr) -> Iterator[str]:
    return (node.value for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _assigned(file: Path) -> Iterator[tuple[str, ast.expr]]:
    """List the top-level assignments of a module in order, as (name, value)."""
    for node in ast.parse(_text(file)).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:  # a version that keeps it elsewhere
        return ""


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


@functools.cache
def _has_plugins() -> bool:
    """Check whether a third-party package registers a vLLM plugin."""
    found = metadata.entry_points(group="vllm.general_plugins")
    return any(not (point.dist and point.dist.name.startswith("vllm")) for point in found)


def choose_engine(
    architecture: str | None,
    wanted: RequestedDevice,
    *,
    installed: Device | None,
    known: Set[str],
    prefers: Kind | None,
    cpu_features: Set[str] = frozenset(),
) -> Kind:
    """Choose the engine for a model.

    Memory is not considered: the weights are the same for both engines, and vLLM's cache can be set.

    Args:
        architecture: From the model's config.json; None if not known yet.
        wanted: Requested device.
        installed: Device of the installed vLLM; None without vLLM.
        known: Architectures that vLLM supports; empty if unknown.
        prefers: Engine that the catalogue recommends for the model.
        cpu_features: CPU flags as in /proc/cpuinfo; empty if unknown.

    Raises:
        EngineError: CUDA is requested and the installed engine cannot use it.
    """
    if wanted == "cuda" and installed != "gpu":
        raise EngineError("serve_no_cuda")
    if installed is None or (wanted == "cpu" and installed == "gpu"):  # that build does not compute on processors
        return "transformers"
    if installed == "cpu" and cpu_features and not _VLLM_NEEDS & cpu_features:
        return "transformers"
    if prefers == "transformers" or (architecture and known and architecture not in known):
        return "transformers"
    return "vllm"
