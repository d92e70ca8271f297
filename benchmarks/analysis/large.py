"""The shape of Qwen2.5-VL-3B as a model folder without weights.

vLLM makes the weights up (`load_format` dummy), so that times are real and answers are not. Tokenizer and chat template
come from the test model: a text costs about as many tokens as with the real model, where the tokenizer of
framelens.plugins.models.benchmark.dummy_model has a token for every byte.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.analysis import prefix, throughput
from benchmarks.analysis.ending import answers_that_end
from benchmarks.analysis.engine import TINY, Caches
from benchmarks.analysis.raw import first_text_seconds, raw_seconds
from benchmarks.analysis.recorded import Sent
from benchmarks.analysis.throughput import Place
from benchmarks.row import Row
from framelens.engine.hardware import cpu_flags
from framelens.models.catalogue import built_in
from framelens.models.formats import has_bfloat16

NAME = "shape of Qwen2.5-VL-3B"

_MODEL = "Qwen/Qwen2.5-VL-3B-Instruct"
_WIDE = not has_bfloat16(cpu_flags())
ARGUMENTS = {
    "load_format": "dummy",
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
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
_MARKS = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")


def folder(at: Path, model: str = _MODEL) -> Path:
    """Return the folder of a model without weights; make it if it is missing."""
    from framelens.plugins.models.benchmark.dummy_model import write_folder  # the other parts run without the plugin

    write_folder(built_in().by_id[model].config, at)
    for name in _TOKENIZER:
        shutil.copy(TINY / name, at / name)
    config, tiny = (json.loads((one / "config.json").read_text(encoding="utf-8")) for one in (at, TINY))
    (at / "config.json").write_text(json.dumps(with_marks_of(tiny, config)), encoding="utf-8")
    return at


def with_marks_of(tiny: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return `config` with the ids of the test model's special tokens."""
    ends = {name: tiny["text_config"][name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return {**config, **ends, **{name: tiny[name] for name in _MARKS}}


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
