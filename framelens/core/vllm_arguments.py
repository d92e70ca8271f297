"""vLLM's engine arguments, read without importing vLLM: names, types, choices, bounds, and the command line.

They are parsed from the source text of the installed vLLM (a tenth of a second, instead of ten for importing it), so
they are that version's own. Without vLLM nothing is known, and only JSON syntax is checked.
"""

import ast
import difflib
import functools
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from framelens.core.domain import Notice, NoticeValue
from framelens.core.errors import ConfigError

Bounds = tuple[tuple[str, float], ...]

_COMPARE: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
}
_JSON_NAMES = {"int": "integer", "float": "number", "str": "string", "dict": "object", "list": "array"}
_PLAIN = {"bool", *_JSON_NAMES}
_LISTS = {"list", "List", "set", "tuple", "Sequence"}
_READABLE = re.compile(r"-1|auto|\d+(?:\.\d+)?[kKmMgGtT]?")  # forms of some numbers on the command line: 8k, 32K
_QUANTIZED = re.compile(r"(?:u?int|fp|nf|q)\d.*|awq.*|gptq.*|float8.*|e\dm\d.*", re.IGNORECASE)
_OURS = {"model": "VLLM_MODEL_PATH"}


@dataclass(frozen=True)
class Argument:
    """One argument: the JSON types it accepts, its choices if it accepts no others, and its bounds."""

    name: str
    types: frozenset[str]
    choices: tuple[object, ...] = ()
    bounds: Bounds = ()
    takes_readable: bool = False

    @property
    def allowed(self) -> NoticeValue:
        """Return the allowed values for display, in words of the reader's language."""
        named: list[NoticeValue] = ["true", "false"] if "bool" in self.types else []
        named += [json.dumps(choice) for choice in self.choices]
        named += [Notice(f"json_{name}") for name in sorted(_JSON_NAMES[plain] for plain in self.types - {"bool"})]
        first = named.pop(0) if named else ""
        words = functools.reduce(lambda one, other: Notice("either", {"first": one, "second": other}), named, first)
        limits = ", ".join(f"{_COMPARE[word][0]} {limit:g}" for word, limit in self.bounds)
        return Notice("within", {"words": words, "limits": limits}) if limits else words


def check(arguments: Mapping[str, object]) -> None:
    """Raise ConfigError for the first argument that the installed vLLM would refuse.

    The error has the key, the value, the allowed values, and the nearest name for an unknown key. None means vLLM's
    default and is always accepted.
    """
    known = installed_arguments()
    for key, value in arguments.items():
        if key in _OURS:
            raise ConfigError("vllm_argument_elsewhere", key=key, value=_shown(value), variable=_OURS[key])
        if known and key not in known:
            nearest = (difflib.get_close_matches(key.replace("-", "_").lower(), known, 1, 0.0) or ["-"])[0]
            raise ConfigError("vllm_argument_unknown", key=key, value=_shown(value), nearest=nearest)
        if known and value is not None:
            _check_value(known[key], value)


def arguments_to_argv(arguments: Mapping[str, object]) -> list[str]:
    """Convert `arguments` to flags of vLLM's server.

    Booleans become --flag and --no-flag, mappings JSON; None is omitted.

    >>> arguments_to_argv({"max_model_len": 8192, "enforce_eager": True, "trust_remote_code": False})
    ['--max-model-len=8192', '--enforce-eager', '--no-trust-remote-code']
    """
    return [word for name, value in arguments.items() for word in _flag(name.replace("_", "-"), value)]


def _flag(name: str, value: object) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [f"--{name}" if value else f"--no-{name}"]
        case list() | tuple():
            return [f"--{name}", *(_word(item) for item in value)] if value else []
        case dict():
            return [f"--{name}", json.dumps(value)]
        case _:
            return [f"--{name}={value}"]


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# ---- one value against one argument ----------------------------------------------------------------------------------


def _check_value(argument: Argument, value: object) -> None:
    key, shown = argument.name, _shown(value)
    if key == "dtype" and isinstance(value, str) and value not in argument.choices and _QUANTIZED.fullmatch(value):
        raise ConfigError("vllm_dtype_quantized", value=shown, allowed=argument.allowed)
    if isinstance(value, bool) and "bool" in argument.types:
        return
    if argument.takes_readable and isinstance(value, str) and _READABLE.fullmatch(value):
        return
    if argument.choices and value not in argument.choices and not _fits(argument.types, value):
        nearest = difflib.get_close_matches(str(value), [str(choice) for choice in argument.choices], 1, 0.0)
        raise ConfigError(
            "vllm_argument_choice", key=key, value=shown, allowed=argument.allowed, nearest=(nearest or ["-"])[0]
        )
    if not argument.choices and not _fits(argument.types, value):
        raise ConfigError("vllm_argument_type", key=key, value=shown, allowed=argument.allowed)
    if isinstance(value, int | float) and not all(_COMPARE[word][1](value, limit) for word, limit in argument.bounds):
        raise ConfigError("vllm_argument_range", key=key, value=shown, allowed=argument.allowed)


def _fits(types: frozenset[str], value: object) -> bool:
    if isinstance(value, bool):
        return "bool" in types
    if isinstance(value, int) and "float" in types:
        return True
    return type(value).__name__ in types


# ---- the installed vLLM's source text --------------------------------------------------------------------------------


@functools.cache
def installed_arguments() -> dict[str, Argument]:
    """Return the arguments of vLLM's server by Python name; empty if vLLM isn't installed."""
    spec = find_spec("vllm")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    return dict(_Source(folder).arguments()) if folder is not None else {}


class _Source:
    """The parsed source files that define the arguments."""

    def __init__(self, vllm: Path) -> None:
        self._engine = _parse(vllm / "engine" / "arg_utils.py")
        self._server = _parse(vllm / "entrypoints" / "launchers" / "cli_args.py")
        self._names: dict[str, ast.expr] = {}
        self._classes: dict[str, dict[str, ast.AnnAssign]] = {}
        for file in sorted((vllm / "config").glob("*.py")):
            self._learn(_parse(file))

    def _learn(self, module: ast.Module) -> None:
        for node in module.body:
            match node:
                case ast.ClassDef():
                    self._classes[node.name] = dict(_fields(node))
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._names[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._names[name] = value

    def arguments(self) -> Iterator[tuple[str, Argument]]:
        """List all arguments by name."""
        flags, readable = _flags(self._engine), _readable_numbers(self._engine)
        for class_name in ("EngineArgs", "AsyncEngineArgs"):
            for name, field in _fields(_class(self._engine, class_name)):
                if name in flags:
                    yield name, self._argument(name, field, name in readable)
        for name, field in _fields(_class(self._server, "BaseFrontendArgs")):
            yield name, self._argument(name, field, False)

    def _argument(self, name: str, field: ast.AnnAssign, readable: bool) -> Argument:
        types: set[str] = set()
        choices: list[object] = []
        for member in self._members(field.annotation):
            if isinstance(member, ast.Subscript) and _name(member.value) == "Literal":
                choices += self._literals(member)
            else:
                types |= self._json_types(member)
        if "?" in types:  # an imported name: only vLLM can check the value
            types |= set() if "str" in types or choices else {"str", "int", "float", "dict", "list"}
        return Argument(
            name=name,
            types=frozenset(types - {"?"}),
            choices=() if "str" in types else tuple(choices),
            bounds=self._bounds(name, field),
            takes_readable=readable,
        )

    def _json_types(self, member: ast.expr) -> set[str]:
        """Return the JSON types of a Python type; a configuration object is written as a mapping."""
        if isinstance(member, ast.Constant) and member.value is None:
            return set()
        name = _name(member.value) if isinstance(member, ast.Subscript) else _name(member)
        if name in _LISTS:
            return {"list"}
        if name in self._classes:
            return {"dict"} if self._classes[name] else {"?"}
        return {name} if name in _PLAIN else {"str"} if name in {"type", "dtype", "Path"} else {"?"}

    def _members(self, annotation: ast.expr) -> Iterator[ast.expr]:
        """List the alternatives of a type: unions expanded, aliases resolved, quoted types parsed."""
        match annotation:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                yield from self._members(left)
                yield from self._members(right)
            case ast.Constant(value=str(text)):
                yield from self._members(ast.parse(text, mode="eval").body)
            case ast.Subscript(value=ast.Name(id="Annotated" | "Optional"), slice=inner):
                yield from self._members(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
            case ast.Name(id=name) if name in self._names:
                yield from self._members(self._names[name])
            case _:
                yield annotation

    def _literals(self, literal: ast.Subscript) -> Iterator[object]:
        items = literal.slice.elts if isinstance(literal.slice, ast.Tuple) else [literal.slice]
        for item in items:
            if isinstance(item, ast.Constant):
                yield item.value
            elif isinstance(item, ast.Name) and isinstance(inner := self._names.get(item.id), ast.Subscript):
                yield from self._literals(inner)

    def _origin(self, name: str, field: ast.AnnAssign) -> ast.AnnAssign | None:
        """Find the configuration field that this argument sets: the one in its default, or the only one of its name."""
        match field.value:
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                return self._classes.get(owner, {}).get(attribute)
            case ast.Call(func=ast.Name(id="get_field"), args=[ast.Name(id=owner), ast.Constant(value=str(attribute))]):
                return self._classes.get(owner, {}).get(attribute)
        same_name = [fields[name] for fields in self._classes.values() if name in fields]
        return same_name[0] if len(same_name) == 1 else None

    def _bounds(self, name: str, field: ast.AnnAssign) -> Bounds:
        """Return gt, ge, lt and le of the pydantic field behind the argument."""
        origin = self._origin(name, field)
        if origin is None or not isinstance(origin.value, ast.Call):
            return ()
        return tuple(
            (keyword.arg, float(keyword.value.value))
            for keyword in origin.value.keywords
            if keyword.arg in _COMPARE
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, int | float)
        )


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except OSError:  # another version's layout: its arguments are unknown and not refused
        return ast.Module(body=[], type_ignores=[])


def _class(module: ast.Module, name: str) -> ast.ClassDef | None:
    return next((node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _fields(node: ast.ClassDef | None) -> Iterator[tuple[str, ast.AnnAssign]]:
    for statement in node.body if node is not None else []:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _flags(module: ast.Module) -> set[str]:
    """Return the Python names of every --flag in the module."""
    words = (node.value for node in ast.walk(module) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {word[2:].replace("-", "_") for word in words if re.fullmatch(r"--[a-z][a-z0-9-]+", word)}


def _readable_numbers(module: ast.Module) -> set[str]:
    """Return the arguments whose numbers may be written as 8k; vLLM handles max_model_len separately."""
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Name(id="human_readable_int_args")], value=ast.Set(elts=names)):
                return {"max_model_len", *(str(name.value) for name in names if isinstance(name, ast.Constant))}
    return {"max_model_len"}


def config_text(config: Mapping[str, Any]) -> str:
    """Format VLLM_CONFIG for reading, with a line for each setting."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in config.items()]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"
