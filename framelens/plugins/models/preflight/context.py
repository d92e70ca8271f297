"""Facts for the preflight checks (the model, the settings, the device and the engine), and the findings they lead to.

Each fact may be missing; what is unknown never counts against a model. `run` beside this module gathers them. A finding
is rendered later: as a `notice` for a page or a terminal, as an `error` for a refused start. Its fix is applied to a
VLLM_CONFIG without changing anything else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from framelens.core.domain import Notice
from framelens.core.errors import AppError, EngineError
from framelens.models.architecture import Quantisation, Shape
from framelens.models.catalogue import Match
from framelens.models.formats import prefers_float32
from framelens.models.serving_plan import Device, Plan, parse_plan
from framelens.plugins.models.trust.remote_code import RemoteCode

_OTHER_CONFIG = ("hf_overrides", "hf_config_path", "config_format", "model_impl")


@dataclass(frozen=True)
class Model:
    """The named model, and the contents of its folder.

    Attributes:
        config: Its config.json, or that of the hub; None if there was none.
        fault: Why no engine can load the folder.
        match: Catalogue match of a name that is neither a folder nor an id in the hub's cache.
        absent_bytes: Approximate size of the pending download.
        code: Program code in its folder, None if there is none or it can't be read.
        code_fault: Why that code, or code that other settings lead to, must not run.
    """

    name: str
    folder: str = ""
    files: frozenset[str] = frozenset()
    config: Mapping[str, Any] | None = None
    shape: Shape | None = None
    has_template: bool = False
    fault: AppError | None = None
    match: Match | None = None
    may_be_fetched: bool = True
    absent_bytes: int = 0
    code: RemoteCode | None = None
    code_fault: AppError | None = None


@dataclass(frozen=True)
class GpuState:
    """A graphics card; memory in bytes, a capability such as (8, 9). None where it isn't reported."""

    name: str = "GPU"
    capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True)
class MachineState:
    """The computing device: `kind` is that of the installed engine. Flags as in /proc/cpuinfo; empty if unknown."""

    kind: Device = "cpu"
    cards: tuple[GpuState, ...] = ()
    cpu_flags: frozenset[str] = frozenset()
    cpu_cores: int | None = None
    memory_nodes: int | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None
    shm_bytes: int | None = None
    disk_free_bytes: int | None = None
    disk_folder: str = ""

    @property
    def prefers_float32(self) -> bool:
        """Return whether the processor reads pictures faster in float32."""
        return prefers_float32(self.cpu_flags, self.cpu_cores)

    @property
    def least_capability(self) -> tuple[int, int] | None:
        """Return the lowest compute capability of the cards, or None if unknown."""
        return min((card.capability for card in self.cards if card.capability), default=None)

    @property
    def least_card_bytes(self) -> int | None:
        """Return the memory of the smallest card, or None if unknown."""
        return min((card.memory_bytes for card in self.cards if card.memory_bytes), default=None)


@dataclass(frozen=True)
class Program:
    """The installed engine. An empty set means that its source couldn't be read, so nothing is known to be missing.

    Attributes:
        architectures: vLLM's architectures.
        model_types: Types whose config.json this engine reads.
        in_transformers: Whether transformers itself has a class for this model.
        through_transformers: Whether vLLM may run it with that class.
        has_zentorch: Whether AMD's kernels are installed.
    """

    kind: Literal["vllm", "transformers"] = "vllm"
    architectures: frozenset[str] = frozenset()
    model_types: frozenset[str] = frozenset()
    quantisations: frozenset[str] = frozenset()
    in_transformers: bool = False
    through_transformers: bool = True
    has_ray: bool = False
    has_zentorch: bool = False


@dataclass(frozen=True)
class PreflightSubject:
    """A model with settings on a machine.

    Attributes:
        given: VLLM_CONFIG as the user wrote it.
        arguments: Arguments that the engine is started with.
        environment: Environment variables that vLLM reads.
        settings_fault: Error in a setting by itself.
        alternative: A model that runs here.
        fitting: Settings with which this model runs here, {} for none.
        sets_cache: Whether the user has set the size of a CPU's cache.
    """

    model: Model
    given: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    machine: MachineState = field(default_factory=MachineState)
    program: Program = field(default_factory=Program)
    environment: Mapping[str, str] = field(default_factory=dict)
    settings_fault: AppError | None = None
    port_fault: AppError | None = None
    alternative: str = ""
    fitting: Mapping[str, Any] = field(default_factory=dict)
    sets_cache: bool = True

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self.model.name

    @property
    def config(self) -> Mapping[str, Any] | None:
        """Return the config that the engine will use; None if settings name another one or another way to read it."""
        is_other = any(self.arguments.get(key) not in (None, "auto", "hf", {}) for key in _OTHER_CONFIG)
        return None if is_other or "params.json" in self.model.files else self.model.config

    @property
    def shape(self) -> Shape | None:
        """Return the model's shape, or None if it is unknown."""
        return self.model.shape if self.config is not None else None

    @property
    def quantisation(self) -> Quantisation | None:
        """Return the checkpoint's quantisation, or None."""
        return self.shape.quantisation if self.shape else None

    @property
    def tensor_parallel(self) -> int:
        """Return the tensor parallel size."""
        return self._size("tensor_parallel_size")

    @property
    def processes(self) -> int:
        """Return the number of processes that compute."""
        return self.tensor_parallel * self._size("pipeline_parallel_size")

    @property
    def dtype(self) -> str:
        """Return the data type of computation: half, bfloat16, float or "auto", for any of its synonyms."""
        named = str(self.arguments.get("dtype") or "auto")
        return {"float16": "half", "float32": "float"}.get(named, named)

    @property
    def max_model_len(self) -> int | None:
        """Return the requested length, or None if the engine chooses it."""
        if self.arguments.get("max_model_len") in (None, -1, "-1", "auto"):
            return None
        return parse_plan(self.arguments).max_model_len

    @property
    def plan(self) -> Plan:
        """Return the serving plan. With "auto" vLLM computes in 16 bits what is stored in 32."""
        stored = self.shape.dtype if self.shape else ""
        dtype = {"dtype": "bfloat16"} if self.dtype == "auto" and stored == "float32" else {}
        return parse_plan({**self.arguments, **dtype}, device=self.machine.kind)

    def _size(self, key: str) -> int:
        given = self.arguments.get(key, 1)
        return given if isinstance(given, int) and given > 0 else 1


Severity = Literal["stops", "hinders", "tells"]
SEVERITIES: tuple[Severity, ...] = ("stops", "hinders", "tells")
"""The start certainly fails; it may fail or be of little use; information only."""
_LEVELS: Mapping[Severity, Literal["error", "warning", "info"]] = {
    "stops": "error", "hinders": "warning", "tells": "info",
}  # fmt: skip


@dataclass(frozen=True)
class Fix:
    """Changed settings: keys of VLLM_CONFIG to set and to remove, another model, another engine ("" for the same)."""

    change: Mapping[str, Any] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    model: str = ""
    engine: Literal["", "vllm", "transformers"] = ""

    @property
    def notice(self) -> Notice:
        """Return the label of a button that applies it."""
        if self.model:
            return Notice("fix_model", {"model": self.model}, "info")
        if self.engine:
            return Notice("fix_engine", {"engine": self.engine}, "info")
        if self.change:
            settings = ", ".join(f'"{key}": {json.dumps(value)}' for key, value in self.change.items())
            return Notice("fix_set", {"settings": settings}, "info")
        return Notice("fix_remove", {"names": ", ".join(self.remove)}, "info")


@dataclass(frozen=True)
class PreflightFinding:
    """A problem; `key` with `values` has its text in `table` of the language files.

    One that stops a start is always an error. The key is that of `framelens.core.failure_patterns` if a started engine
    would fail for the very same cause.
    """

    key: str
    values: Mapping[str, Any]
    severity: Severity
    fix: Fix | None = None
    table: Literal["error", "notice"] = "error"

    @property
    def notice(self) -> Notice:
        """Return the finding for a page, a terminal or a report."""
        values = {name: value if isinstance(value, int | float) else str(value) for name, value in self.values.items()}
        return Notice(self.key, values, _LEVELS[self.severity], self.table)

    @property
    def error(self) -> EngineError:
        """Return the error with which a start is refused; only for a finding that stops it."""
        return EngineError(self.key, **self.values)


def of_error(error: AppError, severity: Severity = "stops", fix: Fix | None = None) -> PreflightFinding:
    """Build a finding from an error that another check has raised."""
    return PreflightFinding(error.key, error.values, severity, fix)


def preflight_notice(
    key: str, values: Mapping[str, Any], severity: Severity = "hinders", fix: Fix | None = None
) -> PreflightFinding:
    """Build a finding that doesn't stop a start, with its own text `notice.preflight_<key>`."""
    return PreflightFinding(f"preflight_{key}", values, severity, fix, "notice")


def apply_fix(config: Mapping[str, Any], fix: Fix) -> dict[str, Any]:
    """Return a copy of `config` with the changes of `fix`.

    >>> apply_fix({"dtype": "int8", "max_model_len": 8192}, Fix({"dtype": "auto"}, remove=("quantization",)))
    {'dtype': 'auto', 'max_model_len': 8192}
    """
    return {key: value for key, value in {**config, **fix.change}.items() if key not in fix.remove}
