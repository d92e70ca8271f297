"""A program: reads configs as JSON, builds each model with transformers on the meta device, and counts its numbers.

On that device a tensor has a shape and no contents, so even the largest model is built in a second and takes no memory.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def count(config: dict[str, Any]) -> int:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    described = {key: value for key, value in config.items() if key not in ("model_type", "quantization_config")}
    maker = AutoModelForImageTextToText if "vision_config" in config else AutoModelForCausalLM
    with torch.device("meta"):
        model = maker.from_config(AutoConfig.for_model(config["model_type"], **described))
    # Tied weights are one; DeepSeek-V3's corrections are in the checkpoint, though transformers trains none of them.
    kept = [one for name, one in model.named_buffers() if name.endswith("e_score_correction_bias")]
    return sum(one.numel() for one in {id(one): one for one in [*model.parameters(), *kept]}.values())


if __name__ == "__main__":
    json.dump({name: count(config) for name, config in json.load(sys.stdin).items()}, sys.stdout)
