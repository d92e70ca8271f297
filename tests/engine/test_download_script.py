from __future__ import annotations

import os
import subprocess
from pathlib import Path

from app.engine import check_model_folder
from tests.engine.hub_server import Hub, serve
from tests.engine.weights import model_files

SCRIPT = Path(__file__).parents[2] / "download_model.sh"
MODEL = "Someone/Tiny-VL"


def run(*arguments: str, home: Path, endpoint: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint}
    return subprocess.run([str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_model_lands_in_a_folder_of_its_own_and_the_line_for_the_settings_is_printed(tmp_path: Path) -> None:
    with serve(Hub(MODEL, {**model_files(), "original/old.pth": b"x"})) as hub:
        done = run(MODEL, home=tmp_path, endpoint=hub.url)
    folder = tmp_path / "models" / "Tiny-VL"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"VLLM_MODEL_PATH={folder}"
    assert "下载完成" in done.stdout and "Put this line into .env" in done.stdout
    check_model_folder(folder)
    assert not (folder / "original").exists()


def test_run_again_after_a_break_it_goes_on_and_ends_whole(tmp_path: Path) -> None:
    folder = tmp_path / "模型 folder"
    files = model_files()
    with serve(Hub(MODEL, files)) as hub:
        assert run(MODEL, str(folder), home=tmp_path, endpoint=hub.url).returncode == 0
        (folder / "model-00002-of-00002.safetensors").unlink()
        hub.requests.clear()
        assert run(MODEL, str(folder), home=tmp_path, endpoint=hub.url).returncode == 0
    check_model_folder(folder)
    fetched = [request for request in hub.requests if request.startswith("GET") and "/resolve/" in request]
    assert len(fetched) == 1 and "model-00002" in fetched[0]


def test_a_failure_says_in_both_languages_what_can_be_done(tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files())) as hub:
        failed = run("Someone/Else", home=tmp_path, endpoint=hub.url)
    assert failed.returncode == 1
    assert "没有下载完" in failed.stderr and "HF_ENDPOINT" in failed.stderr and "capitals count" in failed.stderr
    assert "VLLM_MODEL_PATH=" not in failed.stdout


def test_what_is_no_name_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    for wrong in ("--fast", "/models/x", "two words"):
        refused = run(wrong, home=tmp_path)
        assert refused.returncode == 1 and "不是模型名" in refused.stderr and "no model's name" in refused.stderr


def test_help_shows_how_it_is_used(tmp_path: Path) -> None:
    shown = run("--help", home=tmp_path)
    assert shown.returncode == 0 and "./download_model.sh [MODEL] [FOLDER]" in shown.stdout
