"""Build the untrained network, a Qwen2.5-VL in miniature, and the optimiser both training steps use.

Vision: 2 blocks of width 64, the second with full attention. Language: 4 layers of width 128 with 4 heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from test_models.vocabulary import END_OF_TEXT, FRAME_CELL, FRAME_END, FRAME_START, MAX_POSITIONS, TURN_END, VIDEO_CELL

PATCH, MERGE = 14, 2
VISION_WIDTH, TEXT_WIDTH, HEAD_WIDTH = 64, 128, 32


def build(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    """Build the network with random weights (drawn from torch's global generator)."""
    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": math.ceil(len(tokenizer) / 64) * 64,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 3 * TEXT_WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": TEXT_WIDTH // HEAD_WIDTH,
        "num_key_value_heads": TEXT_WIDTH // HEAD_WIDTH,
        "max_position_embeddings": MAX_POSITIONS,
        "initializer_range": 0.05,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "bos_token_id": number(END_OF_TEXT),
        "eos_token_id": number(TURN_END),
        "pad_token_id": None,
        # 1e4, the usual base, learns more slowly here than the 1e6 of the large models.
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 6, 6]},
    }
    vision = {
        "depth": 2,
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 3 * VISION_WIDTH,
        "num_heads": VISION_WIDTH // HEAD_WIDTH,
        "out_hidden_size": TEXT_WIDTH,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [1],
        "tokens_per_second": 2,
        "initializer_range": 0.05,
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        image_token_id=number(FRAME_CELL),
        video_token_id=number(VIDEO_CELL),
        vision_start_token_id=number(FRAME_START),
        vision_end_token_id=number(FRAME_END),
    )
    return Qwen2_5_VLForConditionalGeneration(config)


class Descent:
    """AdamW with a short warm-up, a plateau over the share `hold` of `steps`, and a cosine fall to 2 %."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, rate: float, steps: int, hold: float) -> None:
        self.parameters = list(parameters)
        self.rate, self.steps, self.hold, self.done = rate, steps, hold, 0
        matrices = [each for each in self.parameters if each.ndim > 1]
        vectors = [each for each in self.parameters if each.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))

    def step(self, loss: torch.Tensor) -> None:
        for group in self.adam.param_groups:
            group["lr"] = self.rate * self._share()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()
        self.done += 1

    def _share(self) -> float:
        warm = min(1.0, (self.done + 1) / 40)
        fallen = max(0.0, (self.done / self.steps - self.hold) / (1 - self.hold))
        return warm * max(0.02, 0.5 + 0.5 * math.cos(math.pi * fallen))
