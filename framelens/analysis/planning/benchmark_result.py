"""Result of a model benchmark; the data folder keeps it as a document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from framelens.models.serving_plan import Device

TOGETHER = 8
"""Most frames of a test request."""


@dataclass(frozen=True)
class FrameCost:
    """Cost of a frame of a given size.

    Attributes:
        width: Width in pixels.
        height: Height in pixels.
        tokens: Prompt tokens of a frame with its mark.
        alone_seconds: Time of a frame that is sent alone.
        together: Number of frames sent in a request for `each_seconds`.
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
    """Measurements of a model on this machine.

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
