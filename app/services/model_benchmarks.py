"""What is measured of a model on this machine and kept: a trial of its shape, and the vision check of an engine.

The command line and the page both come here; what they get, and what they find again later, is the same document.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.analysis.planning import benchmark_result
from app.config import Settings
from app.core.domain import EngineProgress, Language
from app.core.errors import AppError, EngineError
from app.engine import Engine, RemoteEngine, installed_vllm, resolve_model
from app.engine.hardware import cpu_name, free_memory_bytes
from app.engine.http_client import NoAnswer, get_json, served_models
from app.engine.monitoring.gpu import CardReader
from app.engine.remote_engine import LOCAL_HOSTS, normal_base_url
from app.i18n import LANGUAGES, notice_text, t
from app.models import Proposal, load, memory_of, plan_of, read_shape
from app.models.cpu_speed import Pace
from app.models.dummy_model import check_entry
from app.models.formats import format_of
from app.models.serving_plan import GIB, Device
from app.services.engine_session import pass_on, usual_side
from app.store.benchmark_store import Kept, Measured, checks, trials

Listener = Callable[[EngineProgress], None]
_FRAME_SHAPE = 9 / 16
_CALL_SECONDS = 120.0


@dataclass(frozen=True)
class Elsewhere:
    """What an engine elsewhere told: the models that it serves, the one that is used, and whether that one sees."""

    base_url: str
    served: tuple[str, ...]
    model: str
    sees: bool | None


# ---- a shape ---------------------------------------------------------------------------------------------------------


def check_proposal(proposal: Proposal) -> None:
    """Raise the AppError of a model that cannot be tried here at all."""
    check_entry(proposal.entry)
    if installed_vllm() is None:
        raise EngineError("vllm_not_installed", model=proposal.entry.id)


def needed_bytes(proposal: Proposal, arguments: Mapping[str, Any]) -> int:
    """What a trial with `arguments` over what is proposed takes of the fullest card, or of memory."""
    plan = plan_of(
        benchmark_result.settings_of(proposal, arguments),
        device=proposal.plan.device,
        sequences=benchmark_result.REQUESTS,
    )
    return memory_of(proposal.entry.shape, plan).card_bytes


def free_bytes() -> int:
    """What a trial may take right now: memory, or of the card that has the least left."""
    if (installed_vllm() or ("cpu", ""))[0] == "cpu":
        return free_memory_bytes()
    reader = CardReader()
    cards = [one for one in reader().cards if one.memory_bytes]
    reader.close()
    return min(((one.memory_bytes or 0) - (one.memory_used_bytes or 0) for one in cards), default=0)


def fits_beside(needed: int) -> bool:
    """Whether a trial of `needed` bytes leaves what runs now alone."""
    return needed <= free_bytes()


def try_model(
    proposal: Proposal,
    arguments: Mapping[str, Any],
    settings: Settings,
    on_progress: Listener,
    cancel: threading.Event,
) -> Measured:
    """Measure the proposed model's shape, with `arguments` over what is proposed, and keep what came out.

    Raises what `try_shape` raises, and what `check_proposal` does.
    """
    check_proposal(proposal)
    from app.analysis import model_benchmark  # LangChain, which the page and the other questions start without

    pass_on(settings)
    found = model_benchmark.try_shape(
        proposal.entry.id,
        proposal.entry.config,
        benchmark_result.settings_of(proposal, arguments),
        log_dir=settings.data_dir / "trial-engine",
        on_progress=on_progress,
        cancel=cancel,
    )
    return _kept(trials(settings.data_dir), asdict(found))


# ---- sight -----------------------------------------------------------------------------------------------------------


def check_sight(
    settings: Settings,
    engine: Engine,
    size: tuple[int, int] | None,
    language: Language,
    on_progress: Listener,
    cancel: threading.Event,
) -> Measured:
    """Start `engine` where needed, show it test cards of `size` pixels (None: of frames as they are sent), score what
    it reads and keep that. Raises the AppErrors of an engine that cannot answer, and Cancelled.
    """
    from app.llm.chat import connect
    from app.llm.vision_check import check_vision

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
        language=language,
        on_progress=lambda key: on_progress(EngineProgress(f"sight_{key}")),
        cancel=cancel,
    )
    engine.note_sight(seen.verdict != "blind")
    reason = seen.reason and {one: notice_text(seen.reason, one) for one in LANGUAGES}
    figures = asdict(replace(seen, reason=None)) | {"verdict": seen.verdict, "reason": reason}
    return _kept(checks(settings.data_dir), {**engine_of(settings), **figures})


def last_check(settings: Settings) -> Measured | None:
    """The latest vision check of the engine that these settings name; None where there was none."""
    found = checks(settings.data_dir).of(**engine_of(settings))
    return found[-1] if found else None


def result_text(seen: Measured, language: Language) -> str:
    """How many of the cards were read, and whether in their order."""
    order = t("sight.order_right" if seen["ordered"] else "sight.order_wrong", language)
    figures = {name: seen[name] for name in ("shown", "colours", "forms", "digits", "width", "height")}
    return t("sight.result", language, order=order, **figures)


def latest_trials(data_dir: Path, device: Device) -> dict[str, Measured]:
    """The latest trial of each model on this machine, by the model's id."""
    kept = trials(data_dir).of(device=device)
    return {str(one["model"]): one for one in kept if device == "gpu" or one.get("machine") == cpu_name()}


def pace_text(trial: Measured, language: Language) -> str:
    """How quick a model was when it was tried here; "" where the trial does not tell."""
    found = benchmark_result.tried_of(trial)
    if found is None:
        return ""
    gib, pace = f"{found.peak_bytes / GIB:.1f}", f"{found.tokens_per_second:.1f}"
    if not found.frames:
        return t("models.page.measured_words", language, gib=gib, pace=pace)
    return t("models.page.measured", language, gib=gib, pace=pace, each=f"{found.frames[0].each_seconds:.1f}")


def speed_text(pace: Pace | None, sees: bool, measured: Measured | None, language: Language) -> str:
    """Return how quick a model is: as it was measured here, else as it is estimated; "" where neither is known."""
    told = pace_text(measured, language) if measured else ""
    if told or pace is None:
        return told
    each = f"{pace.frame_seconds:.1f}" if sees else ""
    key = "models.page.estimated" if each else "models.page.estimated_words"
    return t(key, language, each=each, pace=f"{pace.tokens_per_second:.1f}")


def engine_of(settings: Settings) -> dict[str, str]:
    """What a vision check is about: the model, what serves it, and the format of its numbers, "" where unknown."""
    if settings.base_url:
        return {"model": settings.asked_model, "engine": settings.base_url, "format": ""}
    version = (installed_vllm() or ("", ""))[1] if settings.engine == "vllm" else ""
    engine = f"{settings.engine} {version}".strip()
    return {"model": settings.model_path, "engine": engine, "format": _format(settings)}


def usual_size(settings: Settings) -> tuple[int, int]:
    """A frame of 16 : 9 as it is sent to this engine, in pixels."""
    side = usual_side(settings) or 896
    return side, round(side * _FRAME_SHAPE)


def _format(settings: Settings) -> str:
    try:
        folder = resolve_model(settings.model_path).folder
        shape = read_shape(json.loads((folder / "config.json").read_text("utf-8-sig"))) if folder else None
        shape = shape or load(settings.data_dir / "models").find(settings.model_path).entry.shape
    except (AppError, OSError, ValueError):
        return ""
    chosen = plan_of(settings.vllm_config).format if settings.engine == "vllm" else None
    return chosen if chosen and shape.quantisation is None else format_of(shape).key


# ---- elsewhere -------------------------------------------------------------------------------------------------------


def call(settings: Settings, on_progress: Listener, cancel: threading.Event) -> Elsewhere:
    """Ask the engine that these settings name what it serves, and whether it takes pictures in. Raises AppErrors."""
    from app.llm.chat import connect
    from app.llm.vision_probe import prove_sight

    api_key, model = settings.api_key, settings.asked_model
    endpoint = RemoteEngine(settings.base_url, api_key, model).ensure_ready(on_progress, cancel)
    on_progress(EngineProgress("proving_sight"))
    chat = connect(endpoint.base_url, api_key=api_key, model=endpoint.model, timeout_seconds=_CALL_SECONDS)
    sight = prove_sight(chat, cancel=cancel)
    return Elsewhere(endpoint.base_url, _served(endpoint.base_url, api_key), endpoint.model, sight.sees)


def _served(base_url: str, api_key: str) -> tuple[str, ...]:
    url = normal_base_url(base_url)
    local = urlsplit(url).hostname in LOCAL_HOSTS
    try:
        return tuple(served_models(get_json(f"{url}/models", api_key=api_key, timeout_seconds=10.0, local=local)))
    except NoAnswer:  # it answers for a model without listing any
        return ()


def _kept(store: Kept, document: dict[str, Any]) -> Measured:
    whole = json.loads(json.dumps({**document, "at": f"{datetime.now():%Y-%m-%d %H:%M}"}))
    store.keep(whole)
    return whole  # type: ignore[no-any-return]
