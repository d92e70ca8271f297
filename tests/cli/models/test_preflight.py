"""`framelens models check` as people and scripts meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.engine import installed_vllm

needs_vllm = pytest.mark.skipif(installed_vllm() is None, reason="asks the installed vLLM for its arguments")


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("VLLM_CONFIG", '{"max_model_len": 512, "dtype": "auto"}')

    def run(*words: str) -> tuple[int, str]:
        status = main.main(["models", "check", *words])
        told = capsys.readouterr()
        return status, told.out or told.err

    return run


@needs_vllm
def test_what_stops_is_told_with_its_mend_and_exit_code_4(check: Any, tiny_text: Path) -> None:
    status, told = check(str(tiny_text), "--vllm-config", '{"max_model_len": 100000}')
    assert status == 4 and "❌" in told and '→ Set "max_model_len": 8192' in told
    status, told = check(str(tiny_text), "--vllm-config", '{"max_model_len": 100000}', "--language", "zh")
    assert status == 4 and '→ 设置 "max_model_len": 8192' in told


@needs_vllm
def test_unknown_dtype_is_a_finding_not_a_usage_error(check: Any, tiny_vl: Path) -> None:
    status, told = check(str(tiny_vl), "--vllm-config", '{"dtype": "int8"}', "--json")
    (found,) = json.loads(told)
    assert status == 4 and found["mend"] == {"set": {"dtype": "auto"}, "remove": [], "model": "", "engine": ""}


def test_a_model_that_runs_is_said_to_run(check: Any, tiny_vl: Path) -> None:
    status, told = check(str(tiny_vl))
    assert status == 0 and "no problem found" in told


def test_without_a_name_the_model_of_the_settings_is_looked_at(
    check: Any, tiny_text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_MODEL_PATH", str(tiny_text))
    status, told = check("--json")
    assert status == 0 and [found["key"] for found in json.loads(told)] == ["preflight_blind"]


def test_what_is_no_json_is_told_as_everywhere(check: Any, tiny_vl: Path) -> None:
    status, told = check(str(tiny_vl), "--vllm-config", "{dtype: int8}")
    assert status == 2 and "JSON" in told
