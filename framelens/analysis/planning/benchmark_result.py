"""Result of a model benchmark, and the timing of requests that follows from it.

Values only; the data folder keeps them as documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framelens.analysis.planning.throughput import usual_answer_tokens
from framelens.models.serving_plan import Device
from framelens.store.model_records import RequestTiming

TOGETHER = 8
"""Most frames of one test request."""
ANSWER_TOKENS = 1024
"""Tokens kept free for an answer in the estimate."""


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


def parse_result(document: Mapping[str, Any]) -> BenchmarkResult | None:
    """Parse the result that was stored as `document`; return None if the document is incomplete."""
    try:
        figures = {name: document[name] for name in BenchmarkResult.__dataclass_fields__ if name != "frames"}
        result = BenchmarkResult(**figures, frames=tuple(FrameCost(**one) for one in document["frames"]))
        whole = result.tokens_per_second > 0 and all(one.each_seconds > 0 for one in result.frames)
    except (KeyError, TypeError):
        return None
    return result if whole else None


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
    answer, join = (usual_answer_tokens(number, None, ANSWER_TOKENS) for number in (frames, 0))
    prompt, reading = max(1, round(frames * frame_tokens)), frames * frame_seconds
    return (
        RequestTiming(1, frames, prompt, answer, 1, reading + answer / tokens_per_second),
        RequestTiming(1, 0, join, join, 1, reading / prompt * join + join / tokens_per_second),
    )
