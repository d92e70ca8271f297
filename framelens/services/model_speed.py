"""Speed of models on this machine: measured by a benchmark, else estimated from the rates of the processor.

The forecast of an analysis begins with it, until runs of the model are known.
"""

from pathlib import Path

from framelens.analysis.planning import benchmark_result
from framelens.config import Settings
from framelens.core.units import gib_number
from framelens.engine.hardware import cpu_name
from framelens.i18n import t
from framelens.models.architecture import FRAME, Shape, image_tokens
from framelens.models.catalogue import load_catalogue
from framelens.models.cpu_speed import SpeedEstimate, estimate_work, reference
from framelens.models.serving_plan import Device, parse_plan
from framelens.services import hardware_profile
from framelens.services.model_arguments import effective_arguments, shape_of
from framelens.store.model_records import Measured, RequestTiming, trials

_LEAST_FRAME_SECONDS, _MOST_TOKENS_PER_SECOND = 0.025, 120.0
"""What a picture and a token take on a CPU however small the model is: decoding, sending and vLLM's own work. Measured
with a model of 2 MB on two cores: 0.013 s and 300 tokens a second, and a quarter of that while they were busy."""


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
