"""The shape of Qwen2.5-VL-3B as a model folder without weights: vLLM makes them up (`load_format` dummy), so that times
are true and answers are not. Tokenizer and chat template are those of the test model, whose marks have other numbers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.analysis import prefix, throughput
from benchmarks.analysis.engine import TINY, Caches
from benchmarks.analysis.raw import Sent, first_text_seconds, raw_seconds
from benchmarks.analysis.throughput import Place
from benchmarks.row import Row

NAME = "shape of Qwen2.5-VL-3B"

ARGUMENTS = {"load_format": "dummy", "dtype": "bfloat16", "max_model_len": 4096}
NEEDED_BYTES = 12 << 30
"""Its weights take 7.5 GB, its cache and vLLM itself the rest."""
_ANSWER = 16
_MOST_PIXELS = 1280 * 28 * 28
_LAYERS = 36
_TEXT = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128000,
    "rms_norm_eps": 1e-6,
    "vocab_size": 151936,
}
_SIGHT = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 2048,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
}


def folder(at: Path) -> Path:
    """The model folder, made where it is not there."""
    shutil.copytree(TINY, at, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    config = shape(json.loads((TINY / "config.json").read_text(encoding="utf-8")))
    (at / "config.json").write_text(json.dumps(config), encoding="utf-8")
    eyes = json.loads((TINY / "preprocessor_config.json").read_text(encoding="utf-8"))
    eyes |= {"max_pixels": _MOST_PIXELS, "size": {"shortest_edge": eyes["min_pixels"], "longest_edge": _MOST_PIXELS}}
    (at / "preprocessor_config.json").write_text(json.dumps(eyes), encoding="utf-8")
    return at


def shape(tiny: dict[str, Any]) -> dict[str, Any]:
    """The test model's configuration with the sizes of the large one; both tie their embeddings."""
    text = {**tiny["text_config"], **_TEXT, "layer_types": ["full_attention"] * _LAYERS}
    text["rope_parameters"] = {**text["rope_parameters"], "mrope_section": [16, 24, 24]}
    return {**tiny, "text_config": text, "vision_config": {**tiny["vision_config"], **_SIGHT}}


def rows(caches: Caches, videos: tuple[Path, Path], data: Path) -> Iterator[Row]:
    """A frame's cost, two requests at once, the second question, and a whole analysis; once each, since it is slow."""
    few, many = (prefix.requests(videos, data, frames=frames, answer_tokens=_ANSWER) for frames in (1, 3))
    _fresh(caches, prefix.addressed(few[0], caches))  # the engine's own first time, with the form of the answer
    waits = [_fresh(caches, prefix.addressed(one[0], caches)) for one in (few, many)]
    frame_seconds = (waits[1][0] - waits[0][0]) / 2
    yield Row(f"{NAME}: one more frame / the first with its text", frame_seconds / waits[0][0], "x", None, _said(waits))
    yield _batched(caches, [prefix.addressed(one, caches) for one in few])
    yield from prefix.rows(NAME, caches, many, rounds=1)
    endpoint = caches.endpoint
    place = Place(
        NAME, endpoint.base_url, videos, data, frames=2, each=2,
        api_key=endpoint.api_key, answer_tokens=_ANSWER, forget=caches.empty,
    )  # fmt: skip
    yield from throughput.rows(place, (1,), rounds=1)


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
    (one, *_), (three, rest, pieces) = waits
    return f"{(three - one) / 2:.2f} s / {one:.2f} s; {(pieces - 1) / rest:.1f} tokens a second"
