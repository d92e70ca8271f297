"""Tests of `framelens.services.model_names`: what a name means, and why it can't be a model's."""

from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.services.model_names import resolve_named_model


@pytest.mark.parametrize(
    ("name", "key", "meant"),
    [
        ("qwen3:8b", "model_named_by_ollama", "Qwen/Qwen3-8B"),
        ("library/qwen3:8b", "model_named_by_ollama", "Qwen/Qwen3-8B"),
        ("Qwen2.5-8B-Instruct", "model_misnamed", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen/Qwen2.5-8B-Instruct", "model_misnamed", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen2.5-VL-7B-Instruct", "model_owner_missing", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("nosuch", "model_owner_unknown", ""),
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


def test_folder_wins_over_the_names_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Qwen2.5-8B-Instruct").mkdir()
    assert resolve_named_model("Qwen2.5-8B-Instruct", tmp_path).folder == Path("Qwen2.5-8B-Instruct")
