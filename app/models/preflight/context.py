"""Everything that is looked at before a start, as it was found: the model, the settings, the device, the engine.

Facts alone, each of which may be missing; what is not known is never held against a model. Gathered in
`app.services.preflight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import AppError
from app.models.architecture import Quantisation, Shape
from app.models.catalogue import Match
from app.models.cpu_speed import Speed, usual_speed
from app.models.serving_plan import Device, Plan, plan_of

_OTHER_CONFIG = ("hf_overrides", "hf_config_path", "config_format", "model_impl")


@dataclass(frozen=True)
class Model:
    """What was named, and what is in its folder.

    `fault`: why no engine could load the folder. `config`: its config.json, or that of the hub; None where there was
    none to be had. `match`: what the catalogue makes of a name that is no folder and no id of the hub's cache.
    `absent_bytes`: what has to be downloaded, about.
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


@dataclass(frozen=True)
class CardState:
    """A card; bytes, and a capability such as (8, 9). None where it does not tell."""

    name: str = "GPU"
    capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True)
class Machine:
    """What computes: `kind` is that of the installed engine. Flags as /proc/cpuinfo names them; empty for unknown."""

    kind: Device = "cpu"
    cards: tuple[CardState, ...] = ()
    cpu_flags: frozenset[str] = frozenset()
    cpu_cores: int | None = None
    memory_nodes: int | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None
    shm_bytes: int | None = None
    disk_free_bytes: int | None = None
    disk_folder: str = ""

    @property
    def speed(self) -> Speed:
        """As far as flags and cores tell."""
        return usual_speed(self.cpu_flags, self.cpu_cores)

    @property
    def least_capability(self) -> tuple[int, int] | None:
        return min((card.capability for card in self.cards if card.capability), default=None)

    @property
    def least_card_bytes(self) -> int | None:
        return min((card.memory_bytes for card in self.cards if card.memory_bytes), default=None)


@dataclass(frozen=True)
class Program:
    """The installed engine. Empty sets: its source could not be read, so nothing is known to be missing.

    `architectures` are vLLM's, `model_types` those whose config.json this engine reads. `in_transformers`: transformers
    itself has a class for this model; `through_transformers`: vLLM may run it with that one. `has_zentorch`: AMD's
    kernels are installed.
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
class Subject:
    """A model with settings on a machine.

    `given` is VLLM_CONFIG as the user wrote it, `arguments` what the engine is started with; `settings_fault` what is
    wrong with a setting by itself. `environment`: the variables that vLLM reads. `alternative`: a model that runs here,
    `fitting`: settings with which this one does, {} for none. `sets_cache`: the user has set the size of a CPU's cache.
    """

    model: Model
    given: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)
    program: Program = field(default_factory=Program)
    environment: Mapping[str, str] = field(default_factory=dict)
    settings_fault: AppError | None = None
    port_fault: AppError | None = None
    alternative: str = ""
    fitting: Mapping[str, Any] = field(default_factory=dict)
    sets_cache: bool = True

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def config(self) -> Mapping[str, Any] | None:
        """The config that the engine will go by; None where it is told to take another one, or to read it its way."""
        is_other = any(self.arguments.get(key) not in (None, "auto", "hf", {}) for key in _OTHER_CONFIG)
        return None if is_other or "params.json" in self.model.files else self.model.config

    @property
    def shape(self) -> Shape | None:
        return self.model.shape if self.config is not None else None

    @property
    def quantisation(self) -> Quantisation | None:
        return self.shape.quantisation if self.shape else None

    @property
    def tensor_parallel(self) -> int:
        return self._size("tensor_parallel_size")

    @property
    def processes(self) -> int:
        return self.tensor_parallel * self._size("pipeline_parallel_size")

    @property
    def dtype(self) -> str:
        """What the weights are computed in: half, bfloat16, float or "auto", whatever word was used for it."""
        named = str(self.arguments.get("dtype") or "auto")
        return {"float16": "half", "float32": "float"}.get(named, named)

    @property
    def max_model_len(self) -> int | None:
        """As it was asked for; None where the engine is to choose."""
        if self.arguments.get("max_model_len") in (None, -1, "-1", "auto"):
            return None
        return plan_of(self.arguments).max_model_len

    @property
    def plan(self) -> Plan:
        """How it would be served. With "auto" vLLM computes in 16 bits what is stored in 32."""
        stored = self.shape.dtype if self.shape else ""
        dtype = {"dtype": "bfloat16"} if self.dtype == "auto" and stored == "float32" else {}
        return plan_of({**self.arguments, **dtype}, device=self.machine.kind)

    def _size(self, key: str) -> int:
        given = self.arguments.get(key, 1)
        return given if isinstance(given, int) and given > 0 else 1
