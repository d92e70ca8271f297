"""Stored measurements of models on this machine: benchmarks with dummy weights, and vision checks of an engine.

The command line and the pages use the same functions and read the same stored documents.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from framelens.analysis.planning import benchmark_result
from framelens.config import Settings
from framelens.core.domain import EngineProgress, Notice, ProgressListener
from framelens.core.errors import EngineError
from framelens.core.units import gib_number
from framelens.engine.base import Engine
from framelens.engine.hardware import cpu_name, free_memory_bytes, installed_vllm
from framelens.engine.http_client import NoAnswer, get_json, served_models
from framelens.engine.remote_engine import LOCAL_HOSTS, normal_base_url
from framelens.engine.system_metrics import GpuReader
from framelens.i18n import LANGUAGES, notice_text, t
from framelens.models.architecture import FRAME, Shape, image_tokens
from framelens.models.catalogue import load_catalogue
from framelens.models.cpu_speed import SpeedEstimate, estimate_work, reference
from framelens.plugins.models.benchmark.dummy_model import check_entry
from framelens.models.formats import format_of
from framelens.models.memory import estimate_memory
from framelens.models.placement import Proposal
from framelens.models.serving_plan import Device, parse_plan
from framelens.services import hardware_profile
from framelens.services.engine_session import build_remote_engine, export_environment, usual_side
from framelens.plugins.models.preflight.run import effective_arguments, shape_of
from framelens.store.model_records import BenchmarkStore, Measured, RequestTiming, checks, trials

_FRAME_SHAPE = 9 / 16
_LEAST_FRAME_SECONDS, _MOST_TOKENS_PER_SECOND = 0.025, 120.0
"""What a picture and a token take on a CPU however small the model is: decoding, sending and vLLM's own work. Measured
with a model of 2 MB on two cores: 0.013 s and 300 tokens a second, and a quarter of that while they were busy."""
_CALL_SECONDS = 120.0
"""Timeout of a request to a remote engine. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class RemoteEngineReport:
    """Reply of a remote engine: the models that it serves, the one that is used, and whether that one sees images.

    Of several engines it is the reply of one; `base_url` has those that answer, and notices name the others.
    """

    base_url: str
    served: tuple[str, ...]
    model: str
    sees: bool | None
    notices: tuple[Notice, ...] = ()


# ---- benchmarks ------------------------------------------------------------------------------------------------------


def check_proposal(proposal: Proposal) -> None:
    """Raise an AppError if the model cannot be benchmarked on this machine."""
    check_entry(proposal.entry)
    if installed_vllm() is None:
        raise EngineError("vllm_not_installed", model=proposal.entry.id)


def needed_bytes(proposal: Proposal, arguments: Mapping[str, Any]) -> int:
    """Return the bytes that a benchmark takes of the fullest card, or of the memory.

    Args:
        proposal: The proposed model and arguments.
        arguments: vLLM arguments that override those of the proposal.
    """
    plan = parse_plan(
        benchmark_result.benchmark_settings(proposal, arguments),
        device=proposal.plan.device,
        sequences=benchmark_result.REQUESTS,
    )
    return estimate_memory(proposal.entry.shape, plan).card_bytes


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
        arguments: vLLM arguments that override those of the proposal.
        settings: Where to save the result and the log of the engine.
        on_progress: Called with the progress.
        cancel: Ends the benchmark when it is set.

    Raises:
        AppError: What `check_proposal` and `model_benchmark.run_benchmark` raise.
    """
    check_proposal(proposal)
    from framelens.analysis import (
        model_benchmark,  # imports LangChain, which the page and other functions start without
    )

    export_environment(settings)
    found = model_benchmark.run_benchmark(
        proposal.entry.id,
        proposal.entry.config,
        benchmark_result.benchmark_settings(proposal, arguments),
        log_dir=settings.data_dir / "trial-engine",
        on_progress=on_progress,
        cancel=cancel,
    )
    return _kept(trials(settings.data_dir), asdict(found))


# ---- vision checks ---------------------------------------------------------------------------------------------------


def check_sight(
    settings: Settings,
    engine: Engine,
    size: tuple[int, int] | None,
    on_progress: ProgressListener,
    cancel: threading.Event,
) -> Measured:
    """Show test cards to an engine, score what it reads and save the result. Start the engine if needed.

    Args:
        settings: The settings that describe the engine.
        engine: The engine.
        size: Width and height of the cards in pixels, None for those of frames as they are sent.
        on_progress: Called with the progress.
        cancel: Ends the check when it is set.

    Raises:
        AppError: The engine cannot answer.
        Cancelled: `cancel` was set.
    """
    from framelens.llm.chat import connect
    from framelens.llm.vision_check import check_vision

    endpoint = engine.ensure_ready(on_progress, cancel)
    chat = connect(
        endpoint.base_url,
        api_key=endpoint.api_key,
        model=endpoint.model,
        timeout_seconds=settings.timeout_seconds,
    )
    seen = check_vision(
        chat,
        size=size or usual_size(settings),
        on_progress=lambda key: on_progress(EngineProgress(f"vision_check_{key}")),
        cancel=cancel,
    )
    engine.note_sight(seen.verdict != "blind")
    reason = seen.reason and {one: notice_text(seen.reason, one) for one in LANGUAGES}
    figures = asdict(replace(seen, reason=None)) | {"verdict": seen.verdict, "reason": reason}
    return _kept(checks(settings.data_dir), {**engine_of(settings), **figures})


def last_check(settings: Settings) -> Measured | None:
    """Get the latest vision check of the engine that these settings describe, or None."""
    found = checks(settings.data_dir).matching(**engine_of(settings))
    return found[-1] if found else None


def result_text(seen: Measured) -> str:
    """Describe how many of the cards were read, and whether in the right order."""
    order = t("vision_check.order_right" if seen["ordered"] else "vision_check.order_wrong")
    figures = {name: seen[name] for name in ("shown", "colours", "forms", "digits", "width", "height")}
    return t("vision_check.result", order=order, **figures)


def latest_trials(data_dir: Path, device: Device) -> dict[str, Measured]:
    """Get the latest benchmark of each model on this machine by the model's id."""
    kept = trials(data_dir).matching(device=device)
    return {str(one["model"]): one for one in kept if device == "gpu" or one.get("machine") == cpu_name()}


def pace_text(trial: Measured) -> str:
    """Describe the measured throughput of a model; "" if the benchmark doesn't contain it."""
    found = benchmark_result.parse_result(trial)
    if found is None:
        return ""
    gib, pace = gib_number(found.peak_bytes), f"{found.tokens_per_second:.1f}"
    if not found.frames:
        return t("models.page.measured_words", gib=gib, pace=pace)
    return t("models.page.measured", gib=gib, pace=pace, each=f"{found.frames[0].each_seconds:.1f}")


def guessed_run(settings: Settings) -> tuple[RequestTiming, ...]:
    """Return the run that a benchmark of the model or the speed of the processor suggests; nothing where none does.

    An engine elsewhere, cards without a benchmark and a model of unknown shape suggest nothing.
    """
    if settings.base_url or settings.engine != "vllm":
        return ()
    place = hardware_profile.here()
    trial = latest_trials(settings.data_dir, place.device).get(settings.model_path)
    if trial and (found := benchmark_result.parse_result(trial)):
        return benchmark_result.usual_run(found)
    shape = None if place.card else shape_of(settings)
    if shape is None:
        return ()
    entries = load_catalogue(settings.data_dir / "models").by_id
    speed = place.with_measured_speed(trials(settings.data_dir).all(), entries).speed or reference()
    work = estimate_work(shape, parse_plan(effective_arguments(settings), device="cpu"))
    return run_of(shape, speed.pace(work))


def run_of(shape: Shape, pace: SpeedEstimate) -> tuple[RequestTiming, ...]:
    """Return the run of a model at an estimated speed; nothing for a model without images."""
    if shape.vision is None:
        return ()
    tokens = image_tokens(shape.vision, *FRAME, together=benchmark_result.TOGETHER)
    return benchmark_result.run_at(
        tokens, max(pace.frame_seconds, _LEAST_FRAME_SECONDS), min(pace.tokens_per_second, _MOST_TOKENS_PER_SECOND)
    )


def speed_text(pace: SpeedEstimate | None, sees: bool, measured: Measured | None) -> str:
    """Describe the throughput of a model: measured here, else estimated; "" if neither is known."""
    measured_text = pace_text(measured) if measured else ""
    if measured_text or pace is None:
        return measured_text
    each = f"{pace.frame_seconds:.1f}" if sees else ""
    key = "models.page.estimated" if each else "models.page.estimated_words"
    return t(key, each=each, pace=f"{pace.tokens_per_second:.1f}")


def engine_of(settings: Settings) -> dict[str, str]:
    """Return the subject of a vision check: the model, its engine, and its number format ("" if unknown)."""
    if settings.base_url:
        return {"model": settings.asked_model, "engine": settings.base_url, "format": ""}
    version = (installed_vllm() or ("", ""))[1] if settings.engine == "vllm" else ""
    engine = f"{settings.engine} {version}".strip()
    return {"model": settings.model_path, "engine": engine, "format": _format(settings)}


def usual_size(settings: Settings) -> tuple[int, int]:
    """Return width and height in pixels of a 16:9 frame as it is sent to this engine."""
    side = usual_side(settings) or 896
    return side, round(side * _FRAME_SHAPE)


def _format(settings: Settings) -> str:
    if (shape := shape_of(settings)) is None:
        return ""
    chosen = parse_plan(effective_arguments(settings)).format if settings.engine == "vllm" else None
    return chosen if chosen and shape.quantisation is None else format_of(shape).key


# ---- remote engines --------------------------------------------------------------------------------------------------


def call(settings: Settings, on_progress: ProgressListener, cancel: threading.Event) -> RemoteEngineReport:
    """Ask the remote engine that these settings describe what it serves, and whether it accepts images.

    Raises:
        AppError: The engine cannot be reached or doesn't answer.
    """
    from framelens.llm.chat import connect
    from framelens.llm.vision_check import prove_sight

    engine, api_key = build_remote_engine(settings), settings.api_key
    try:
        endpoint = engine.ensure_ready(on_progress, cancel)
    finally:
        engine.stop()
    on_progress(EngineProgress("probing_vision"))
    chat = connect(endpoint.base_url, api_key=api_key, model=endpoint.model, timeout_seconds=_CALL_SECONDS)
    sight = prove_sight(chat, cancel=cancel)
    answering = ", ".join(one.info.base_url for one in engine.statuses() if one.info)
    served = _served(endpoint.base_url, api_key)
    return RemoteEngineReport(answering, served, endpoint.model, sight.sees, engine.status().notices)


def _served(base_url: str, api_key: str) -> tuple[str, ...]:
    url = normal_base_url(base_url)
    local = urlsplit(url).hostname in LOCAL_HOSTS
    try:
        return tuple(served_models(get_json(f"{url}/models", api_key=api_key, timeout_seconds=10.0, local=local)))
    except NoAnswer:  # it answers for a model without listing any
        return ()


def _kept(store: BenchmarkStore, document: dict[str, Any]) -> Measured:
    whole = json.loads(json.dumps({**document, "at": f"{datetime.now():%Y-%m-%d %H:%M}"}))
    store.save(whole)
    return whole  # type: ignore[no-any-return]
