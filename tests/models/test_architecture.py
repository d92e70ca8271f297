"""The calculator's counts of numbers against transformers' own, against files, and against what is published."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import pytest

from framelens.models.catalogue import built_in, raw_built_in
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.config.parser import read_shape

HERE = Path(__file__).parent
# transformers has no class of their own for these; their numbers are held against the published ones alone.
_ELSEWHERE = ("minicpmv", "deepseek_vl_v2")
_LLAMA = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 512,
}  # fmt: skip
# What no model of the catalogue has, small.
VARIANTS: dict[str, dict[str, Any]] = {
    "tied, with biases": {**_LLAMA, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
    "heads wider than the model": {**_LLAMA, "head_dim": 24},
    "mistral": {**_LLAMA, "model_type": "mistral"},
    "qwen2 moe": {
        **_LLAMA, "model_type": "qwen2_moe", "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 48, "decoder_sparse_step": 1,
    },
    "qwen3 moe, every second layer and not the last": {
        **_LLAMA, "model_type": "qwen3_moe", "num_hidden_layers": 6, "head_dim": 16, "num_experts": 6,
        "num_experts_per_tok": 2, "moe_intermediate_size": 24, "decoder_sparse_step": 2, "mlp_only_layers": [5],
    },
    "deepseek v2 with squeezed queries": {
        **_LLAMA, "model_type": "deepseek_v2", "num_key_value_heads": 8, "kv_lora_rank": 32, "q_lora_rank": 48,
        "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 4, "n_shared_experts": 2,
        "num_experts_per_tok": 2, "moe_intermediate_size": 24, "first_k_dense_replace": 1,
    },
}  # fmt: skip


def own_entries() -> list[CatalogueEntry]:
    """Those that are not another one stored differently."""
    return [entry for entry in built_in().by_id.values() if not entry.base]


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """What transformers counts, in a process of its own."""
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed on this system")
    shapes = {entry.id: entry for entry in own_entries() if entry.shape.model_type not in _ELSEWHERE}
    configs = {**{id_: raw_built_in()[id_]["config"] for id_ in shapes}, **VARIANTS}
    done = subprocess.run(
        [sys.executable, str(HERE / "meta_count.py")],
        input=json.dumps(configs, default=dict),
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.mark.slow
def test_parameter_counts_match_transformers(counted: dict[str, int]) -> None:
    ours = {entry.id: entry.shape.parameters for entry in own_entries() if entry.id in counted}
    assert len(ours) >= 38
    assert ours == {id_: counted[id_] for id_ in ours}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_counted_as_transformers_counts_them(name: str, counted: dict[str, int]) -> None:
    assert read_shape(VARIANTS[name]).parameters == counted[name]


@pytest.mark.parametrize("entry", built_in().by_id.values(), ids=lambda entry: entry.id)
@pytest.mark.slow
def test_parameter_counts_match_published_ones(entry: CatalogueEntry) -> None:
    assert entry.shape.parameters == pytest.approx(entry.parameters, rel=0.02)


@pytest.mark.parametrize("name", ["tiny-vl", "tiny-text"])
def test_a_checkpoint_holds_as_many_numbers_as_its_config_says(name: str) -> None:
    folder = HERE.parent / "fixtures" / name
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    held = sum(prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")
    assert read_shape(json.loads((folder / "config.json").read_text())).parameters == held
