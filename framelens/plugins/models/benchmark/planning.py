"""Plan of a benchmark: its settings, and the estimate of an analysis that follows from its result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framelens.analysis.planning import plan
from framelens.analysis.planning.benchmark_result import TOGETHER, BenchmarkResult
from framelens.analysis.planning.estimate import Estimate, Planner
from framelens.analysis.planning.forecast import ANSWER_TOKENS, benchmark_run
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.prompts.templates import built_in
from framelens.core.domain import AnalysisRequest, Layout, VideoInfo
from framelens.core.units import GIB
from framelens.models.memory import estimate_memory
from framelens.models.placement import Proposal
from framelens.models.serving_plan import parse_plan
from framelens.store.model_records import KnownTimings

REQUESTS = 2
"""Requests of full length that the KV cache holds."""
_MAX_MODEL_LEN = 8192
"""Longest context of a benchmark, in tokens."""


def benchmark_settings(proposal: Proposal, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the VLLM_CONFIG for a benchmark: as proposed, but with a short context and a KV cache of known size.

    The size of the cache is fixed so that the measured memory is what the model needs, not all that is free.

    Args:
        proposal: Model with the settings proposed for this machine.
        given: Settings of the user, which win where they differ from the proposal.
    """
    proposed, shape = proposal.config, proposal.entry.shape
    own = {name: value for name, value in (given or {}).items() if name not in proposed or proposed[name] != value}
    chosen = {**proposed, "max_model_len": min(proposal.plan.max_model_len, _MAX_MODEL_LEN)}
    if shape.vision:
        chosen["limit_mm_per_prompt"] = {"image": TOGETHER, "video": 0}
    chosen |= own
    planned = parse_plan(chosen, device=proposal.plan.device, sequences=REQUESTS)
    return {"kv_cache_memory_bytes": max(estimate_memory(shape, planned).bytes_of("cache"), GIB // 4), **chosen}


def estimate_analysis(result: BenchmarkResult, frames: int, video: VideoInfo | None = None) -> Estimate | None:
    """Estimate an analysis of so many frames with the measured model, by the planner that lays out the run.

    Args:
        result: Measurements of the model.
        frames: Number of frames.
        video: Video that the frames are from, if known.

    Returns:
        The estimate, or None for a model without image input.
    """
    if not result.frames:
        return None
    width, height = result.frames[0].width, result.frames[0].height
    counted = plan.TokenCounts(frame_tokens=result.frames[0].tokens)
    capacity = RequestCapacity(parse_plan(result.arguments).max_model_len, answer_tokens=ANSWER_TOKENS)
    known = KnownTimings(runs=(benchmark_run(result),), in_flight=1)

    def measure(request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]) -> tuple[Layout, RequestCapacity]:
        return plan.basic_layout(request, video, capacity, max(width, height), counted, lambda _: 1)

    video = video or VideoInfo(Path("video.mp4"), "", 1, "", "", "", width, height, 0, None, None, None, 0.0, False)
    planner = Planner(measure, capacity, max(width, height), 1, lambda: known, lambda *_: frames)
    return planner(video, AnalysisRequest(video.path, frames=frames), built_in()["describe"])
