"""Preflight of settings on this machine, in about a second.

It gathers the facts that the checks judge: the model's folder or name, and the machine. Nothing
heavy is imported. At most one small file is downloaded, and only if the caller allows it.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from framelens import AppError, ModelNotFound
from framelens.plugin import Settings
from framelens.plugin.engines import Checkpoint, check_arguments, effective_arguments, engine_environment
from framelens.plugin.machine import CheckFinding, HardwareProfile, ModelFacts, gather_facts
from framelens.plugin.models import Catalogue, Match, MemoryEstimate
from framelens.plugins.models.preflight import check
from framelens.plugins.models.preflight.local_vllms import local_vllms
from framelens.plugins.models.preflight.subject import CheckedModel, PreflightSubject

_CPU_CACHE = "VLLM_CPU_KVCACHE_SPACE"


def preflight(
    settings: Settings,
    vllm_config: Mapping[str, Any] | None = None,
    *,
    engine_runs: bool = False,
    asks_hub: bool = False,
    starts: bool = False,
) -> tuple[CheckFinding, ...]:
    """Check the engine that `settings` describe.

    Args:
        settings: The settings.
        vllm_config: A VLLM_CONFIG to check instead of the settings'; it may be wrong.
        engine_runs: A local engine holds memory and port now, and will be stopped before the new engine starts.
        asks_hub: The config of a model that is neither here nor in the catalogue may be downloaded from the hub.
        starts: The engine is about to start, beside all engines that run.

    Returns:
        The findings, the worst first; empty for a remote engine.
    """
    if settings.base_url:
        return ()
    subject = subject_of(settings, vllm_config, engine_runs=engine_runs, asks_hub=asks_hub)
    return check(replace(subject, engines=local_vllms()) if starts else subject)


def subject_of(
    settings: Settings,
    vllm_config: Mapping[str, Any] | None = None,
    *,
    engine_runs: bool = False,
    asks_hub: bool = False,
) -> PreflightSubject:
    """Gather the facts about these settings on this machine, with the arguments of `preflight`."""
    settings = settings if vllm_config is None else replace(settings, vllm_config=dict(vllm_config))
    vllm_config = settings.vllm_config
    facts, catalogue = gather_facts(settings), Catalogue.load(settings.data_dir / "models")
    model = _with_kin(_model(settings, facts.model, catalogue, asks_hub=asks_hub), catalogue)
    fault = _fault(vllm_config) if settings.engine == "vllm" else None
    is_fitted = settings.engine == "vllm" and fault is None
    environment = engine_environment(settings) if is_fitted else {}
    if engine_runs and not os.environ.get(_CPU_CACHE):
        environment.pop(_CPU_CACHE, None)  # it follows from the free memory, which will change
    hardware, entry = HardwareProfile.here(), catalogue.by_id.get(model.name)
    best = hardware.recommended(tuple(catalogue.by_id.values()))
    return PreflightSubject(
        model=model,
        written=vllm_config,
        arguments=effective_arguments(settings) if is_fitted else vllm_config if fault else {},
        machine=facts.without_engine() if engine_runs else facts,
        engine=settings.engine,
        environment=environment,
        settings_fault=fault,
        alternative=best[0].entry.id if best else "",
        fitting=next((proposal.config_without_code for proposal in hardware.proposals((entry,))), {}) if entry else {},
        sets_cache=bool(os.environ.get(_CPU_CACHE) or settings.passed_on.get(_CPU_CACHE)),
    )


# ---- the model -------------------------------------------------------------------------------------------------------


def _model(settings: Settings, named: ModelFacts, catalogue: Catalogue, *, asks_hub: bool) -> CheckedModel:
    name, model = settings.model_path, CheckedModel(**vars(named))
    if named.folder:
        model = _with_files(model, Path(named.folder))
        if named.error is None:
            return model
    match = _match(name, catalogue)
    if named.folder:
        return replace(model, match=match)
    entry = match.entry if match is not None and match.why == "exact" else None
    if asks_hub and match is None and named.error is None and named.may_be_fetched:
        return _on_hub(model, name)
    if entry is None:
        return replace(model, match=match)
    needed = MemoryEstimate.weights_bytes(entry.shape)
    return replace(model, config=entry.config, shape=entry.shape, match=match, absent_bytes=needed)


def _on_hub(model: CheckedModel, name: str) -> CheckedModel:
    """Add what the hub says of a model that is neither here nor in the catalogue."""
    files = Checkpoint.on_hub(name)
    needed = MemoryEstimate.weights_bytes(files.shape) if files.shape else files.weights_bytes
    return replace(model, **vars(files), absent_bytes=needed)


def _with_kin(model: CheckedModel, catalogue: Catalogue) -> CheckedModel:
    """Add the catalogue's entry of the model itself, or of the first model of the same type."""
    if model.match is not None and model.match.why == "exact":
        return replace(model, kin=model.match.entry)
    kin = catalogue.by_id.get(model.name) or catalogue.of_type((model.config or {}).get("model_type"))
    return replace(model, kin=kin)


def _match(name: str, catalogue: Catalogue) -> Match | None:
    try:
        return catalogue.find(name)
    except ModelNotFound:
        return None


def _with_files(model: CheckedModel, folder: Path) -> CheckedModel:
    """Add facts from the files of a folder. Unreadable files are ignored: `check_model_folder` reports them better."""
    try:
        files = frozenset(file.name for file in folder.iterdir())
    except OSError:
        files = frozenset()
    return replace(model, files=files, **vars(Checkpoint.in_folder(folder)))


# ---- the settings and the engine -------------------------------------------------------------------------------------


def _fault(vllm_config: Mapping[str, Any]) -> AppError | None:
    try:
        check_arguments(vllm_config)
    except AppError as error:
        return error
    return None
