import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from framelens.engine.model_resolution import check_model_folder
from tests.engine.hub_server import Hub, serve
from tests.engine.weights import model_files
from tests.thorough import first_of

SCRIPT = Path(__file__).parents[3] / "download_model.sh"
MODEL = "Someone/Tiny-VL"
NOWHERE = "http://127.0.0.1:9"


def surroundings(home: Path, endpoint: str, **more: str) -> dict[str, str]:
    places = {"HOME": str(home), "HF_HOME": str(home / "hf"), "FRAMELENS_DATA_DIR": str(home / "data")}
    return {**os.environ, **places, "HF_ENDPOINT": endpoint, "FRAMELENS_LANGUAGE": "zh", **more}


def run(*arguments: str, home: Path, endpoint: str = NOWHERE, **more: str) -> subprocess.CompletedProcess[str]:
    environment = surroundings(home, endpoint, **more)
    return subprocess.run(
        [str(SCRIPT), *arguments], env=environment, cwd=home, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.slow
def test_model_gets_own_folder_and_settings_line(tmp_path: Path) -> None:
    with serve(Hub(MODEL, {**model_files(), "original/old.pth": b"x"})) as hub:
        done = run(MODEL, home=tmp_path, endpoint=hub.url)
    folder = tmp_path / "models" / "Tiny-VL"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"VLLM_MODEL_PATH={folder}"
    assert "完整下载" in done.stdout and "正在下载" in done.stderr
    check_model_folder(folder)
    assert not (folder / "original").exists()


@pytest.mark.slow
def test_modelscope_is_a_hub_like_the_other(tmp_path: Path) -> None:
    files = model_files()
    with serve(Hub(MODEL, files, kind="modelscope")) as hub:
        done = run(MODEL, home=tmp_path, MODELSCOPE_ENDPOINT=hub.url, FRAMELENS_HUB="modelscope")
    folder = tmp_path / "models" / "Tiny-VL"
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"VLLM_MODEL_PATH={folder}"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files


@pytest.mark.slow
@pytest.mark.parametrize("end", first_of([signal.SIGKILL, signal.SIGINT]), ids=["kill -9", "Ctrl-C"])
def test_interrupted_in_the_middle_of_a_file_it_continues_there(tmp_path: Path, end: signal.Signals) -> None:
    files, folder, hung_up = model_files(shards=1, size=25_000_000), tmp_path / "model", threading.Event()
    with serve(Hub(MODEL, files, hung_up=hung_up, hold_after=22_000_000)) as hub:
        script = subprocess.Popen(
            [str(SCRIPT), MODEL, str(folder)],
            env=surroundings(tmp_path, hub.url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while sum(part.stat().st_size for part in folder.glob("*.part")) < 10 * 1024**2:
            assert script.poll() is None
            time.sleep(0.05)
        script.send_signal(end)
        assert script.wait(30) == (130 if end is signal.SIGINT else -end)
        assert hung_up.wait(60)  # no process of the first call is left that could go on beside the second
        done = run(MODEL, str(folder), home=tmp_path, endpoint=hub.url)
    assert done.returncode == 0, done.stderr
    assert len(hub.ranges) == 1 and int(hub.ranges[0].rsplit(" ", 1)[1]) >= 10 * 1024**2
    check_model_folder(folder)


@pytest.mark.slow
def test_the_mirror_is_asked_unless_another_place_is_named(tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files())) as hub:
        assert run(MODEL, "--mirror", home=tmp_path, endpoint=hub.url).returncode == 0
    failed = run(MODEL, str(tmp_path / "other"), "--mirror", home=tmp_path, endpoint="", https_proxy=NOWHERE)
    assert failed.returncode == 4 and "https://hf-mirror.com" in failed.stderr


@pytest.mark.slow
def test_a_failure_says_what_can_be_done(tmp_path: Path) -> None:
    with serve(Hub(MODEL, model_files())) as hub:
        failed = run("Someone/Else", home=tmp_path, endpoint=hub.url, FRAMELENS_LANGUAGE="zh")
    assert failed.returncode == 4 and "区分大小写" in failed.stderr
    assert "VLLM_MODEL_PATH=" not in failed.stdout


@pytest.mark.slow
def test_what_is_no_name_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    for wrong in ("--fast", "/models/x", "two words"):
        refused = run(wrong, home=tmp_path)
        assert refused.returncode in (2, 4) and wrong in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_folder_that_is_here_already_needs_no_download(tmp_path: Path, tiny_vl: Path) -> None:
    done = run(str(tiny_vl), home=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == f"VLLM_MODEL_PATH={tiny_vl}"


def test_help_shows_how_it_is_used(tmp_path: Path) -> None:
    shown = run("--help", home=tmp_path)
    assert (
        shown.returncode == 0 and "./download_model.sh [MODEL] [FOLDER] [--mirror | --hub modelscope]" in shown.stdout
    )


def test_without_framelens_it_says_how_to_get_it(tmp_path: Path) -> None:
    alone = tmp_path / SCRIPT.name
    alone.write_bytes(SCRIPT.read_bytes())
    refused = subprocess.run(
        ["/bin/sh", str(alone)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, encoding="utf-8", check=False
    )
    assert refused.returncode == 1 and "README.md" in refused.stderr and "hf download" in refused.stderr
