"""Folders of true shape without weights: the shape is the model's, the marks are the tokenizer's, and the
libraries that vLLM builds on can read them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.analysis import large
from benchmarks.analysis.engine import TINY
from framelens.core.errors import ModelNotFound
from framelens.models.catalogue import built_in
from framelens.models.config.parser import read_shape
from framelens.plugins.models.benchmark.dummy_model import check_entry, files_of, write_folder
from tests.core.test_vllm_arguments import needs_vllm

ENTRIES = built_in().by_id
SEEING = ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-8B-Instruct")
BLIND = ("Qwen/Qwen3-0.6B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
REFUSED = {
    "llava-hf/llava-1.5-7b-hf": "benchmark_no_processor",
    "deepseek-community/deepseek-vl-7b-chat": "benchmark_other_engine",
    "openbmb/MiniCPM-V-4_5": "benchmark_needs_code",
}
_LOAD = """
import json, sys
from transformers import AutoConfig, AutoProcessor, AutoTokenizer
told = {}
for folder in sys.argv[1:]:
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    text = "[frame 1] 看 <|im_end|>"
    back = tokenizer.decode(tokenizer(text)["input_ids"])
    sees = hasattr(config, "vision_config")
    processor = AutoProcessor.from_pretrained(folder) if sees else None
    head = config.get_text_config().num_hidden_layers
    side = [processor.image_processor.patch_size, processor.image_processor.merge_size] if sees else None
    told[folder] = [back == text, head, side]
print(json.dumps(told))
"""


def can_be_tried(id_: str) -> bool:
    try:
        check_entry(ENTRIES[id_])
    except ModelNotFound:
        return False
    return True


@pytest.mark.parametrize("id_", [id_ for id_ in ENTRIES if can_be_tried(id_)])
def test_dummy_folder_has_model_shape_and_tokenizer_marks(id_: str) -> None:
    files = files_of(ENTRIES[id_].config)
    config = json.loads(files["config.json"])
    assert read_shape(config) == replace(ENTRIES[id_].shape, published=0, stored_bytes=0)
    ids = {one["content"]: one["id"] for one in json.loads(files["tokenizer.json"])["added_tokens"]}
    text = config.get("text_config", config)
    assert text["eos_token_id"] == ids["<|im_end|>"]
    if ENTRIES[id_].sees:
        assert config["image_token_id"] == ids["<|image_pad|>"]
        size = json.loads(files["preprocessor_config.json"])["size"]
        assert size["longest_edge"] == ENTRIES[id_].shape.vision.max_pixels  # type: ignore[union-attr]


def test_what_a_whole_config_says_itself_is_left_alone() -> None:
    config = {**ENTRIES[SEEING[1]].config, "rope_scaling": {"type": "mrope", "mrope_section": [8, 28, 28]}}
    config["vision_config"] = {**config["vision_config"], "window_size": 224}
    written = json.loads(files_of(config)["config.json"])
    assert written["rope_scaling"] == config["rope_scaling"] and "rope_parameters" not in written
    assert written["vision_config"]["window_size"] == 224


@pytest.mark.parametrize(("id_", "key"), REFUSED.items())
def test_a_model_that_cannot_be_tried_says_why(id_: str, key: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        check_entry(ENTRIES[id_])
    assert caught.value.key == key


@pytest.mark.slow
def test_the_libraries_read_config_tokenizer_and_processor(tmp_path: Path) -> None:
    folders = {str(write_folder(ENTRIES[id_].config, tmp_path / str(place))): id_
               for place, id_ in enumerate((*SEEING, *BLIND))}  # fmt: skip
    run = [sys.executable, "-c", _LOAD, *folders]
    ended = subprocess.run(run, capture_output=True, text=True, check=False, env={"HF_HUB_OFFLINE": "1", "PATH": ""})
    assert ended.returncode == 0, ended.stderr[-2000:]
    for folder, (whole, layers, side) in json.loads(ended.stdout.splitlines()[-1]).items():
        shape = ENTRIES[folders[folder]].shape
        assert whole and layers == shape.text.layers
        assert side is None if shape.vision is None else side[0] * side[1] == shape.vision.unit_px


_QUANTISED = """
import json, sys
from vllm.model_executor.layers.quantization import get_quantization_config
for given in json.load(sys.stdin):
    get_quantization_config(given["quant_method"]).from_config(given)
"""


@needs_vllm
@pytest.mark.slow
def test_vllm_reads_how_the_weights_are_quantised() -> None:
    configs = [json.loads(files_of(ENTRIES[id_].config)["config.json"]) for id_ in ENTRIES if can_be_tried(id_)]
    given = [one["quantization_config"] for one in configs if "quantization_config" in one]
    assert {one["quant_method"] for one in given} == {"awq", "fp8"}
    run = [sys.executable, "-c", _QUANTISED]
    ended = subprocess.run(run, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_large_shape_keeps_tokenizer_marks(tmp_path: Path) -> None:
    tiny = json.loads((TINY / "config.json").read_text(encoding="utf-8"))
    config = json.loads((large.folder(tmp_path / "large") / "config.json").read_text(encoding="utf-8"))
    assert config["image_token_id"] == tiny["image_token_id"] and config["tie_word_embeddings"]
    assert config["eos_token_id"] == tiny["text_config"]["eos_token_id"] and config["num_hidden_layers"] == 36
    assert (tmp_path / "large" / "tokenizer.json").read_bytes() == (TINY / "tokenizer.json").read_bytes()
    assert not list((tmp_path / "large").glob("*.safetensors"))
