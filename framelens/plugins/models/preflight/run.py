"""Preflight of settings on this machine, in about a second: only the first for a version of an engine asks that engine.

It gathers the facts that the checks judge: the model's folder or name, the machine, the installed engine. Nothing
heavy is imported. At most one small file is downloaded, and only if the caller allows it.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from framelens.config import Settings
from framelens.core import vllm_arguments
from framelens.core.errors import AppError, EngineError, ModelNotFound
from framelens.core.units import GIB
from framelens.engine import supported_architectures
from framelens.engine.diagnostics.facts import CheckedSettings, SystemFacts, gather_facts
from framelens.engine.downloads.hub import hub_config
from framelens.engine.engine_probe import ensure_record
from framelens.engine.hardware import cpu_cores, installed_vllm, memory_nodes
from framelens.engine.model_resolution import resolve_model
from framelens.engine.vllm import fit_arguments, other_code, vllm_launcher
from framelens.models.catalogue import Catalogue, Match, load_catalogue, raw_built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.memory import weights_bytes
from framelens.models.placement import GpuCard, Proposal, propose_for_cards, propose_for_cpu
from framelens.plugins.models.preflight import check
from framelens.plugins.models.preflight.context import (
    GpuState,
    MachineState,
    Model,
    PreflightFinding,
    PreflightSubject,
    Program,
)
from framelens.plugins.models.trust import code_trust
from framelens.services.model_arguments import is_wide, known_shape, read_object
from framelens.services.model_names import resolve_named_model

log = logging.getLogger(__name__)
_CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")


def preflight(
    settings: Settings, given: Mapping[str, Any] | None = None, *, engine_runs: bool = False, asks_hub: bool = False
) -> tuple[PreflightFinding, ...]:
    """Check the engine that `settings` describe.

    Args:
        settings: The settings.
        given: A VLLM_CONFIG to check instead of theirs; it may be wrong.
        engine_runs: A local engine holds memory and port now, and will be stopped before the new one starts.
        asks_hub: The config of a model that is neither here nor in the catalogue may be downloaded from the hub.

    Returns:
        The findings, the worst first; none for a remote engine.
    """
    if settings.base_url:
        return ()
    return check(subject_of(settings, given, engine_runs=engine_runs, asks_hub=asks_hub))


def subject_of(
    settings: Settings, given: Mapping[str, Any] | None = None, *, engine_runs: bool = False, asks_hub: bool = False
) -> PreflightSubject:
    """Gather the facts about these settings on this machine. The arguments are those of `preflight`."""
    given = settings.vllm_config if given is None else given
    ensure_record()
    wanted = CheckedSettings(
        settings.model_path,
        settings.data_dir,
        engine=settings.engine,
        port=settings.engine_port,
        allow_pickle=settings.allow_pickle,
    )
    facts, catalogue = gather_facts(wanted), load_catalogue(settings.data_dir / "models")
    model = _with_code(_model(settings.model_path, facts, catalogue, asks_hub=asks_hub), settings, given)
    if model.fault is None and not model.folder:
        model = replace(model, fault=_name_fault(settings))
    machine = _machine(facts, engine_runs=engine_runs)
    fault = _fault(given) if settings.engine == "vllm" else None
    is_slow_narrow = machine.kind == "cpu" and machine.prefers_float32
    wide = is_slow_narrow and is_wide(model.shape, given, machine.memory_bytes or 0)
    arguments = given if fault else fit_arguments(given, machine.kind, wide=wide)[0]
    environment = _environment(settings, given) if settings.engine == "vllm" and not fault else {}
    if engine_runs and not os.environ.get(_CPU_CACHE):
        environment.pop(_CPU_CACHE, None)  # it follows from the free memory, which will change
    return PreflightSubject(
        model=model,
        given=given,
        arguments=arguments if settings.engine == "vllm" else {},
        machine=machine,
        program=_program(settings, model, facts),
        environment=environment,
        settings_fault=fault,
        port_fault=None if engine_runs else facts.port_error,
        alternative=_alternative(machine, catalogue),
        fitting=_fitting(model, machine, catalogue),
        sets_cache=bool(os.environ.get(_CPU_CACHE) or settings.passed_on.get(_CPU_CACHE)),
    )


def _name_fault(settings: Settings) -> AppError | None:
    """Return why no hub has the model's name, or None."""
    try:
        resolve_named_model(settings.model_path, settings.data_dir)
    except ModelNotFound as error:
        return error
    return None


def _fault(given: Mapping[str, Any]) -> AppError | None:
    try:
        vllm_arguments.check(given)
    except AppError as error:
        return error
    return None


def _environment(settings: Settings, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables of vLLM, including those that its launcher adds."""
    try:
        added = vllm_launcher(settings.model_path, given, allow_pickle=True).environment("")
    except AppError:  # no vLLM here
        added = {}
    found = {**settings.passed_on, **os.environ, **added}
    return {name: value for name, value in found.items() if name.startswith(("VLLM_", "CPU_VISIBLE_"))}


# ---- the model -------------------------------------------------------------------------------------------------------


def _model(name: str, facts: SystemFacts, catalogue: Catalogue, *, asks_hub: bool) -> Model:
    found = facts.model
    if found.folder:
        return _in_folder(name, Path(found.folder))
    match, fault = _match(name, catalogue, found.error)
    if _named_folder(name):
        return replace(_in_folder(name, Path(name).expanduser()), fault=fault, match=match)
    entry = match.entry if match is not None and match.why == "exact" else None
    config: Mapping[str, Any] | None = raw_built_in().get(entry.id, {}).get("config") if entry else None
    if config is None and fault is None and match is None and asks_hub and found.may_be_fetched:
        config = hub_config(name)
    shape = entry.shape if entry else known_shape(config)
    return Model(
        name=name,
        config=config,
        shape=shape,
        fault=fault,
        match=match,
        may_be_fetched=found.may_be_fetched,
        absent_bytes=weights_bytes(shape) if shape else 0,
    )


def _with_code(model: Model, settings: Settings, given: Mapping[str, Any]) -> Model:
    """Add the code in the model's folder, and why it must not run."""
    if others := other_code(given):
        values = {"model": model.name, "names": ", ".join(others)}
        return replace(model, code_fault=EngineError("remote_code_settings", **values))
    if not model.folder:
        return model
    found, fault = None, None
    try:
        found = code_trust.find_code(settings.data_dir, settings.model_path, Path(model.folder))
        found.check()
    except AppError as error:
        fault = error
    return replace(model, code=found.code if found else None, code_fault=fault)


def _match(name: str, catalogue: Catalogue, fault: AppError | None) -> tuple[Match | None, AppError | None]:
    """Return the catalogue's match for a name, and why the model cannot be used; an Ollama folder has its own error."""
    try:
        return catalogue.find(name), fault
    except ModelNotFound as error:
        return None, error if error.key == "model_is_ollama" else fault


def _named_folder(name: str) -> bool:
    try:
        return Path(name).expanduser().is_dir()
    except (OSError, RuntimeError):
        return False


def _in_folder(name: str, folder: Path) -> Model:
    """Read a model folder. Unreadable files are ignored: `check_model_folder` reports them better."""
    try:
        files = frozenset(file.name for file in folder.iterdir())
    except OSError:
        files = frozenset()
    config = read_object(folder / "config.json")
    tokenizer = read_object(folder / "tokenizer_config.json") or {}
    return Model(
        name=_called(name, folder),
        folder=str(folder),
        files=files,
        config=config,
        shape=known_shape(config, folder),
        has_template=bool(tokenizer.get("chat_template")) or any(file in files for file in _TEMPLATES),
    )


def _called(name: str, folder: Path) -> str:
    try:
        return resolve_model(name).name
    except AppError:
        return folder.name


# ---- the machine and the engine --------------------------------------------------------------------------------------


def _machine(facts: SystemFacts, *, engine_runs: bool) -> MachineState:
    """Describe the machine. The device is that of the installed vLLM; `transformers serve` uses a card if it can."""
    installed = installed_vllm()
    kind = installed[0] if installed else ("gpu" if facts.cards else "cpu")
    cards = tuple(
        GpuState(
            name=card.name,
            capability=card.capability,
            memory_bytes=card.memory_bytes,
            free_bytes=_free(card.memory_bytes, card.memory_used_bytes) if not engine_runs else None,
        )
        for card in facts.cards
    )
    return MachineState(
        kind=kind,
        cards=cards,
        cpu_flags=frozenset(facts.cpu_features),
        cpu_cores=cpu_cores(),
        memory_nodes=memory_nodes(),
        memory_bytes=facts.memory_bytes,
        free_bytes=None if engine_runs else facts.memory_free_bytes,
        shm_bytes=facts.shm_bytes,
        disk_free_bytes=facts.cache.free_bytes,
        disk_folder=facts.cache.folder,
    )


def _free(total: int | None, used: int | None) -> int | None:
    return None if total is None or used is None else total - used


def _program(settings: Settings, model: Model, facts: SystemFacts) -> Program:
    config = model.config or {}
    names = config.get("architectures")
    first = str(names[0]) if isinstance(names, list) and names else ""
    model_type = str(config.get("model_type") or "")
    is_vllm = settings.engine == "vllm"
    return Program(
        kind=settings.engine,
        architectures=supported_architectures.architectures(),
        model_types=supported_architectures.model_types()
        if is_vllm
        else supported_architectures.transformers_model_types(),
        quantisations=supported_architectures.quantisations(),
        in_transformers=supported_architectures.has_transformers_class(first),
        through_transformers=supported_architectures.may_run_in_vllm(model_type),
        has_ray=facts.packages.get("ray") is not None,
        has_zentorch=find_spec("zentorch") is not None,
    )


def _alternative(machine: MachineState, catalogue: Catalogue) -> str:
    """Return the id of the best model in the catalogue for this machine, "" for none."""
    found = _proposals(machine, tuple(catalogue.by_id.values()))
    return found[0].entry.id if found else ""


def _fitting(model: Model, machine: MachineState, catalogue: Catalogue) -> Mapping[str, Any]:
    """Return a VLLM_CONFIG with which this model runs here, {} if none is known."""
    entry = catalogue.by_id.get(model.name)
    found = _proposals(machine, (entry,)) if entry else ()
    return found[0].config if found else {}


def _proposals(machine: MachineState, entries: tuple[CatalogueEntry, ...]) -> tuple[Proposal, ...]:
    if machine.kind == "gpu":
        size = machine.least_card_bytes
        if size is None:
            return ()
        least = machine.least_capability
        card = GpuCard(size / GIB, float(f"{least[0]}.{least[1]}") if least else None)
        return propose_for_cards(card, entries, cards=max(1, len(machine.cards)))
    return propose_for_cpu((machine.memory_bytes or 0) / GIB, entries, wide=machine.prefers_float32)
