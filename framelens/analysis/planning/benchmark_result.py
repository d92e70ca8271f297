"""Result of a model benchmark, and the estimate of an analysis that follows from it.

Values only: `framelens.plugins.models.benchmark.model_benchmark` measures them, and the data folder keeps them as documents for the
page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framelens.analysis.planning import plan
from framelens.analysis.planning.estimate import Estimate, Planner
from framelens.analysis.planning.throughput import usual_answer_tokens
from framelens.analysis.prompts.templates import built_in
from framelens.core.domain import AnalysisRequest, Layout, VideoInfo
from framelens.core.units import GIB
from framelens.models.memory import estimate_memory
from framelens.models.placement import Proposal
from framelens.models.serving_plan import Device, parse_plan
from framelens.store.model_records import KnownTimings, RequestTiming

TOGETHER = 8
"""Most frames of one test request. Chosen by hand; not tuned."""
REQUESTS = 2
"""Requests of full length that the KV cache holds. Chosen by hand; not tuned."""
_MAX_MODEL_LEN = 8192
"""Longest context of a benchmark, in tokens. Chosen by hand; not tuned."""
_ANSWER_TOKENS = 1024
"""Tokens kept free for an answer in the estimate. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class FrameCost:
    """Cost of a frame of one size.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        tokens: Prompt tokens of a frame with its mark.
        alone_seconds: Time of a frame that is sent alone.
        together: Number of frames sent in one request for `each_seconds`.
        each_seconds: Time of each of these frames.
    """

    width: int
    height: int
    tokens: float
    alone_seconds: float
    together: int
    each_seconds: float


@dataclass(frozen=True)
class BenchmarkResult:
    """Measurements of one model on this machine.

    Attributes:
        model: Name of the model.
        machine: Name of the processor or the cards.
        device: "cpu" or "gpu".
        engine: Name and version of the engine.
        arguments: Arguments of vLLM.
        load_seconds: Time until the engine was ready.
        peak_bytes: Peak memory while it loaded and answered: RAM, or for "gpu" the memory of all cards together.
        tokens_per_second: Generation speed of a single request.
        frames: Cost of a frame for each measured size.
    """

    model: str
    machine: str
    device: Device
    engine: str
    arguments: Mapping[str, Any]
    load_seconds: float
    peak_bytes: int
    tokens_per_second: float
    frames: tuple[FrameCost, ...] = field(default=())


def benchmark_settings(proposal: Proposal, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the VLLM_CONFIG for a benchmark: the proposed one with a short context and a KV cache of known size.

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


def parse_result(document: Mapping[str, Any]) -> BenchmarkResult | None:
    """Parse the result that was stored as `document`; return None if the document is incomplete."""
    try:
        figures = {name: document[name] for name in BenchmarkResult.__dataclass_fields__ if name != "frames"}
        result = BenchmarkResult(**figures, frames=tuple(FrameCost(**one) for one in document["frames"]))
        whole = result.tokens_per_second > 0 and all(one.each_seconds > 0 for one in result.frames)
    except (KeyError, TypeError):
        return None
    return result if whole else None


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
    capacity = plan.RequestCapacity(parse_plan(result.arguments).max_model_len, answer_tokens=_ANSWER_TOKENS)
    known = KnownTimings(runs=(usual_run(result),), in_flight=1)

    def measure(
        request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]
    ) -> tuple[Layout, plan.RequestCapacity]:
        return plan.basic_layout(request, video, capacity, max(width, height), counted, lambda _: 1)

    video = video or VideoInfo(Path("video.mp4"), "", 1, "", "", "", width, height, 0, None, None, None, 0.0, False)
    planner = Planner(measure, capacity, max(width, height), 1, lambda: known, lambda *_: frames)
    return planner(video, AnalysisRequest(video.path, frames=frames), built_in()["describe"])


def usual_run(result: BenchmarkResult) -> tuple[RequestTiming, ...]:
    """Return the timing of a chunk and of a join that the measurements suggest; nothing for a model without images."""
    if not result.frames:
        return ()
    cost = result.frames[0]
    return run_at(cost.tokens, cost.each_seconds, result.tokens_per_second, frames=cost.together)


def run_at(
    frame_tokens: float, frame_seconds: float, tokens_per_second: float, *, frames: int = TOGETHER
) -> tuple[RequestTiming, ...]:
    """Return the timing of a chunk and of a join of an engine with this cost of a frame and this speed."""
    answer, join = (usual_answer_tokens(number, None, _ANSWER_TOKENS) for number in (frames, 0))
    prompt, reading = max(1, round(frames * frame_tokens)), frames * frame_seconds
    return (
        RequestTiming(1, frames, prompt, answer, 1, reading + answer / tokens_per_second),
        RequestTiming(1, 0, join, join, 1, reading / prompt * join + join / tokens_per_second),
    )
