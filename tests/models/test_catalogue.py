"""What is in the catalogue, how it understands names, and files of the user's own."""

from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.i18n import LANGUAGES, error_text
from framelens.models.catalogue import Catalogue, built_in

OWN = """
family = "Mine"

[[models]]
id = "me/Tiny-1B"
parameters = 1_000_000_000
licence = "MIT"
released = "2026-01"
about.zh = "试试"
about.en = "A try."
[models.config]
model_type = "llama"
hidden_size = 64
intermediate_size = 160
num_hidden_layers = 4
num_attention_heads = 8
vocab_size = 512
"""


@pytest.mark.parametrize(
    ("name", "id_", "why"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "exact"),
        ("qwen/qwen2.5-vl-7b-instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "exact"),
        ("Qwen2.5-VL-7B", "Qwen/Qwen2.5-VL-7B-Instruct", "short"),
        ("/root/autodl-tmp/model/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "folder"),
        ("/home/Qwen25-VL-3B-Instruct-AWQ", "Qwen/Qwen2.5-VL-3B-Instruct-AWQ", "folder"),
        ("~/.cache/huggingface/hub/models--Qwen--Qwen2.5-VL-7B-Instruct/snapshots/abc", "Qwen/Qwen2.5-VL-7B-Instruct",
         "folder"),
        (r"C:\syl_file\DeepSeek-VL", "deepseek-community/deepseek-vl-7b-chat", "folder"),
        (r"C:\syl_file\DeepSeek-R1-Distill-Qwen-1.5B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "folder"),
        ("https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct/tree/main", "Qwen/Qwen2.5-VL-7B-Instruct", "exact"),
        ("LLaVA-1.5-7B", "llava-hf/llava-1.5-7b-hf", "short"),
        ("MiniCPM-V", "openbmb/MiniCPM-V-2_6", "short"),
        ("Qwen2-VL-2B", "Qwen/Qwen2-VL-2B-Instruct", "short"),
        ("DeepSeek-R1-7B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "short"),
        ("DeepSeek-R1-AWQ", "cognitivecomputations/DeepSeek-R1-AWQ", "short"),
        ("QwQ-32B-AWQ", "Qwen/QwQ-32B-AWQ", "short"),
        ("Qwen/Qwen2.5-8B-Instruct", "Qwen/Qwen3-8B", "misnamed"),
        ("Qwen2.5-8B-Instruct", "Qwen/Qwen3-8B", "misnamed"),
        ("/root/models/Qwen2.5-4B-Instruct/", "Qwen/Qwen3-4B", "misnamed"),
        ("qwen3:8b", "Qwen/Qwen3-8B", "ollama"),
        ("deepseek-r1:32b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "ollama"),
        ("deepseek-r1:8b", "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "ollama"),
        ("qwen2.5vl:7b", "Qwen/Qwen2.5-VL-7B-Instruct", "ollama"),
        ("qwen2.5vl:7b-q4_K_M", "Qwen/Qwen2.5-VL-7B-Instruct", "ollama"),
        ("ollama run qwen3:8b", "Qwen/Qwen3-8B", "ollama"),
        ("~/.ollama/models/manifests/registry.ollama.ai/library/qwen3", "Qwen/Qwen3-8B", "ollama_folder"),
        ("~/.ollama/models/manifests/registry.ollama.ai/library/deepseek-r1/32b",
         "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "ollama_folder"),
    ],
)  # fmt: skip
def test_names_as_people_write_them_are_understood(name: str, id_: str, why: str) -> None:
    match = built_in().find(name)
    assert (match.entry.id, match.why) == (id_, why)


def test_model_unknown_to_hub_suggests_the_real_one() -> None:
    match = built_in().find("Qwen/Qwen2.5-8B-Instruct")
    assert [entry.id for entry in match.others] == ["Qwen/Qwen2.5-7B-Instruct"]
    assert match.reason and "Qwen3" in match.reason["zh"] and "qwen3:8b" in match.reason["en"]


def test_a_folder_of_ollamas_blobs_is_known_for_what_it_is(tmp_path: Path) -> None:
    for name in ("blobs", "manifests"):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
    for folder in ("~/.ollama/models", "~/.ollama/models/blobs", str(tmp_path / "elsewhere")):
        with pytest.raises(ModelNotFound) as caught:
            built_in().find(folder)
        assert caught.value.key == "model_is_ollama"
        assert "GGUF" in error_text(caught.value, "zh")


@pytest.mark.parametrize("name", ["Qwen2.5-VL-8B-Instruct", "qwen3:9b"])
def test_a_name_that_is_nobodys_leads_to_the_nearest(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        built_in().find(name)
    assert caught.value.key == "model_not_in_catalogue"
    assert "Qwen/" in str(caught.value.values["nearest"])


@pytest.mark.parametrize("name", ["gpt-4o", "", "/", "../../etc", "foo"])
def test_a_name_that_is_like_none_proposes_none(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        built_in().find(name)
    assert caught.value.key == "model_unlike_catalogue"


def test_models_have_names_and_words_of_their_own() -> None:
    # No two models share a name.
    entries = built_in().by_id.values()
    for names in ([name for one in entries for name in one.ollama], [entry.name.lower() for entry in entries]):
        assert sorted(names) == sorted(set(names))
    # Every model says what it is for in both languages.
    for entry in built_in().by_id.values():
        assert entry.about["zh"] != entry.about["en"] and entry.shape.text.max_positions >= 4096
    # Catalogue names and figures match their family.
    for entry in built_in().by_id.values():
        assert bool(entry.base) == (entry.shape.quantisation is not None) or entry.id == "deepseek-ai/DeepSeek-R1"
        if entry.base:
            assert built_in().by_id[entry.base].family == entry.family


# ---- files of the user's own -----------------------------------------------------------------------------------------


def test_a_file_in_the_folder_adds_its_models(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("\ufeff" + OWN, encoding="utf-8")
    catalogue = Catalogue.load(tmp_path)
    assert not catalogue.problems
    assert catalogue.find("Tiny-1B").entry.about["zh"] == "试试"
    assert len(catalogue.by_id) == len(built_in().by_id) + 1


def test_own_catalogue_file_overrides_and_extends_models(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'family = "Qwen3"\n[[models]]\nid = "Qwen/Qwen3-8B"\nbase = "Qwen/Qwen3-8B-AWQ"\nlicence = "New"\n'
    )
    entry = Catalogue.load(tmp_path).by_id["Qwen/Qwen3-8B"]
    assert (entry.licence, entry.shape.quantisation is not None) == ("New", True)
    assert built_in().by_id["Qwen/Qwen3-8B"].licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("was", "becomes", "line", "key"),
    [
        ('licence = "MIT"', "licence = 5", 7, "licence"),
        ('released = "2026-01"', 'released = "soon"', 8, "released"),
        ("parameters = 1_000_000_000", 'parameters = "1B"', 6, "parameters"),
        ('id = "me/Tiny-1B"', 'idd = "me/Tiny-1B"', 5, "idd"),
        ("vocab_size = 512", "vocab_size = -1", 17, "vocab_size"),
        ("vocab_size = 512", "", 11, "config"),
        ('about.zh = "试试"', "about.zh = 3", 9, "about"),
        ('family = "Mine"', "family = 1", 2, "family"),
        ('licence = "MIT"', 'licence = "MIT"\nneeds_code = "no"', 8, "needs_code"),
        ('id = "me/Tiny-1B"', 'base = "Qwen/Qwen3-8B"', 4, "id"),
        ("vocab_size = 512", 'vocab_size = 512\n[[misnamed]]\nname = "x"\nmeans = 3\nwhy = "y"', 20, "means"),
        ("vocab_size = 512", 'vocab_size = 512\n[[misnamed]]\nname = "x"\nbase = "z"', 20, "base"),
    ],
)
def test_wrong_catalogue_value_is_named_with_its_line(
    tmp_path: Path, was: str, becomes: str, line: int, key: str
) -> None:
    (tmp_path / "bad.toml").write_text(OWN.replace(was, becomes), encoding="utf-8")
    (tmp_path / "good.toml").write_text(OWN, encoding="utf-8")
    catalogue = Catalogue.load(tmp_path)
    (problem,) = catalogue.problems
    assert (problem.key, problem.values["line"], problem.values["key"]) == ("model_file_wrong", line, key)
    assert all("bad.toml" in error_text(problem, language) for language in LANGUAGES)
    assert "me/Tiny-1B" in catalogue.by_id


@pytest.mark.parametrize("content", [b"family = ", b"\xff\xfe", b'a = "' + b"x" * 300_000, b"[" * 2000])
def test_what_is_no_toml_is_a_sentence_too(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    (problem,) = Catalogue.load(tmp_path).problems
    assert all(error_text(problem, language) for language in LANGUAGES)
    assert Catalogue.load(tmp_path / "absent").problems == ()
