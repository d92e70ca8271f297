"""Write the trained network as two checkpoint folders that any engine loads: the whole, and its language model alone.

Weights are stored in bfloat16, which halves the files and is what engines compute in by default.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from test_models.network import MERGE, PATCH
from test_models.vision import MEAN, SPREAD

# A frame costs 4 to 9 tokens between these limits: 320x180 and every other 16:9 picture costs 8.
MIN_PIXELS, MAX_PIXELS = 56 * 56, 84 * 84


def save(model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write `folder`/tiny-vl and `folder`/tiny-text."""
    _write(model, tokenizer, folder / "tiny-vl")
    processor = {
        "processor_class": "Qwen2_5_VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": SPREAD,
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "min_pixels": MIN_PIXELS,
        "max_pixels": MAX_PIXELS,
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
    }
    _write_json(folder / "tiny-vl" / "preprocessor_config.json", processor)
    _write(_language_alone(model), tokenizer, folder / "tiny-text")


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    words = folder / "tokenizer.json"
    small = json.dumps(json.loads(words.read_text(encoding="utf-8")), indent=0, ensure_ascii=False)
    words.write_text(small + "\n", encoding="utf-8")
    generation = {
        "do_sample": False,
        "eos_token_id": [tokenizer.eos_token_id],
        "pad_token_id": tokenizer.pad_token_id,
        "max_new_tokens": 64,
    }
    _write_json(folder / "generation_config.json", generation)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _language_alone(model: Qwen2_5_VLForConditionalGeneration) -> Qwen2ForCausalLM:
    """Return the same layers as a plain Qwen2: on text, where the three position axes agree, it computes the same."""
    config = model.config.text_config
    shared = (
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads "
        "hidden_act max_position_embeddings rms_norm_eps bos_token_id eos_token_id tie_word_embeddings"
    )
    rope = {"rope_type": "default", "rope_theta": config.rope_parameters["rope_theta"]}
    settings = {name: getattr(config, name) for name in shared.split()}
    alone = Qwen2ForCausalLM(Qwen2Config(rope_parameters=rope, **settings))
    alone.model.load_state_dict(model.model.language_model.state_dict())
    alone.tie_weights()
    return alone
