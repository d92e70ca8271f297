"""`framelens models` as people and scripts meet it: tables, JSON, how names are understood, exit codes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from framelens.cli import main
from framelens.core.engines import vllm_arguments
from tests.models.checkpoints import GEMMA3, checkpoint

VL_7B = "Qwen/Qwen2.5-VL-7B-Instruct"


class Output:
    """What a command printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def framelens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Output:
        status = main.main(["models", *words])
        return Output(status, *capsys.readouterr())

    return run


@pytest.mark.slow
def test_the_catalogue_is_listed_best_for_this_machine_first(framelens: Any) -> None:
    reported = framelens("--json")
    assert reported.status == 0
    here = [model["here"] is not None for model in reported.document]
    assert here == sorted(here, reverse=True)
    assert any(model["id"] == VL_7B and model["parameters"] == 8_292_166_656 for model in reported.document)
    table = framelens()
    assert VL_7B in table.out and "Apache-2.0" in table.out and not table.err


@pytest.mark.slow
def test_show_sums_memory_with_current_settings(framelens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = framelens("show", VL_7B, "--json").document
    assert usual["max_model_len"] == 8192
    assert usual["total_bytes"] == sum(term["total_bytes"] for term in usual["terms"])
    longer = framelens("show", VL_7B, "--config", '{"max_model_len": 16384}', "--json").document
    assert longer["total_bytes"] - usual["total_bytes"] == 8192 * usual["cache_bytes_per_token"]
    monkeypatch.setenv("VLLM_CONFIG", '{"max_model_len": 16384}')
    assert framelens("show", VL_7B, "--json").document == longer


@pytest.mark.parametrize(
    ("language", "words"), [("en", "28 layers × 2 (keys, values) × 4 heads"), ("zh", "28 层 × 2（K 和 V）× 4 头")]
)
def test_show_says_in_words_what_the_sum_is_made_of(framelens: Any, language: str, words: str) -> None:
    reported = framelens("show", VL_7B, "--language", language)
    assert words in reported.out
    assert "128 × 2" in reported.out


def test_unknown_hub_name_is_explained_with_result(framelens: Any) -> None:
    reported = framelens("show", "Qwen/Qwen2.5-8B-Instruct", "--language", "zh")
    assert reported.status == 0
    assert "Qwen/Qwen3-8B" in reported.err and "Qwen/Qwen2.5-7B-Instruct" in reported.err
    assert "模型站上没有" in reported.err and "模型站上没有" not in reported.out
    found = framelens("show", "qwen3:8b", "--json").document["model"]
    assert (found["id"], found["why"]) == ("Qwen/Qwen3-8B", "ollama")


def test_folders_configs_and_names_are_reported(framelens: Any, tiny_vl: Path, tmp_path: Path) -> None:
    # A folder is read by its own config.
    reported = framelens("show", str(tiny_vl), "--json")
    assert reported.document["model"] is None
    assert reported.document["parameters"] == 1_366_208
    assert str(tiny_vl) in framelens("show", str(tiny_vl)).out
    # A config that is none is a sentence.
    for text in ("{", '{"model_type": "mamba"}', "[]"):
        (tmp_path / "config.json").write_text(text)
        reported = framelens("show", str(tmp_path))
        assert (reported.status, reported.out) == (4, "") and "config.json" in reported.err
    # An unknown model leads to the nearest.
    reported = framelens("show", "Qwen2.5-VL-8B-Instruct")
    assert reported.status == 4 and VL_7B in reported.err


@pytest.mark.parametrize("where", ["24", "24GB", "RTX 4090", "cpu:32", "cpu"])
def test_fit_prints_settings_that_vllm_accepts(framelens: Any, where: str) -> None:
    reported = framelens("--fit", where)
    assert reported.status == 0
    lines = dict(line.split("=", 1) for line in reported.out.splitlines() if line.startswith("VLLM_"))
    vllm_arguments.check_arguments(json.loads(lines["VLLM_CONFIG"].strip("'")))
    assert framelens("--fit", where, "--json").document[0]["id"] == lines["VLLM_MODEL_PATH"]
    assert ("VLLM_CPU_KVCACHE_SPACE" in lines) == where.startswith("cpu")


def test_fit_of_one_model_says_what_is_missing(framelens: Any) -> None:
    found = framelens("--fit", "RTX 2080 Ti", "--cards", "16", "--model", "Qwen2.5-VL-72B", "--json").document
    assert found[0]["vllm_config"]["tensor_parallel_size"] == 8
    reported = framelens("--fit", "24", "--model", "deepseek-r1:32b", "--language", "zh")
    assert reported.status == 4
    assert "DeepSeek-R1-Distill-Qwen-32B" in reported.err and "GiB" in reported.err


@pytest.mark.parametrize("name", ["tiny", "tiny/config.json"])
def test_fit_takes_a_folder_and_prints_its_path(framelens: Any, tmp_path: Path, name: str) -> None:
    checkpoint(tmp_path / "tiny", GEMMA3)
    reported = framelens("--fit", "24", "--model", name)
    assert (reported.status, reported.err) == (0, "")
    assert f"VLLM_MODEL_PATH={tmp_path / 'tiny'}\n" in reported.out


@pytest.mark.parametrize("where", ["much", "-3", "0", "cpu:x", "nan"])
def test_what_is_no_machine_is_a_sentence(framelens: Any, where: str) -> None:
    reported = framelens("--fit", where)
    assert reported.status == 2 and "RTX 4090" in reported.err


def test_formats_are_reported_for_people_and_programs(framelens: Any) -> None:
    assert [one["key"] for one in framelens("--formats", "--json").document] == [
        "fp32", "bf16", "fp16", "int8", "fp8", "awq", "gptq", "gguf_q8", "gguf_q4",
    ]  # fmt: skip
    assert "RTX 2080 Ti" in framelens("--formats", "--language", "zh").out


def test_a_file_of_the_users_own_is_used_and_a_wrong_one_named(
    framelens: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    ours = Path(main.__file__).parents[1] / "models" / "catalogue" / "llava.toml"
    shutil.copy(ours, folder / "good.toml")
    (folder / "good.toml").write_text((folder / "good.toml").read_text().replace("llava-hf/", "me/"))
    (folder / "bad.toml").write_text('family = "x"\nmodels = 3\n')
    reported = framelens("show", "me/llava-1.5-7b-hf", "--json")
    assert reported.document["model"]["id"] == "me/llava-1.5-7b-hf"
    assert "bad.toml" in reported.err and "2" in reported.err


@pytest.mark.parametrize(
    "words",
    [["show", "x", "--requests"], ["--fit", "24", "--cards"]],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("number", ["-1", "1.5", "many", "9" * 30, "nan"])
def test_numbers_out_of_range_are_refused(words: list[str], number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--language", "en", "models", *words, number]) == 2
    assert f"“{number}” is not a whole number from " in capsys.readouterr().err


def test_help_and_a_wrong_size_are_in_chinese(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMELENS_LANGUAGE", "zh")
    assert main.main(["models", "--help"]) == 0
    assert capsys.readouterr().out.startswith("用法：framelens models [-h]")
    assert main.main(["models", "sight", "--size", "3"]) == 2
    assert "不是像素尺寸" in capsys.readouterr().err
