"""Tests of `framelens.engine.model_names`: what a name means, and why it can't be a model's."""

from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.engine.model_names import resolve_named_model


@pytest.mark.parametrize(
    ("name", "key", "meant"),
    [
        ("qwen3:8b", "model_named_by_ollama", "Qwen/Qwen3-8B"),
        ("library/qwen3:8b", "model_named_by_ollama", "Qwen/Qwen3-8B"),
        ("Qwen2.5-8B-Instruct", "model_misnamed", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen/Qwen2.5-8B-Instruct", "model_misnamed", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen2.5-VL-7B-Instruct", "model_owner_missing", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("nosuch", "model_owner_unknown", ""),
        ("registry.ollama.ai/library/qwen3:8b", "model_named_by_ollama", "Qwen/Qwen3-8B"),
        ("hf.co/unsloth/Qwen2.5-VL-7B-Instruct-GGUF:Q4_K_M", "model_named_by_ollama", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("Qwen/Qwen2.5-VL-7B-Instruct:latest", "model_named_by_ollama", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("hf.co/someone/own-GGUF:Q4_K_M", "model_unknown_of_ollama", "own"),
        ("nosuch:8b", "model_unknown_of_ollama", "nosuch"),
        ("/nonexist/model", "model_folder_missing", ""),
    ],
)
def test_impossible_name_is_explained(name: str, key: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve_named_model(name, tmp_path)
    assert caught.value.key == key
    assert meant in " ".join(map(str, caught.value.values.values()))


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-VL-7B-Instruct", "someone/Qwen2.5-8B-Instruct", "someone/own"])
def test_name_that_may_exist_is_left_to_the_hub(name: str, tmp_path: Path) -> None:
    assert resolve_named_model(name, tmp_path).hub_id == name


@pytest.mark.parametrize(
    "address",
    [
        "https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct",
        "huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct/tree/main",
        "https://hf-mirror.com/Qwen/Qwen2.5-VL-7B-Instruct/",
        "https://www.modelscope.cn/models/Qwen/Qwen2.5-VL-7B-Instruct/summary",
    ],
)
def test_address_of_a_page_is_the_model_on_it(address: str, tmp_path: Path) -> None:
    assert resolve_named_model(address, tmp_path).hub_id == "Qwen/Qwen2.5-VL-7B-Instruct"


def test_folder_wins_over_the_names_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Qwen2.5-8B-Instruct").mkdir()
    assert resolve_named_model("Qwen2.5-8B-Instruct", tmp_path).folder == Path("Qwen2.5-8B-Instruct")
