"""Script of a child process: import the installed engines and write what they know as JSON to the file given.

It is run by `engine_probe.py` and imports nothing of this package. What an engine doesn't say is left out: unknown.
Under "faults" is why, by the name of what is missing, but for an engine that isn't installed.
"""

import argparse
import ctypes
import dataclasses
import json
import signal
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

_PLAIN = {bool: "bool", int: "int", float: "float", str: "str", Path: "str", type: "str"}
_LISTS = (list, set, tuple, Sequence, Set)
_BOUNDS = ("gt", "ge", "lt", "le")
_ENGINES = ("vllm", "transformers")
_MOST_CHARACTERS = 300  # of a fault
_PR_SET_PDEATHSIG = 1


def arguments() -> dict[str, Any]:
    """Describe the arguments of vLLM's server: the arguments of its engine, and of its front without the network."""
    engine = import_module("vllm.engine.arg_utils")
    front = import_module("vllm.entrypoints.launchers.cli_args")
    parser = front.make_arg_parser(import_module("vllm.utils.argparse_utils").FlexibleArgumentParser())
    actions = {action.dest: action for action in parser._actions}
    fields = (*dataclasses.fields(engine.AsyncEngineArgs), *dataclasses.fields(front.BaseFrontendArgs))
    bounds = _bounds(parser)
    return {
        field.name: _argument(field.type, actions[field.name]) | {"bounds": bounds.get(field.name, [])}
        for field in fields
        if field.name in actions
    }


def _argument(hint: Any, action: argparse.Action) -> dict[str, Any]:
    found: set[str] = set()
    choices: list[object] = []
    for member in _members(hint):
        if typing.get_origin(member) is Literal:
            choices += typing.get_args(member)
        else:
            found.add(_json_type(member))
    if "?" in found:  # only vLLM can check the value
        found |= set() if "str" in found or choices else {"str", "int", "float", "dict", "list"}
    readable = False
    if callable(action.type):
        with suppress(Exception):
            readable = action.type("8k") == 8000
    return {
        "types": sorted(found - {"?", ""}),
        "choices": [] if "str" in found else choices,
        "takes_readable": readable,
    }


def _members(hint: Any) -> Iterator[Any]:
    """List the alternatives of a type."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _members(member)
    elif origin is typing.Annotated:
        yield from _members(typing.get_args(hint)[0])
    elif type(hint).__name__ == "TypeAliasType":
        yield from _members(hint.__value__)
    else:
        yield hint


def _json_type(member: Any) -> str:
    """Return the JSON type of a Python type; a configuration object is written as a mapping."""
    if member is type(None):
        return ""
    kind = typing.get_origin(member) or member
    if kind in _PLAIN:
        return _PLAIN[kind]
    if not isinstance(kind, type):
        return "?"
    if issubclass(kind, _LISTS):
        return "list"
    if issubclass(kind, Mapping) or dataclasses.is_dataclass(kind):
        return "dict"
    return "str" if kind.__name__ == "dtype" else "?"


def _bounds(parser: argparse.ArgumentParser) -> dict[str, list[tuple[str, float]]]:
    """Return the bounds of arguments by name; a group of arguments has the name of the configuration that they set."""
    configurations = vars(import_module("vllm.config"))
    found = {}
    for group in parser._action_groups:
        fields = getattr(configurations.get(str(group.title)), "__pydantic_fields__", {})
        for name in (action.dest for action in group._group_actions if action.dest in fields):
            found[name] = [
                (word, float(getattr(limit, word)))
                for limit in fields[name].metadata
                for word in _BOUNDS
                if isinstance(getattr(limit, word, None), int | float)
            ]
    return found


def architectures() -> list[str]:
    """List the architectures that vLLM has a class for."""
    return sorted(import_module("vllm.model_executor.models.registry").ModelRegistry.get_supported_archs())


def vllm_model_types() -> list[str]:
    """List the model types that vLLM adds to the types of transformers."""
    return sorted(import_module("vllm.transformers_utils.config")._CONFIG_REGISTRY)


def quantisations() -> list[str]:
    """List the names of vLLM's quantisation methods."""
    return sorted(import_module("vllm.model_executor.layers.quantization").QUANTIZATION_METHODS)


def transformers_model_types() -> list[str]:
    """List the model types that transformers reads."""
    return sorted(import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES)


def transformers_classes() -> list[str]:
    """List the names of transformers' model classes."""
    return sorted(name for name in dir(import_module("transformers")) if "For" in name or name.endswith("Model"))


def types_without_count() -> list[str]:
    """List the model types whose processor doesn't count tokens of images, so that vLLM can't run their class."""
    auto = import_module("transformers.models.auto.processing_auto")
    package = import_module("transformers")
    found = []
    for model_type, name in auto.PROCESSOR_MAPPING_NAMES.items():
        with suppress(Exception):  # it needs a package that isn't here
            processor = getattr(package, str(name))
            if issubclass(processor, package.ProcessorMixin) and not hasattr(processor, "_get_num_multimodal_tokens"):
                found.append(model_type)
    return sorted(found)


_PARTS: tuple[Callable[[], Any], ...] = (
    arguments, architectures, vllm_model_types, quantisations,
    transformers_model_types, transformers_classes, types_without_count,
)  # fmt: skip


def main() -> None:
    """Write what each engine says, unless the program that asked is killed before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    known: dict[str, Any] = {}
    for part in _PARTS:
        try:
            known[part.__name__] = part()
        except Exception as error:  # noqa: BLE001 - an engine that isn't here or broken, or another layout
            reason = f"{type(error).__name__}: {error}"
            sys.stderr.write(f"{part.__name__}: {reason}\n")
            if getattr(error, "name", "") not in _ENGINES:
                known.setdefault("faults", {})[part.__name__] = reason[:_MOST_CHARACTERS]
    Path(sys.argv[1]).write_text(json.dumps(known, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
