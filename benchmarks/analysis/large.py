"""The shape of Qwen2.5-VL-3B, with weights that vLLM makes up: times are real and answers are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.analysis import prefix, throughput
from benchmarks.analysis.ending import answers_that_end
from benchmarks.analysis.engine import Caches
from benchmarks.analysis.raw import first_text_seconds, raw_seconds
from benchmarks.analysis.recorded import Sent
from benchmarks.analysis.throughput import Place
from benchmarks.row import Row
from benchmarks.shapes import DUMMY
from framelens.engine.hardware import cpu_flags
from framelens.models.formats import has_bfloat16

NAME = "shape of Qwen2.5-VL-3B"

MODEL = "Qwen/Qwen2.5-VL-3B-Instruct"
_WIDE = not has_bfloat16(cpu_flags())
ARGUMENTS = {
    **DUMMY,
    "dtype": "float32" if _WIDE else "bfloat16",
    "kv_cache_memory_bytes": 1 << 30,
    "max_model_len": 4096,
    "mm_processor_kwargs": {"max_pixels": 1280 * 28 * 28},
}
"""In the numbers that this processor computes fastest."""
NEEDED_BYTES = (21 if _WIDE else 12) << 30
"""Its weights take 7.5 GB in 16 bits, its cache and vLLM itself the rest."""
_ANSWER = 16
"""Tokens of an answer that is cut off, where only its beginning counts."""
_WHOLE_ANSWER = 512
"""More than it takes."""
_FRAMES = 14
"""In seven parts, two at a time after the first part has named the people."""


def rows(caches: Caches, videos: tuple[Path, Path], data: Path) -> Iterator[Row]:
    """Measure the cost of a frame, two requests at once, a second question and the chunks of an analysis, once each."""
    few, many = (prefix.requests(videos, data, frames=frames, answer_tokens=_ANSWER) for frames in (1, 3))
    _fresh(caches, prefix.addressed(few[0], caches))  # the engine's own first time, with the form of the answer
    waits = [_fresh(caches, prefix.addressed(one[0], caches)) for one in (few, many)]
    frame_seconds = (waits[1][0] - waits[0][0]) / 2
    yield Row(f"{NAME}: one more frame / the first with its text", frame_seconds / waits[0][0], "x", None, _said(waits))
    yield _batched(caches, [prefix.addressed(one, caches) for one in few])
    yield from prefix.rows(NAME, caches, many, rounds=1)
    endpoint = caches.endpoint
    place = Place(
        NAME, endpoint.base_url, videos, data, frames=_FRAMES, each=2,
        api_key=endpoint.api_key, answer_tokens=_WHOLE_ANSWER, forget=caches.empty, few=2,
    )  # fmt: skip
    with answers_that_end():
        yield from throughput.rows(place, (2,), rounds=1)


def _batched(caches: Caches, requests: list[Sent]) -> Row:
    caches.empty()
    apart = sum(raw_seconds([one], at_once=1) for one in requests)
    caches.empty()
    together = raw_seconds(requests, at_once=len(requests))
    name = f"{NAME}: {len(requests)} raw requests one after the other / at once"
    return Row(name, apart / together, "x", None, f"{apart:.1f} s / {together:.1f} s")


def _fresh(caches: Caches, request: Sent) -> tuple[float, float, int]:
    caches.empty()
    return first_text_seconds(request)


def _said(waits: list[tuple[float, float, int]]) -> str:
    (one, *_), (three, rest, tokens) = waits
    return f"{(three - one) / 2:.2f} s / {one:.2f} s; {(tokens - 1) / rest:.1f} tokens a second"
