"""What `framelens analyse` does where the model would have to be downloaded, with a hub on loopback."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.cli import main
from tests.cards import write_card_video
from tests.engine.hub_server import Hub, serve
from tests.engine.weights import model_files

MODEL = "Someone/Tiny-VL"
REFUSAL = "raise ValueError(\"Model architectures ['UnheardOf'] are not supported for now.\")"
pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("question") / "cards.mp4", ["red", "blue"])


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub(MODEL, model_files(size=300_000))) as served:
        yield served


@pytest.fixture
def environment(tmp_path: Path, hub: Hub) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "FRAMELENS_DATA_DIR": str(tmp_path / "data")}
    known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "VLLM_", "FRAMELENS_"))}
    return known | own | {"LANG": "C.UTF-8", "VLLM_MODEL_PATH": MODEL}


def command(*arguments: object) -> list[str]:
    return [
        sys.executable,
        "-m",
        "framelens.cli.main",
        "analyse",
        *map(str, arguments),
        "--frames",
        "2",
        "--language",
        "en",
    ]


def weights_were_asked_for(hub: Hub) -> bool:
    return any(".safetensors" in request for request in hub.requests)


@pytest.mark.slow
def test_without_a_terminal_nothing_is_downloaded_unasked(
    video: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        command(video, "--output", "r.json"), cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    first, second, third, *_ = done.stderr.splitlines()
    assert MODEL in first and "--yes" in second and "--no-model" in third
    assert done.stderr.count("--yes") == 1 and "Traceback" not in done.stderr
    assert not weights_were_asked_for(hub)
    assert json.loads((tmp_path / "r.json").read_text())["mode"] == "none"


@pytest.mark.slow
def test_yes_downloads_and_continues_with_the_report(
    video: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "__init__.py").write_text(REFUSAL)  # as vLLM itself ends, fifteen seconds sooner
    environment["PYTHONPATH"] = os.pathsep.join((str(tmp_path), environment["PYTHONPATH"]))
    done = subprocess.run(
        command(video, "--yes", "--output", "r.json"), cwd=tmp_path, env=environment, capture_output=True,
        encoding="utf-8", stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    assert weights_were_asked_for(hub)
    assert done.returncode == 4 and "UnheardOf" in done.stderr
    assert "not downloaded" not in done.stderr
    assert (tmp_path / "r.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [("n", 0), ("what?\nq", 130)])
def test_in_a_terminal_the_answer_decides(
    answer: str, code: int, video: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(video, "--output", "r.json"), cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    said = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(60) == code, said.decode()
    assert b"Your choice:" in said and b"analyse without a model" in said
    assert not weights_were_asked_for(hub)
    assert (tmp_path / "r.json").is_file() == (code == 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://www.example.org/watch?v=1", "ftp://www.example.org/watch?v=1 is an address"),
        ("rtsp://admin:secret@10.0.0.2/live", "rtsp://10.0.0.2/live is an address"),
        ("nowhere/clip.mp4", "There is no file"),
    ],
)
@pytest.mark.parametrize("name", ["analyse", "keyframes"])
def test_what_is_no_file_is_said_and_not_stored(
    name: str,
    given: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    assert main.main([name, given, "--language", "en"]) == 3
    reported = capsys.readouterr().err
    assert said in reported and "secret" not in reported
    assert main.main(["library", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 0
