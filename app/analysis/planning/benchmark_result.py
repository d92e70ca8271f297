"""What a trial of a model's shape has measured, and what follows from it: how long an analysis will take here.

Values alone; `app.analysis.model_benchmark` measures them, the data folder keeps them as documents, and the page reads
those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.analysis.planning import plan
from app.analysis.planning.estimate import Forecast, Planner
from app.analysis.planning.plan import Counted, Room
from app.analysis.planning.throughput import usual_answer
from app.analysis.prompts.templates import built_in
from app.core.domain import AnalysisRequest, Layout, VideoInfo
from app.models import Proposal, memory_of, plan_of
from app.models.serving_plan import GIB, Device
from app.store.timing_stats import Asked, Known

TOGETHER = 8
"""So many frames are sent in one request at most."""
REQUESTS = 2
"""So many of the full length does the cache hold."""
_LENGTH = 8192
_ANSWER_TOKENS = 1024


@dataclass(frozen=True)
class FrameCost:
    """A frame of that size costs `tokens` with its mark, and so many seconds alone, or as one of `together`."""

    width: int
    height: int
    tokens: float
    alone_seconds: float
    together: int
    each_seconds: float


@dataclass(frozen=True)
class Trial:
    """What was measured. `peak_bytes` is the most that the engine took while it loaded and answered: of ordinary
    memory, or with `device` "gpu" of all cards together. `machine` names what it computed on.
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


def settings_of(proposal: Proposal, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """VLLM_CONFIG as proposed for this machine, no longer than a trial needs, with what `given` has otherwise, and with
    a cache of known size, so that the memory measured is what the model takes and not all that there is.
    """
    proposed, shape = proposal.config, proposal.entry.shape
    own = {name: value for name, value in (given or {}).items() if name not in proposed or proposed[name] != value}
    chosen = {**proposed, "max_model_len": min(proposal.plan.max_model_len, _LENGTH)}
    if shape.vision:
        chosen["limit_mm_per_prompt"] = {"image": TOGETHER, "video": 0}
    chosen |= own
    held = plan_of(chosen, device=proposal.plan.device, sequences=REQUESTS)
    return {"kv_cache_memory_bytes": max(memory_of(shape, held).of("cache"), GIB // 4), **chosen}


def tried_of(document: Mapping[str, Any]) -> Trial | None:
    """The trial that was kept as `document`; None where the document is not whole."""
    try:
        figures = {name: document[name] for name in Trial.__dataclass_fields__ if name != "frames"}
        trial = Trial(**figures, frames=tuple(FrameCost(**one) for one in document["frames"]))
        whole = trial.tokens_per_second > 0 and all(one.each_seconds > 0 for one in trial.frames)
    except (KeyError, TypeError):
        return None
    return trial if whole else None


def forecast(trial: Trial, frames: int, video: VideoInfo | None = None) -> Forecast | None:
    """What the engine will take for so many frames with this model here, by the planner that lays out the run; None for
    a model that sees no pictures. `video`: whose frames they are, where that is known.
    """
    if not trial.frames:
        return None
    width, height = trial.frames[0].width, trial.frames[0].height
    counted = Counted(frame_tokens=trial.frames[0].tokens)
    room = Room(plan_of(trial.arguments).max_model_len, answer_tokens=_ANSWER_TOKENS)
    known = Known(runs=(_as_asked(trial, room.answer_tokens),), in_flight=1)

    def measure(request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]) -> tuple[Layout, Room]:
        return plan.basis(request, video, room, max(width, height), counted, lambda _: 1)

    video = video or VideoInfo(Path("video.mp4"), "", 1, "", "", "", width, height, 0, None, None, None, 0.0, False)
    planner = Planner(measure, room, max(width, height), 1, lambda: known, lambda *_: True)
    return planner(video, AnalysisRequest(video.path, frames=frames), built_in()["describe"])


def _as_asked(trial: Trial, most: int) -> tuple[Asked, ...]:
    """A part and a join as they would have lasted, from what their frames and words lasted."""
    cost = trial.frames[0]
    answer, join = usual_answer(cost.together, None, most), usual_answer(0, None, most)
    prompt = max(1, round(cost.together * cost.tokens))
    reading = cost.together * cost.each_seconds
    return (
        Asked(1, cost.together, prompt, answer, 1, reading + answer / trial.tokens_per_second),
        Asked(1, 0, join, join, 1, reading / prompt * join + join / trial.tokens_per_second),
    )
