"""Speed of models on this machine, as measured by a benchmark; without a benchmark it is unknown.

The forecast of an analysis begins with it, until runs of the model are known.
"""

from pathlib import Path

from framelens.analysis.planning.benchmark_result import parse_result
from framelens.analysis.planning.forecast import benchmark_run
from framelens.config import Settings
from framelens.core.units import gib_number
from framelens.engine.hardware import cpu_name
from framelens.i18n import t
from framelens.models.serving_plan import Device
from framelens.services.engines import hardware_profile
from framelens.store.model_records import Measured, RequestTiming, trials


def latest_trials(data_dir: Path, device: Device) -> dict[str, Measured]:
    """Get the latest benchmark of each model on this machine by the model's id."""
    kept = trials(data_dir).matching(device=device)
    return {str(one["model"]): one for one in kept if device == "gpu" or one.get("machine") == cpu_name()}


def speed_text(trial: Measured | None) -> str:
    """Describe the measured throughput of a model; "" without a benchmark, or if it lacks a figure."""
    found = parse_result(trial) if trial else None
    if found is None:
        return ""
    gib, pace = gib_number(found.peak_bytes), f"{found.tokens_per_second:.1f}"
    if not found.frames:
        return t("models.page.measured_words", gib=gib, pace=pace)
    return t("models.page.measured", gib=gib, pace=pace, each=f"{found.frames[0].each_seconds:.1f}")


def measured_run(settings: Settings, model: str = "") -> tuple[RequestTiming, ...]:
    """Return the run that the benchmark of a model on this machine suggests, by default of the model of the settings.

    The run is empty without a benchmark, and for an engine other than a local vLLM.
    """
    if settings.base_url or settings.engine != "vllm":
        return ()
    kept, named = latest_trials(settings.data_dir, hardware_profile.here().device), model or settings.model_path
    trial = kept.get(named) or kept.get(Path(named).name)  # benchmarks of folders are kept by the folder's name
    found = parse_result(trial) if trial else None
    return benchmark_run(found) if found else ()
