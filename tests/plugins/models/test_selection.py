"""The model that typed text means, and settings that are fixed."""

import json
import shutil
from pathlib import Path

import pytest

from framelens.core.errors import ModelNotFound
from framelens.engine.check_findings import Fix
from framelens.engine.hardware import cpu_cores, cpu_flags
from framelens.engine.hardware_profile import HardwareProfile
from framelens.models.catalogue import built_in
from framelens.models.formats import prefers_float32
from framelens.models.placement import GpuCard
from framelens.plugins.models.selection import (
    ModelChoice,
    ModelSettings,
    config_text,
    env_lines,
    find_model,
    proposal_for,
    with_fix,
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("Qwen2.5-VL-7B", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("qwen2.5vl:7b", "Qwen/Qwen2.5-VL-7B-Instruct"),
        ("D:\\models\\Qwen2.5-VL-7B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"),
    ],
)
def test_every_way_to_name_a_model_resolves(typed: str, meant: str) -> None:
    choice = find_model(typed, built_in())
    assert choice.model == meant and choice.folder is None
    assert (choice.match is None) == (typed == meant)
    assert choice.download_bytes and choice.download_bytes > 10**10


def test_folders_and_ids_are_themselves(tiny_vl: Path, tiny_text: Path, tmp_path: Path) -> None:
    # A folder is itself with what its own config says.
    choice = find_model(str(tiny_vl), built_in())
    assert choice.model == str(tiny_vl) and choice.folder == tiny_vl
    assert choice.entry and choice.entry.sees and choice.entry.shape.parameters < 10**7
    assert choice.download_bytes == 0
    # Folder named like a model is not that model.
    folder = tmp_path / "Qwen2.5-VL-7B-Instruct"
    shutil.copytree(tiny_text, folder)
    choice = find_model(str(folder), built_in())
    assert choice.folder == folder and choice.entry and not choice.entry.sees
    # An unknown model of the hub is taken unchanged named.
    assert find_model("somebody/some-model", built_in()) == ModelChoice("somebody/some-model", None)


@pytest.mark.parametrize(
    ("typed", "key"), [("/nowhere/at-all", "model_folder_missing"), ("nothing-like-this", "model_unlike_catalogue")]
)
def test_what_is_no_model_says_so(typed: str, key: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        find_model(typed, built_in())
    assert caught.value.key == key


def test_proposed_settings_round_trip() -> None:
    choice = find_model("Qwen/Qwen2.5-VL-7B-Instruct", built_in())
    proposal = proposal_for(choice, HardwareProfile("here", GpuCard(24)))
    assert proposal and json.loads(config_text(proposal.config)) == proposal.config
    assert proposal_for(choice, HardwareProfile("here", GpuCard(4))) is None
    assert json.loads(config_text({})) == {}


def test_env_lines_name_an_unusual_engine() -> None:
    usual = ModelSettings("org/model", "{}", "vllm", {"max_model_len": 4096})
    assert env_lines(usual, {"VLLM_CPU_KVCACHE_SPACE": "4"}).splitlines() == [
        "VLLM_MODEL_PATH=org/model",
        "VLLM_CONFIG='{\"max_model_len\": 4096}'",
        "VLLM_CPU_KVCACHE_SPACE=4",
    ]
    other = ModelSettings("org/model", "", "transformers", {})
    assert env_lines(other, {"FRAMELENS_ENGINE": "transformers"}).splitlines() == [
        "VLLM_MODEL_PATH=org/model",
        "FRAMELENS_ENGINE=transformers",
    ]


def test_fix_changes_settings_and_removes_defaults() -> None:
    wanted = ModelSettings("org/model", '{"dtype": "int8", "max_num_seqs": 4}', "vllm", None)
    assert with_fix(wanted, Fix({"dtype": "half"})).written == {"dtype": "half", "max_num_seqs": 4}
    by_default = ModelSettings("org/model", "{}", "vllm", {"tensor_parallel_size": 1})
    assert with_fix(by_default, Fix(remove=("tensor_parallel_size",))).written == {"tensor_parallel_size": None}
    assert with_fix(wanted, Fix(model="org/other")).model == "org/other"


def test_hardware_is_smallest_gpu_unless_engine_is_on_cpu() -> None:
    cards = [(24.0, "NVIDIA GeForce RTX 4090"), (11.0, "NVIDIA GeForce RTX 2080 Ti")]
    place = HardwareProfile.of(cards, "gpu", 64)
    assert place.card and (place.card.memory_gib, place.card.capability, place.cards) == (11.0, 7.5, 2)
    on_processor = HardwareProfile("here", None, memory_gib=64, wide=prefers_float32(cpu_flags(), cpu_cores()))
    assert HardwareProfile.of(cards, "cpu", 64) == HardwareProfile.of([], "gpu", 64) == on_processor
