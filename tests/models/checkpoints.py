"""Tiny checkpoints of real architectures, made to have a fault each: a config.json, a tokenizer and a few numbers.

Engines load them with `load_format="dummy"`, which fills the weights with random numbers of the shapes that the config
asks for; the file of weights is there to be looked through.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.engine.weights import safetensors

_FIXTURES = Path(__file__).parents[1] / "fixtures"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")

AWQ: dict[str, Any] = {
    "quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True, "version": "gemm",
    "modules_to_not_convert": ["lm_head"],
}  # fmt: skip
GPTQ: dict[str, Any] = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False, "sym": True}
QWEN2: dict[str, Any] = json.loads((_FIXTURES / "tiny-text" / "config.json").read_text())
QWEN2_VL: dict[str, Any] = json.loads((_FIXTURES / "tiny-vl" / "config.json").read_text())
QWEN3_MOE: dict[str, Any] = {
    **{key: QWEN2[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "max_position_embeddings", "dtype")},
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32, "intermediate_size": 256,
    "moe_intermediate_size": 128, "num_experts": 4, "num_experts_per_tok": 2, "norm_topk_prob": True,
    "decoder_sparse_step": 1, "mlp_only_layers": [], "hidden_act": "silu", "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0, "tie_word_embeddings": True,
}  # fmt: skip
GEMMA3: dict[str, Any] = {
    **{key: QWEN2[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "max_position_embeddings", "dtype")},
    "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32, "intermediate_size": 256,
}  # fmt: skip


def checkpoint(folder: Path, config: Mapping[str, Any] = QWEN2, **changes: Any) -> Path:
    """A folder with `config`, changed. Its tokenizer is the trained test models'."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = {key: value for key, value in {**config, **changes}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(changed))
    (folder / "model.safetensors").write_bytes(safetensors())
    for name in _TOKENIZER:
        shutil.copy(_FIXTURES / "tiny-text" / name, folder / name)
    if "vision_config" in changed:
        shutil.copy(_FIXTURES / "tiny-vl" / "preprocessor_config.json", folder / "preprocessor_config.json")
    return folder
