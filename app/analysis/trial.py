"""Tries a model's shape on this very machine before anything is downloaded: how long it loads, what memory it takes,
how long a frame and a word last.

vLLM is started on a folder with the shape alone and makes the weights up, so what it says is noise and how long it
takes is true. Every picture is a new one, or the engine would find it in its cache. An answer's pace is the difference
between a long and a short answer to the same prompt.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from langchain_core.messages import BaseMessage

from app.analysis import plan
from app.analysis.forecast import Forecast, Planner
from app.analysis.pace import usual_answer
from app.analysis.plan import Counted, Room
from app.analysis.templates import built_in
from app.domain import AnalysisRequest, EngineProgress, Keyframe, Layout, Usage, VideoInfo
from app.engine import Endpoint, ManagedEngine, installed_vllm, vllm_launcher
from app.engine.cards import CardReader
from app.engine.hardware import cpu_name, free_memory_bytes
from app.engine.machine import own_memory
from app.errors import ContextExceeded, EngineError
from app.llm.cards import as_frames, cards
from app.llm.chat import EngineChat, connect
from app.llm.messages import data_url, text_only, with_pictures
from app.llm.stream import ask
from app.models import Proposal, Shape, memory_of, plan_of, read_shape
from app.models.dummy import write_folder
from app.models.plan import GIB
from app.store.paces import Asked, Known

SIZES = ((448, 252), (896, 504))
"""Of the frames, in pixels: what is sent on a CPU, and four times as much of the picture."""
TOGETHER = 8
_LENGTH = 8192
_REQUESTS = 2
"""So many of the full length does the cache hold."""
_ANSWER = 33
_SPARE = 32
"""Tokens of the context that are left alone: a mark may be longer than the first one."""
_LOOK_SECONDS = 0.25
_TIMEOUT_SECONDS = 3600.0
_QUESTION = "Say what you see."
Device = Literal["gpu", "cpu"]
Listener = Callable[[EngineProgress], None]


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


def settings_of(proposal: Proposal) -> dict[str, Any]:
    """VLLM_CONFIG as proposed for this machine, no longer than a trial needs and with a cache of known size, so that
    the memory measured is what the model takes and not all that there is.
    """
    shape, chosen = proposal.entry.shape, dict(proposal.config)
    chosen["max_model_len"] = min(proposal.plan.max_model_len, _LENGTH)
    if shape.vision:
        chosen["limit_mm_per_prompt"] = {"image": TOGETHER, "video": 0}
    needed = memory_of(shape, replace(proposal.plan, max_model_len=chosen["max_model_len"], sequences=_REQUESTS))
    return {**chosen, "kv_cache_memory_bytes": max(needed.of("cache"), GIB // 4)}


def check_memory(model: str, shape: Shape, arguments: Mapping[str, Any], device: Device, free_bytes: int) -> None:
    """Raise EngineError where the model, served so, needs more on its fullest card than `free_bytes`."""
    needed = memory_of(shape, plan_of(arguments, device=device, sequences=_REQUESTS)).card_bytes
    if needed > free_bytes:
        gib = {"needed": f"{needed / GIB:.1f}", "free": f"{free_bytes / GIB:.1f}"}
        raise EngineError("trial_memory", model=model, **gib)


def try_shape(
    model: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
    *,
    log_dir: Path,
    on_progress: Listener,
    cancel: threading.Event,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Trial:
    """Measure the model whose config.json is `config`, served with vLLM's `arguments`; minutes, for a large one.

    The engine is ended in any case. Raises ModelNotFound for a shape that cannot be tried, EngineError where vLLM or
    the memory for it is missing or the start fails, Cancelled.
    """
    device, version = installed_vllm() or ("cpu", "")
    shape = read_shape(config)
    with tempfile.TemporaryDirectory(prefix="framelens-trial-") as scratch, _Peak(device) as peak:
        folder = write_folder(config, Path(scratch) / model.rpartition("/")[2])
        launcher = vllm_launcher(str(folder), {**arguments, "load_format": "dummy"})
        check_memory(model, shape, arguments, device, peak.free_bytes)
        engine = ManagedEngine(replace(launcher, fetch=lambda *_: folder), log_dir=log_dir)
        try:
            started = time.monotonic()
            endpoint = engine.ensure_ready(on_progress, cancel)
            load_seconds = time.monotonic() - started
            asking = _Asking(endpoint, plan_of(arguments, device=device).max_model_len, on_progress, cancel)
            pace = asking.tokens_per_second()
            frames = tuple(asking.frame_costs(sizes)) if shape.vision else ()
        finally:
            engine.stop()
    return Trial(
        model, peak.machine, device, f"vllm {version}", dict(arguments), load_seconds, peak.bytes, pace, frames
    )


def forecast(trial: Trial, frames: int) -> Forecast | None:
    """What an analysis of so many frames will take with this model here, by the planner that lays out the run; None
    for a model that sees no pictures.
    """
    if not trial.frames:
        return None
    width, height = trial.frames[0].width, trial.frames[0].height
    counted = Counted(frame_tokens=trial.frames[0].tokens)
    room = Room(plan_of(trial.arguments).max_model_len, answer_tokens=1024)
    known = Known(runs=(_as_asked(trial, room.answer_tokens),), in_flight=1)

    def measure(request: AnalysisRequest, video: VideoInfo, words: tuple[str, str]) -> tuple[Layout, Room]:
        return plan.basis(request, video, room, max(width, height), counted, lambda _: 1)

    video = VideoInfo(Path("video.mp4"), "", 1, "", "", "", width, height, 0, None, None, None, 0.0, False)
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


# ---- asking ----------------------------------------------------------------------------------------------------------


class _Asking:
    """Times requests to one engine, one after the other."""

    def __init__(self, endpoint: Endpoint, length: int, on_progress: Listener, cancel: threading.Event) -> None:
        self._chat: EngineChat = connect(
            endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        self._length, self._on_progress, self._cancel = length, on_progress, cancel

    def tokens_per_second(self) -> float:
        """How fast an answer grows that is alone."""
        self._on_progress(EngineProgress("trying_words"))
        words = text_only(_QUESTION, system="")
        self._timed(words, 1)  # the engine's own first time, which keeps the prompt
        short, _ = self._timed(words, 1)
        long, usage = self._timed(words, _ANSWER)
        written = usage.completion_tokens if usage else _ANSWER
        return max(1, written - 1) / max(long - short, 1e-6)

    def frame_costs(self, sizes: Sequence[tuple[int, int]]) -> Iterator[FrameCost]:
        """What frames of each size cost; a size of which the context does not hold one is left out."""
        for width, height in sizes:
            with suppress(ContextExceeded):
                yield self._frame_cost(width, height)

    def _frame_cost(self, width: int, height: int) -> FrameCost:
        first, alone, *others = as_frames(cards(2 + TOGETHER), width, height)
        self._on_progress(EngineProgress("trying_frames", {"width": width, "height": height, "n": 1}))
        self._timed(_about([first]), 1)
        nothing, without = self._timed(_about([]), 1)
        one, with_one = self._timed(_about([alone]), 1)
        text = without.prompt_tokens if without else 0
        tokens = with_one.prompt_tokens - text if with_one else 0
        together = max(1, min(TOGETHER, (self._length - text - _SPARE) // max(tokens, 1)))
        self._on_progress(EngineProgress("trying_frames", {"width": width, "height": height, "n": together}))
        many, _ = self._timed(_about(others[:together]), 1)
        return FrameCost(width, height, tokens, max(0.0, one - nothing), together, max(0.0, many - nothing) / together)

    def _timed(self, messages: Sequence[BaseMessage], tokens: int) -> tuple[float, Usage | None]:
        bound = self._chat.bind(max_tokens=tokens, extra_body={"ignore_eos": True})
        started = time.perf_counter()
        reply = ask(bound, messages, cancel=self._cancel)  # type: ignore[arg-type]
        return time.perf_counter() - started, reply.usage


def _about(frames: Sequence[Keyframe]) -> list[BaseMessage]:
    return with_pictures(frames, _QUESTION, system="", language="en", url=lambda one: data_url(one, 4096))


# ---- memory ----------------------------------------------------------------------------------------------------------


class _Peak:
    """Looks again and again at the memory that the engine takes, and keeps the most."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._reader = CardReader()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="trial-memory", daemon=True)
        self.bytes = 0
        self._before = 0

    def __enter__(self) -> _Peak:
        if self._device == "gpu":
            found = self._reader().cards
            self._before = sum(one.memory_used_bytes or 0 for one in found)
            free = [one.memory_bytes - (one.memory_used_bytes or 0) for one in found if one.memory_bytes]
            self.free_bytes = min(free, default=0)
            self.machine = ", ".join(sorted({one.name for one in found})) + f" × {len(found)}"
        else:
            self.free_bytes, self.machine = free_memory_bytes(), cpu_name()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._reader.close()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.bytes = max(self.bytes, self._taken())

    def _taken(self) -> int:
        if self._device == "cpu":
            return own_memory()["engines"]
        return sum(one.memory_used_bytes or 0 for one in self._reader().cards) - self._before
