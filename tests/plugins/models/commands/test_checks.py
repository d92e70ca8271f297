"""`framelens models try` and `framelens models sight`: what is refused before anything starts, and what the exit code
says of a model's sight.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.analysis.planning.benchmark_result import BenchmarkResult
from framelens.cli import main
from framelens.engine.hardware import cpu_name, installed_vllm
from framelens.llm.vision_check import cards
from framelens.plugins.models.benchmark import model_benchmark
from framelens.plugins.models.commands import checks
from framelens.services.engines.model_speed import measured_run
from framelens.store.model_records import trials
from tests.llm.scripted import saying, serve
from tests.models.measured import MEASURED

needs_vllm = pytest.mark.skipif(installed_vllm() is None, reason="asks the installed vLLM for its arguments")


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("model", "word"),
    [("llava-1.5-7b", "llava"), ("MiniCPM-V-4_5", "Python code"), ("deepseek-vl-7b-chat", "transformers")],
)
def test_what_cannot_be_tried_is_a_sentence(model: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "try", model, "--language", "en"]) == 4
    assert word in capsys.readouterr().err


def test_a_model_that_never_fits_here_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["models", "try", "Qwen3-VL-235B-A22B", "--language", "zh"]) == 4
    assert "放不下" in capsys.readouterr().err


def test_unknown_folder_is_benchmarked_by_its_config(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[str, Any]] = []

    def tried(model: str, config: Any, arguments: dict[str, Any], **_: Any) -> BenchmarkResult:
        asked.append((model, config))
        return replace(MEASURED, model=model, machine=cpu_name())

    monkeypatch.setattr(model_benchmark, "run_benchmark", tried)
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path))
    folder = Path(__file__).parents[3] / "fixtures" / "tiny-vl"
    assert main.main(["models", "try", str(folder)]) == 0
    assert asked == [("tiny-vl", json.loads((folder / "config.json").read_text()))]
    capsys.readouterr()
    assert main.main(["models", "show", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measured"]["model"] == "tiny-vl"
    settings = config.load({"FRAMELENS_DATA_DIR": str(tmp_path), "VLLM_MODEL_PATH": str(folder)})
    assert measured_run(settings) == measured_run(settings, "tiny-vl") != (), "the forecast begins with it"


def test_a_trial_is_reported_for_people_and_programs_and_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def tried(model: str, config: Any, arguments: dict[str, Any], **_: Any) -> BenchmarkResult:
        asked.append(arguments)
        return replace(MEASURED, model=model)

    monkeypatch.setattr(model_benchmark, "run_benchmark", tried)
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path))
    words = ["models", "try", "Qwen3-0.6B", "--vllm-config", '{"max_model_len": 4096}', "--frames", "24"]
    assert main.main([*words, "--language", "zh"]) == 0
    reported = capsys.readouterr().out
    assert "每秒生成 10.0 个 token" in reported and "448 × 252" in reported and "24 帧" in reported
    assert asked[0]["max_model_len"] == 4096
    assert asked[0]["dtype"] == "bfloat16", "what is proposed for this machine stays where nothing else is given"
    assert main.main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["analysis"]["frames"] == 24 and document["frames"][1]["alone_seconds"] == 9.0
    (kept,) = trials(tmp_path).all()
    assert kept["model"] == "Qwen/Qwen3-0.6B" and kept["at"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sees", "answer", "status", "verdict"),
    [
        (True, "\n".join(f"{place}: {one.colour} {one.form} {one.digit}" for place, one in enumerate(cards(8), 1)), 0,
         "well"),
        (True, "I see nothing.", 4, "poor"),
        (False, "1: red", 4, "blind"),
    ],
)  # fmt: skip
def test_the_exit_code_says_whether_the_model_can_be_relied_on(
    sees: bool, answer: str, status: int, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(saying(answer), sees=sees) as server:
        words = ["models", "sight", "--base-url", server.base_url, "--size", "640x360"]
        assert main.main([*words, "--json"]) == status
        document = json.loads(capsys.readouterr().out)
        assert (document["verdict"], document["width"]) == (verdict, 640)
        assert bool(document["reason"]) == (verdict == "blind")
        assert main.main([*words, "--language", "zh"]) == status
    assert capsys.readouterr().out.startswith("✅" if status == 0 else "❌")


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("VLLM_CONFIG", '{"max_model_len": 512, "dtype": "auto"}')

    def run(*words: str) -> tuple[int, str]:
        status = main.main(["models", "check", *words])
        reported = capsys.readouterr()
        return status, reported.out or reported.err

    return run


@needs_vllm
def test_what_stops_is_reported_with_its_fix_and_exit_code_4(check: Any, tiny_text: Path) -> None:
    status, reported = check(str(tiny_text), "--vllm-config", '{"max_model_len": 100000}')
    assert status == 4 and "❌" in reported and '→ Set "max_model_len": 8192' in reported
    status, reported = check(str(tiny_text), "--vllm-config", '{"max_model_len": 100000}', "--language", "zh")
    assert status == 4 and '→ 设置 "max_model_len": 8192' in reported


@pytest.mark.parametrize("pending", [True, False])
def test_waiting_for_the_engines_answer_is_announced(
    pending: bool, tiny_text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "is_pending", lambda: pending)
    main.main(["models", "check", str(tiny_text), "--json", "--language", "zh"])
    assert ("正在询问已安装的引擎支持什么" in capsys.readouterr().err) == pending


@needs_vllm
def test_unknown_dtype_is_a_finding_not_a_usage_error(check: Any, tiny_vl: Path) -> None:
    status, reported = check(str(tiny_vl), "--vllm-config", '{"dtype": "int8"}', "--json")
    (found,) = json.loads(reported)
    assert status == 4 and found["mend"] == {"set": {"dtype": "auto"}, "remove": [], "model": "", "engine": ""}


@pytest.mark.slow
def test_a_model_that_runs_is_said_to_run(check: Any, tiny_vl: Path) -> None:
    status, reported = check(str(tiny_vl))
    assert status == 0 and "no problem found" in reported


def test_without_a_name_the_model_of_the_settings_is_looked_at(
    check: Any, tiny_text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_MODEL_PATH", str(tiny_text))
    status, reported = check("--json")
    assert status == 0 and [found["key"] for found in json.loads(reported)] == ["preflight_blind"]


def test_what_is_no_json_is_reported_as_everywhere(check: Any, tiny_vl: Path) -> None:
    status, reported = check(str(tiny_vl), "--vllm-config", "{dtype: int8}")
    assert status == 2 and "JSON" in reported
