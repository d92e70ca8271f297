"""`framelens models check` and `framelens models sight`: findings, and what the exit code says of a model's sight."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens.cli import main
from framelens.plugins.models.vision_scoring import cards
from tests.llm.scripted import saying, serve


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_what_stops_is_reported_with_its_fix_and_exit_code_4(check: Any, tiny_text: Path) -> None:
    status, reported = check(str(tiny_text), "--vllm-config", '{"tensor_parallel_size": 3}')
    assert status == 4 and "❌" in reported and '→ Set "tensor_parallel_size": 1' in reported
    status, reported = check(str(tiny_text), "--vllm-config", '{"tensor_parallel_size": 3}', "--language", "zh")
    assert status == 4 and '→ 设置 "tensor_parallel_size": 1' in reported


def test_names_types_and_json_are_findings(check: Any, tiny_vl: Path) -> None:
    # Unknown dtype is a finding not a usage error.
    status, reported = check(str(tiny_vl), "--vllm-config", '{"dtype": "int8"}', "--json")
    (found,) = json.loads(reported)
    assert status == 4 and found["mend"] == {"set": {"dtype": "auto"}, "remove": [], "model": "", "engine": ""}
    # What is no json is reported as everywhere.
    status, reported = check(str(tiny_vl), "--vllm-config", "{dtype: int8}")
    assert status == 2 and "JSON" in reported


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
