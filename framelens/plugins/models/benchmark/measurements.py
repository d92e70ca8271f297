"""Benchmarks of models on this machine with dummy weights, and where their results are kept."""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from framelens.config import Settings, export_environment
from framelens.core.errors import EngineError
from framelens.core.events import ProgressListener
from framelens.core.units import gib_number
from framelens.engine.hardware import free_memory_bytes, installed_vllm
from framelens.engine.system_metrics import GpuReader
from framelens.models.memory import estimate_memory
from framelens.models.placement import Proposal
from framelens.models.serving_plan import parse_plan
from framelens.plugins.models.benchmark import planning
from framelens.plugins.models.benchmark.dummy_model import check_entry
from framelens.store.model_records import Measured, trials


def check_proposal(proposal: Proposal) -> None:
    """Raise an AppError if the model cannot be benchmarked on this machine."""
    check_entry(proposal.entry)
    if installed_vllm() is None:
        raise EngineError("vllm_not_installed", model=proposal.entry.id)


def needed_bytes(proposal: Proposal, arguments: Mapping[str, Any]) -> int:
    """Return the bytes that a benchmark takes of the fullest card, or of the memory.

    Args:
        proposal: The proposed model and arguments.
        arguments: vLLM arguments that override the proposal's.
    """
    plan = parse_plan(
        planning.benchmark_settings(proposal, arguments),
        device=proposal.plan.device,
        sequences=planning.REQUESTS,
    )
    return estimate_memory(proposal.entry.shape, plan).card_bytes


def check_memory(proposal: Proposal, arguments: Mapping[str, Any]) -> None:
    """Raise EngineError if a benchmark, with the arguments of `needed_bytes`, needs more memory than is free."""
    needed, free = needed_bytes(proposal, arguments), free_bytes()
    if needed > free:
        gib = {"needed": gib_number(needed), "free": gib_number(free)}
        raise EngineError("benchmark_memory", model=proposal.entry.id, **gib)


def free_bytes() -> int:
    """Return the bytes that are free now: of the memory on a CPU, else of the card with the least left."""
    if (installed_vllm() or ("cpu", ""))[0] == "cpu":
        return free_memory_bytes()
    reader = GpuReader()
    cards = [one for one in reader().cards if one.memory_bytes]
    reader.close()
    return min(((one.memory_bytes or 0) - (one.memory_used_bytes or 0) for one in cards), default=0)


def try_model(
    proposal: Proposal,
    arguments: Mapping[str, Any],
    settings: Settings,
    on_progress: ProgressListener,
    cancel: threading.Event,
) -> Measured:
    """Benchmark the proposed model and save the result.

    Args:
        proposal: The proposed model and arguments.
        arguments: vLLM arguments that override the proposal's.
        settings: Where to save the result and the log of the engine.
        on_progress: Called with the progress.
        cancel: Ends the benchmark when it is set.

    Raises:
        AppError: What `check_proposal`, `check_memory` and `model_benchmark.run_benchmark` raise.
    """
    check_proposal(proposal)
    check_memory(proposal, arguments)
    from framelens.plugins.models.benchmark import model_benchmark  # imports LangChain, which the page starts without

    export_environment(settings)
    found = model_benchmark.run_benchmark(
        proposal.entry.id,
        proposal.entry.config,
        planning.benchmark_settings(proposal, arguments),
        log_dir=settings.data_dir / "trial-engine",
        on_progress=on_progress,
        cancel=cancel,
    )
    return trials(settings.data_dir).keep(asdict(found))
