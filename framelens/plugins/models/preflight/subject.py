"""Subject of the preflight, a model with settings on a machine and in an engine, and the rows of its table.

Each fact may be missing; an unknown fact never counts against a model. `run` in this folder gathers the facts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from framelens import AppError
from framelens.plugin.machine import CheckFinding, Device, Fix, ModelFacts, Severity, SystemFacts
from framelens.plugin.models import CatalogueEntry, Match, Plan, Shape
from framelens.plugins.models.preflight.local_vllms import LocalVllm

_OTHER_CONFIG = ("hf_overrides", "hf_config_path", "config_format", "model_impl")


@dataclass(frozen=True)
class CheckedModel(ModelFacts):
    """The named model, and the contents of its folder; `error` is why no engine can load it.

    Attributes:
        config: Its config.json, or the hub's; None if it wasn't found.
        kin: Entry of the catalogue for this model, or for one of the same type.
        match: Catalogue match of a name that is neither a folder nor an id in the hub's cache.
        absent_bytes: Approximate size of the pending download.
        weights_bytes: Fewest bytes of the weights in its folder that are loaded, 0 if unknown.
    """

    files: frozenset[str] = frozenset()
    config: Mapping[str, Any] | None = None
    shape: Shape | None = None
    kin: CatalogueEntry | None = None
    match: Match | None = None
    absent_bytes: int = 0
    weights_bytes: int = 0


@dataclass(frozen=True)
class PreflightSubject:
    """A model with settings on a machine.

    Attributes:
        written: VLLM_CONFIG as the user wrote it.
        arguments: Arguments that the engine is started with.
        engine: The engine that is about to start.
        environment: Environment variables that vLLM reads.
        settings_fault: Error in a setting by itself.
        alternative: A model that runs here.
        fitting: Settings with which this model runs here, {} if unknown.
        sets_cache: Whether the user has set the size of a CPU's cache.
        engines: Engines beside which the engine is about to start.
    """

    model: CheckedModel
    written: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    machine: SystemFacts = field(default_factory=SystemFacts)
    engine: Literal["vllm", "transformers"] = "vllm"
    environment: Mapping[str, str] = field(default_factory=dict)
    settings_fault: AppError | None = None
    alternative: str = ""
    fitting: Mapping[str, Any] = field(default_factory=dict)
    sets_cache: bool = True
    engines: tuple[LocalVllm, ...] = ()

    @property
    def config(self) -> Mapping[str, Any] | None:
        """Return the config that the engine will use; None if settings name another config or way to read it."""
        is_other = any(self.arguments.get(key) not in (None, "auto", "hf", {}) for key in _OTHER_CONFIG)
        return None if is_other or "params.json" in self.model.files else self.model.config

    @property
    def shape(self) -> Shape | None:
        """Return the model's shape, or None if it is unknown."""
        return self.model.shape if self.config is not None else None

    @property
    def type(self) -> str:
        """Return the type that its config names, "" if it names no type."""
        return str((self.config or {}).get("model_type") or "")

    @property
    def architectures(self) -> tuple[str, ...]:
        """Return the architectures that its config names."""
        listed = (self.config or {}).get("architectures")
        return tuple(map(str, listed)) if isinstance(listed, list) else ()

    @property
    def quantisation(self) -> str:
        """Return the checkpoint's method of quantisation, "" without quantisation."""
        return self.shape.quantisation.method if self.shape and self.shape.quantisation else ""

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
        return Plan.parse(self.arguments).max_model_len

    @property
    def plan(self) -> Plan:
        """Return the serving plan. With "auto" vLLM computes in 16 bits with weights that are stored in 32."""
        stored = self.shape.dtype if self.shape else ""
        dtype = {"dtype": "bfloat16"} if self.dtype == "auto" and stored == "float32" else {}
        return Plan.parse({**self.arguments, **dtype}, device=self.machine.device)

    def has_older_card(self, capability: tuple[int, int]) -> bool:
        """Return whether a card is known to have a lower compute capability."""
        oldest = self.machine.oldest_card
        return oldest is not None and (oldest.capability or capability) < capability

    def _size(self, key: str) -> int:
        size = self.arguments.get(key, 1)
        return size if isinstance(size, int) and size > 0 else 1


Check = Callable[[PreflightSubject], Iterable[CheckFinding]]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A row of the table: a condition on the facts, the finding where it is met, and the fix.

    Attributes:
        key: Key of the text; keys of the doctor and the preflight are notices, others errors.
        when: Returns the values of the text in addition to the model's name, or just whether the condition is met.
        fix: The fix, or a function that returns it for the values.
        device: The device for which it holds, "" for both.
        engine: The engine for which it holds, "" for both.
    """

    key: str
    when: Callable[[PreflightSubject], object]
    fix: Fix | Callable[[PreflightSubject, Values], Fix | None] | None = None
    severity: Severity = "stops"
    device: Literal[Device, ""] = ""
    engine: Literal["vllm", "transformers", ""] = "vllm"

    def __call__(self, subject: PreflightSubject) -> Iterator[CheckFinding]:
        """Yield the finding if the condition is met."""
        if self.device not in ("", subject.machine.device) or self.engine not in ("", subject.engine):
            return
        if outcome := self.when(subject):
            values = {"model": subject.model.name, **(outcome if isinstance(outcome, Mapping) else {})}
            fix = self.fix(subject, values) if callable(self.fix) else self.fix
            yield CheckFinding(self.key, values, self.severity, fix, rule_table(self.key))


def rule_table(key: str) -> Literal["error", "notice"]:
    """Return the table of a rule's text."""
    return "notice" if key.startswith(("doctor_", "preflight_")) else "error"


def another_model(subject: PreflightSubject, _: Values) -> Fix | None:
    """Return the fix that takes a model that runs here."""
    return Fix(model=subject.alternative) if subject.alternative else None
