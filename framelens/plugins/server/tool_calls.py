"""Parsers of vLLM that read the tool calls of a model, by the model's family.

A model writes calls of tools in the form that it was trained on. vLLM reads them with the parser of that form, whose
name `tool_call_parser` must give. Source: "Tool Calling" in vLLM's documentation, and its registry of parsers.
"""

from collections.abc import Mapping
from typing import Any

_BY_TYPE = {
    "qwen3_5": "qwen3_coder",
    "qwen": "hermes",
    "llama4": "llama4_pythonic",
    "llama": "llama3_json",
    "mllama": "llama3_json",
    "mistral": "mistral",
    "ministral": "mistral",
    "mixtral": "mistral",
    "pixtral": "mistral",
    "deepseek_v32": "deepseek_v32",
    "deepseek_v3": "deepseek_v3",
    "glm4_moe": "glm45",
    "glm4v_moe": "glm45",
    "kimi_k2": "kimi_k2",
    "gpt_oss": "openai",
    "granitemoehybrid": "granite4",
    "granite": "granite",
    "minimax_m2": "minimax_m2",
    "gemma4": "gemma4",
    "internlm2": "internlm",
    "internlm3": "internlm",
    "ernie4_5": "ernie45",
    "seed_oss": "seed_oss",
    "hunyuan": "hunyuan_a13b",
    "step3": "step3",
    "jamba": "jamba",
    "olmo3": "olmo3",
    "lfm2": "lfm2",
}
"""Parser for each beginning of `model_type` in config.json; the first that fits counts."""


def tool_call_parser(config: Mapping[str, Any], name: str) -> str | None:
    """Return the parser for the model with this config.json and name, or None if unknown.

    Some models write other calls than the rest of their family, which only their names tell.
    """
    if "coder" in name.lower() and "qwen3" in name.lower():
        return "qwen3_coder"
    if "phi-4-mini" in name.lower():
        return "phi4_mini_json"
    kind = str(config.get("model_type", "")).lower()
    return next((parser for start, parser in _BY_TYPE.items() if kind.startswith(start)), None)
