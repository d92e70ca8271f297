"""Which parser reads the calls of tools that a model writes."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from framelens.plugins.server.tool_calls import _BY_TYPE, tool_call_parser


@pytest.mark.parametrize(
    ("kind", "name", "parser"),
    [
        ("qwen2_5_vl", "Qwen/Qwen2.5-VL-7B-Instruct", "hermes"),
        ("qwen3_moe", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_coder"),
        ("qwen3_vl", "Qwen/Qwen3-VL-2B-Instruct", "hermes"),
        ("llama4", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4_pythonic"),
        ("mistral3", "mistralai/Mistral-Small-3.2-24B", "mistral"),
        ("phi3", "microsoft/Phi-4-mini-instruct", "phi4_mini_json"),
        ("phi3", "microsoft/Phi-3.5-mini-instruct", None),
        ("", "/models/mine", None),
    ],
)
def test_the_parser_is_that_of_the_family(kind: str, name: str, parser: str | None) -> None:
    assert tool_call_parser({"model_type": kind}, name) == parser


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed on this system")
def test_vllm_knows_each_parser() -> None:
    spec = find_spec("vllm")
    assert spec and spec.submodule_search_locations
    registry = (Path(spec.submodule_search_locations[0]) / "tool_parsers" / "__init__.py").read_text()
    missing = [one for one in {*_BY_TYPE.values(), "qwen3_coder", "phi4_mini_json"} if f'"{one}": (' not in registry]
    assert missing == []
