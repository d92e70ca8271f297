"""What the doctor makes of a machine; each test changes a thing about a healthy machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.config import Settings
from framelens.core.errors import ConfigError, EngineError, ModelNotFound
from framelens.core.units import GIB
from framelens.engine.diagnostics.checks import run_checks
from framelens.engine.diagnostics.facts import (
    DiskFacts,
    GpuFacts,
    LogFacts,
    ModelFacts,
    RemoteFacts,
    SystemFacts,
    gather_facts,
)
from framelens.i18n import notice_text
from tests.engine.weights import model_files

LOGS = Path(__file__).parents[1] / "engine" / "logs"
TURING = GpuFacts("NVIDIA GeForce RTX 2080 Ti", (7, 5), 11 * GIB, GIB)
AMPERE = GpuFacts("NVIDIA GeForce RTX 3090", (8, 6), 24 * GIB, GIB)
WANTED = config.load({"VLLM_MODEL_PATH": "org/model"})
HEALTHY = SystemFacts(
    system="Linux 6.8 x86_64",
    linux=True,
    python=(3, 11),
    framelens="0.1.0",
    packages={"vllm": "0.32.0", "transformers": "5.19.0", "accelerate": "1.15.0"},
    ffmpeg=None,
    vllm=("gpu", "0.32.0"),
    cpu="Some processor",
    cpu_count=8,
    cpu_features=("avx2", "avx512f"),
    memory_bytes=64 * GIB,
    memory_free_bytes=48 * GIB,
    shm_bytes=32 * GIB,
    driver="580.1",
    cards=(AMPERE,),
    no_cards=None,
    no_cards_detail="",
    data=DiskFacts("/data", 900 * GIB),
    cache=DiskFacts("/cache", 900 * GIB),
    model=ModelFacts("org/model", "/cache/org/model", 16 * GIB),
    remote=(),
    log=None,
)
ON_CPU: dict[str, Any] = {"vllm": ("cpu", "0.32.0"), "cards": (), "no_cards": "no_card", "driver": None}


def settings(folder: Path, model: str = "m") -> Settings:
    return config.load({"VLLM_MODEL_PATH": model, "FRAMELENS_DATA_DIR": str(folder)})


def troubles(facts: SystemFacts, wanted: Settings = WANTED) -> list[tuple[str, str]]:
    """Level and key of whatever is not good; every finding has its words in both languages."""
    found = run_checks(facts, wanted)
    assert all(notice_text(finding.notice, "zh") and notice_text(finding.notice, "en") for finding in found)
    said = [(finding.notice.level, finding.key.removeprefix("doctor_")) for finding in found]
    return [one for one in said if one[0] != "info"]


def test_findings_follow_the_engine_in_use() -> None:
    # A healthy machine has only good findings.
    assert troubles(HEALTHY) == []
    assert troubles(replace(HEALTHY, **ON_CPU)) == []
    keys = [finding.key for finding in run_checks(HEALTHY, WANTED)]
    assert {"doctor_settings", "doctor_vllm_gpu", "doctor_card", "doctor_model", "doctor_data"} == set(keys)
    # A wrong setting comes first.
    fault = ConfigError("setting_number", key="FRAMELENS_ANSWER_TOKENS", value="x", low=1, high=64)
    found = run_checks(replace(HEALTHY, cache=DiskFacts("/cache", 1), fault=fault), WANTED)
    assert [finding.severity for finding in found][:2] == ["stops", "hinders"] and found[0].key == "setting_number"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"python": (3, 15)}, ("error", "python")),
        ({"vllm": None}, ("error", "vllm_not_installed")),
        ({"linux": False, "system": "Windows 11"}, ("error", "local_engine_unsupported")),
        ({"cards": (), "no_cards": "no_card"}, ("error", "gpu_no_card")),
        ({"cards": (), "no_cards": "no_driver"}, ("error", "gpu_no_driver")),
        ({"cards": (), "no_cards": "no_access"}, ("error", "gpu_no_access")),
        ({"cards": (), "no_cards": "driver_mismatch", "no_cards_detail": "580"}, ("error", "gpu_driver_mismatch")),
        ({"cards": (), "no_cards": "unreadable", "no_cards_detail": "Unknown"}, ("error", "gpu_unreadable")),
        ({"vllm": ("cpu", "0.32.0")}, ("warning", "gpu_unused")),
        ({"cards": (replace(TURING, capability=(7, 0)),)}, ("error", "card_old")),
        ({**ON_CPU, "cpu_features": ("avx2",)}, ("warning", "cpu_slow")),
        ({**ON_CPU, "cpu_features": ("sse2",)}, ("error", "cpu_old")),
        ({**ON_CPU, "memory_free_bytes": 8 * GIB}, ("error", "memory_small")),
        ({"model": ModelFacts("org/model")}, ("warning", "model_absent")),
        ({"model": ModelFacts("org/model", may_be_fetched=False)}, ("error", "model_offline")),
        (
            {"model": ModelFacts("x", error=ModelNotFound("model_tokenizer_missing", model="x"))},
            ("error", "model_tokenizer_missing"),
        ),
        ({"data": DiskFacts("/data", None, "/data: not writable")}, ("error", "data_dir_unwritable")),
        ({"cache": DiskFacts("/cache", 10**9)}, ("warning", "disk_low")),
        ({"log": LogFacts("/l", EngineError("cuda_fork", model="m"), ("x",))}, ("warning", "last_start")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_each_trouble_is_found(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert troubles(replace(HEALTHY, **changes)) == [expected]


def test_of_an_engine_elsewhere_only_its_answer_matters() -> None:
    wanted, bare = replace(WANTED, base_url="http://far/v1"), replace(HEALTHY, **{**ON_CPU, "vllm": None})
    assert troubles(bare, wanted) == []
    lost = EngineError("remote_unreachable", base_url="http://far/v1", reason="refused")
    assert troubles(replace(bare, remote=(RemoteFacts(wanted.base_url, error=lost),)), wanted) == [
        ("error", "remote_unreachable")
    ]


def test_the_other_engine_is_looked_for_where_it_is_wanted() -> None:
    wanted = replace(WANTED, engine="transformers")
    assert troubles(replace(HEALTHY, vllm=None), wanted) == []
    assert troubles(replace(HEALTHY, **ON_CPU, cpu_features=("sse2",)), wanted) == [], "it needs no AVX2"
    gone = replace(HEALTHY, vllm=None, packages={"transformers": "5.19.0"})
    assert troubles(gone, wanted) == [("error", "transformers_not_installed")]


def test_this_machine_can_be_looked_at(tmp_path: Path, tiny_vl: Path) -> None:
    logs = tmp_path / "engine"
    logs.mkdir()
    sample = LOGS / "quantization_needs_gpu.log"
    (logs / "engine-20260101-000000-000000.log").write_bytes(sample.read_bytes())
    facts = gather_facts(settings(tmp_path, str(tiny_vl)))
    assert facts.memory_free_bytes > 0 and facts.data.free_bytes and not facts.data.refusal
    assert facts.model.error is None and facts.model.size_bytes > 0
    assert facts.log and facts.log.error and facts.log.error.key == "quantization_needs_gpu"
    assert any("WNA16" in line for line in facts.log.last_lines)


@pytest.mark.parametrize("name", ["healthy-vision", "healthy-text", "healthy-two-processes"])
def test_an_engine_that_ran_and_was_stopped_is_no_trouble(tmp_path: Path, name: str) -> None:
    logs = tmp_path / "engine"
    logs.mkdir()
    log = LOGS / f"{name}.log"
    (logs / "engine-20260101-000000-000000.log").write_bytes(log.read_bytes())
    facts = gather_facts(settings(tmp_path))
    assert facts.log and facts.log.error is None


@pytest.mark.parametrize("given", [{"tokenizer": "org/other"}, {"skip_tokenizer_init": True}])
def test_doctor_wants_no_tokenizer_that_vllm_has_elsewhere(given: dict[str, Any], tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name, data in model_files().items():
        if not name.startswith("tokenizer"):
            (model / name).write_bytes(data)
    wanted = settings(tmp_path / "data", str(model))
    error = gather_facts(wanted).model.error
    assert error is not None and error.key == "model_tokenizer_missing"
    assert gather_facts(replace(wanted, vllm_config=given)).model.error is None


def test_doctor_reports_data_folder_that_is_a_file(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    facts = gather_facts(settings(blocked / "data"))
    assert "not a folder" in facts.data.refusal and facts.log is None
