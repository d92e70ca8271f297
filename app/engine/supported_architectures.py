"""What the installed vLLM and transformers know, read from their source text: architectures, model types, quantisation.

Importing them would take ten seconds and torch; their tables are literals, which `ast` reads in a tenth of one. What
cannot be read is an empty set, by which nobody judges; so is everything where a plugin may have added to vLLM's own.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Set
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from app.engine.hardware import Device
from app.errors import EngineError

_NAME = re.compile(r"[A-Za-z]\w*")
Kind = Literal["vllm", "transformers"]
WantedDevice = Literal["auto", "cpu", "cuda"]
_VLLM_NEEDS = {"avx2", "asimd"}
"""What one of an x86 or an ARM processor must have: vLLM is built for nothing older, transformers needs neither."""


def architectures() -> frozenset[str]:
    """Those that vLLM has a class for."""
    return frozenset() if _has_plugins() else _architectures(_package("vllm"))


def model_types() -> frozenset[str]:
    """The `model_type`s whose config.json can be read without code of the model's own."""
    ours = _in_vllm(_package("vllm"))
    theirs = transformers_model_types()
    return ours | theirs if ours and theirs and not _has_plugins() else frozenset()


def transformers_model_types() -> frozenset[str]:
    """Those that transformers itself reads; vLLM has some of its own besides."""
    return _in_transformers(_package("transformers"))


def quantisations() -> frozenset[str]:
    """The methods of quantisation that vLLM has, by its names."""
    folder = _package("vllm")
    if folder is None or _has_plugins():
        return frozenset()
    for name, value in _assigned(folder / "model_executor" / "layers" / "quantization" / "__init__.py"):
        if name == "QuantizationMethods":
            return frozenset(_strings(value))
    return frozenset()


def has_transformers_class(architecture: str, model_type: str) -> bool:
    """Whether transformers has a class of this name, by its list of automatic classes and the type's own module."""
    folder = _package("transformers")
    if folder is None or not _NAME.fullmatch(architecture):
        return False
    files = [folder / "models" / "auto" / "modeling_auto.py"]
    if re.fullmatch(r"[\w-]+", model_type):
        files += sorted((folder / "models" / model_type.replace("-", "_")).glob("modeling_*.py"))
    wanted = re.compile(rf"['\"]{architecture}['\"]|^class {architecture}\(", re.MULTILINE)
    return any(wanted.search(_text(file)) for file in files)


def may_run_in_vllm(model_type: str) -> bool:
    """Whether vLLM could run transformers' class for this type of model that sees: its processor must count tokens."""
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
def _in_vllm(vllm: Path | None) -> frozenset[str]:
    """What vLLM adds to transformers' types: keywords of one call, some of them in a literal."""
    if vllm is None:
        return frozenset()
    for name, value in _assigned(vllm / "transformers_utils" / "config.py"):
        if name == "_CONFIG_REGISTRY" and isinstance(value, ast.Call):
            literal = (key for word in value.keywords if isinstance(word.value, ast.Dict) for key in word.value.keys)
            named = {word.arg for word in value.keywords if word.arg}
            return frozenset(named | {str(key.value) for key in literal if isinstance(key, ast.Constant)})
    return frozenset()


@functools.cache
def _in_transformers(transformers: Path | None) -> frozenset[str]:
    """First parts of the pairs in CONFIG_MAPPING_NAMES, in either of the two files that have held it."""
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
    """The names that a module gives values to, in order."""
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
    """Whether somebody else's package adds to vLLM when it starts."""
    found = metadata.entry_points(group="vllm.general_plugins")
    return any(not (point.dist and point.dist.name.startswith("vllm")) for point in found)


def fitting_engine(
    architecture: str | None,
    wanted: WantedDevice,
    *,
    installed: Device | None,
    known: Set[str],
    prefers: Kind | None,
    cpu_features: Set[str] = frozenset(),
) -> Kind:
    """The engine for a model whose config.json names this `architecture` (None where it is not known yet).

    `installed`: what the installed vLLM computes on, None without one. `known`: the architectures that it has; none
    known means that nobody can tell. `prefers`: what the catalogue says of the model. `cpu_features`: as /proc/cpuinfo
    names them, none where it does not. Memory decides nothing: the weights are the same for both, and vLLM's cache
    can be set. Raises EngineError where cards are asked for and nothing here computes on them.
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
