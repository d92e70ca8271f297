"""Benchmark of a model with dummy weights on this machine, before its weights are downloaded.

It measures the time to load, the memory, and the time per frame and per token. vLLM is started on a folder that holds
only the model's config and makes up the weights: the answers are noise, the timings are real. Each picture is sent
once, or the engine would find it in its cache. The speed of generation is the difference between a long and a short
answer to the same prompt.

vLLM's own benchmark can't replace it: the command `vllm bench` of vLLM 0.32 doesn't start with the package for the CPU
(it looks for the version of a package named vllm), and with `--dataset-name random-mm` it reports one rate of all
tokens, prompts and answers together, but neither seconds per frame, memory nor the time to load.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from framelens.analysis.planning.benchmark_result import TOGETHER, BenchmarkResult, FrameCost
from framelens.core.domain import Keyframe, Usage
from framelens.core.errors import RequestTooLarge
from framelens.core.events import EngineProgress, ProgressListener
from framelens.engine.base import Endpoint
from framelens.engine.hardware import cpu_name, installed_vllm
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher
from framelens.engine.system_metrics import GpuReader, own_memory
from framelens.i18n import in_language
from framelens.llm.chat import EngineChat, connect
from framelens.llm.messages import data_url, text_only, with_pictures
from framelens.llm.stream import ask
from framelens.llm.vision_check import as_frames, cards
from framelens.models.config.parser import read_shape
from framelens.models.serving_plan import Device, parse_plan
from framelens.plugins.models.benchmark.dummy_model import write_folder

SIZES = ((448, 252), (896, 504))
"""Width and height of test frames in pixels: the size sent on a CPU, and a size with four times the pixels."""
_ANSWER_TOKENS = 33
"""Length of the long answer."""
_SPARE_TOKENS = 32
"""Unused tokens of the context: a frame's mark may be longer than the first frame's."""
_MEMORY_POLL_SECONDS = 0.25
_LONGEST_SECONDS = 120.0
"""A larger size is skipped if its eight frames would take longer."""
_TIMEOUT_SECONDS = 3600.0
"""Longest wait for a token."""
_QUESTION = "Say what you see."


def run_benchmark(
    model: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
    *,
    log_dir: Path,
    on_progress: ProgressListener,
    cancel: threading.Event,
) -> BenchmarkResult:
    """Measure the model whose config.json is `config`, served with vLLM's `arguments`.

    This takes minutes for a large model. The engine is stopped in any case.

    Args:
        model: Name of the model.
        config: Its config.json.
        arguments: Arguments of vLLM.
        log_dir: Folder for the engine's log.
        on_progress: Called with the engine's progress.
        cancel: Event that stops the benchmark.

    Returns:
        The measurements.

    Raises:
        ModelNotFound: The model can't be run with dummy weights.
        EngineError: vLLM is missing, or the engine doesn't start.
        Cancelled: `cancel` was set.
    """
    device, version = installed_vllm() or ("cpu", "")
    shape = read_shape(config)
    with _PeakMemory(device) as peak, dummy_engine(model, config, arguments, log_dir=log_dir) as engine:
        started = time.monotonic()
        endpoint = engine.ensure_ready(on_progress, cancel)
        load_seconds = time.monotonic() - started
        asking = _RequestTimer(endpoint, parse_plan(arguments, device=device).max_model_len, on_progress, cancel)
        throughput = asking.tokens_per_second()
        frames = tuple(asking.frame_costs(SIZES)) if shape.vision else ()
    return BenchmarkResult(
        model, peak.machine, device, f"vllm {version}", dict(arguments), load_seconds, peak.bytes, throughput, frames
    )


@contextmanager
def dummy_engine(
    model: str, config: Mapping[str, Any], arguments: Mapping[str, Any], *, log_dir: Path
) -> Iterator[LocalEngine]:
    """Build the engine that serves the shape of `config` with dummy weights, and stop it when the block ends.

    Raises:
        ModelNotFound: As in `run_benchmark`.
        EngineError: vLLM is missing.
    """
    with tempfile.TemporaryDirectory(prefix="framelens-trial-") as scratch:
        folder = write_folder(config, Path(scratch) / model.rpartition("/")[2])
        dummy = {"load_format": "dummy", "trust_remote_code": False}  # the folder has no code
        launcher = vllm_launcher(str(folder), {**arguments, **dummy})
        engine = LocalEngine(replace(launcher, fetch=lambda *_: folder), log_dir=log_dir)
        try:
            yield engine
        finally:
            engine.stop()


# ---- requests --------------------------------------------------------------------------------------------------------


class _RequestTimer:
    """Timer of requests to an engine, sent one at a time."""

    def __init__(self, endpoint: Endpoint, length: int, on_progress: ProgressListener, cancel: threading.Event) -> None:
        self._chat: EngineChat = connect(
            endpoint.base_url,
            api_key=endpoint.api_key,
            model=endpoint.model,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        self._length, self._on_progress, self._cancel = length, on_progress, cancel

    def tokens_per_second(self) -> float:
        """Measure the generation speed of a single request."""
        self._on_progress(EngineProgress("benchmarking_text"))
        words = text_only(_QUESTION, system="")
        self._timed(words, 1)  # warm-up, which also caches the prompt
        short, _ = self._timed(words, 1)
        long, usage = self._timed(words, _ANSWER_TOKENS)
        written = usage.completion_tokens if usage else _ANSWER_TOKENS
        return max(1, written - 1) / max(long - short, 1e-6)

    def frame_costs(self, sizes: Sequence[tuple[int, int]]) -> Iterator[FrameCost]:
        """Yield the cost of a frame for each size.

        A size is skipped if the context doesn't hold a frame, or if it would take too long judging by the previous
        size.
        """
        cost: FrameCost | None = None
        for width, height in sizes:
            if cost and TOGETHER * cost.each_seconds * width * height / (cost.width * cost.height) > _LONGEST_SECONDS:
                continue
            with suppress(RequestTooLarge):
                cost = self._frame_cost(width, height)
                yield cost

    def _frame_cost(self, width: int, height: int) -> FrameCost:
        first, alone, *others = as_frames(cards(2 + TOGETHER), width, height)
        self._on_progress(EngineProgress("benchmarking_frames", {"width": width, "height": height, "n": 1}))
        self._timed(_image_messages([first]), 1)
        nothing, without = self._timed(_image_messages([]), 1)
        one, with_one = self._timed(_image_messages([alone]), 1)
        text = without.prompt_tokens if without else 0
        tokens = with_one.prompt_tokens - text if with_one else 0
        together = max(1, min(TOGETHER, (self._length - text - _SPARE_TOKENS) // max(tokens, 1)))
        self._on_progress(EngineProgress("benchmarking_frames", {"width": width, "height": height, "n": together}))
        many, _ = self._timed(_image_messages(others[:together]), 1)
        return FrameCost(width, height, tokens, max(0.0, one - nothing), together, max(0.0, many - nothing) / together)

    def _timed(self, messages: Sequence[BaseMessage], tokens: int) -> tuple[float, Usage | None]:
        bound = self._chat.bind(max_tokens=tokens, extra_body={"ignore_eos": True})
        started = time.perf_counter()
        reply = ask(bound, messages, cancel=self._cancel)  # type: ignore[arg-type]
        return time.perf_counter() - started, reply.usage


def _image_messages(frames: Sequence[Keyframe]) -> list[BaseMessage]:
    with in_language("en"):
        return with_pictures(frames, _QUESTION, system="", url=lambda one: data_url(one, 4096))


# ---- memory ----------------------------------------------------------------------------------------------------------


class _PeakMemory:
    """Context manager that polls the memory of the engine and keeps the peak in `bytes`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._reader = GpuReader()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="trial-memory", daemon=True)
        self.bytes = 0
        self._before = 0

    def __enter__(self) -> _PeakMemory:
        if self._device == "gpu":
            found = self._reader().cards
            self._before = sum(one.memory_used_bytes or 0 for one in found)
            self.machine = ", ".join(sorted({one.name for one in found})) + f" × {len(found)}"
        else:
            self.machine = cpu_name()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._reader.close()

    def _watch(self) -> None:
        while not self._over.wait(_MEMORY_POLL_SECONDS):
            self.bytes = max(self.bytes, self._taken())

    def _taken(self) -> int:
        if self._device == "cpu":
            return own_memory()["engines"]
        return sum(one.memory_used_bytes or 0 for one in self._reader().cards) - self._before
