"""`framelens serve` ends with a sentence if its model can't start, and without a traceback when it is stopped."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from framelens.cli.main import main
from framelens.plugins.server.commands import serve
from framelens.plugins.server.listening import open_socket
from tests.cli.test_main import command, run_program
from tests.engine.conftest import make_engine
from tests.engine.fakes import MakeEngine

__all__ = ["make_engine"]
FIXTURES = Path(__file__).parents[3] / "fixtures"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Qwen/Qwen2.5-VL-3B-Instruct", "framelens download Qwen/Qwen2.5-VL-3B-Instruct"),
        ("/nonexist/model", "/nonexist/model"),
        ("qwen3:8b", "Qwen/Qwen3-8B"),
        ("Qwen/Qwen2.5-8B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
    ],
)
def test_serve_refuses_a_model_that_cannot_start(model: str, said: str, tmp_path: Path) -> None:
    done = run_program("serve", "--model-path", model, "--port", 0, cwd=tmp_path, HF_HUB_CACHE=str(tmp_path / "hub"))
    assert (done.returncode, done.stdout) == (4, "")
    assert said in done.stderr and "--model-path" in done.stderr
    assert "--yes" not in done.stderr and "--no-model" not in done.stderr


@pytest.mark.slow
def test_engine_that_fails_while_starting_ends_serve(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = make_engine({"lines": ["ValueError: no such thing"], "exit": 1})
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(serve, "build_engine", lambda _: (engine, ()))
    monkeypatch.setattr(serve, "_check_model", lambda *_, **__: None)
    try:
        assert main(["serve", "--model-path", "m", "--port", "0", "--language", "en"]) == 4
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "no such thing" in capsys.readouterr().err
    assert engine.status().state == "stopped"


@pytest.mark.slow
def test_interrupted_serve_says_so_without_traceback(tmp_path: Path) -> None:
    words = command("serve", "--model-path", FIXTURES / "tiny-text", "--engine", "transformers", "--device", "cpu")
    process = subprocess.Popen(
        [*words, "--port", "0", "--language", "zh"],
        env={
            **os.environ,
            "FRAMELENS_DATA_DIR": str(tmp_path),
            "FRAMELENS_HUB": "ModelScope",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout
    lines = [""]
    while not lines[-1].startswith("VLLM_MODEL_PATH="):
        assert process.poll() is None
        lines.append(process.stdout.readline())
    assert "FRAMELENS_HUB=modelscope\n" in lines
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines() == ["服务已停止，该地址不再响应。"]


def test_clients_wait_at_an_address_that_is_not_served_yet() -> None:
    with open_socket("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), timeout=5):
        pass
