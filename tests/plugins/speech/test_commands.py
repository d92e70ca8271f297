"""Speech on the command line: consent, download from a hub on loopback, and what is printed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.hub_server import Hub, serve

pytestmark = pytest.mark.slow
MODEL = "Systran/faster-whisper-small"
HIDING = """import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name in {} else found(name, package)
"""


@pytest.fixture
def hub(whisper_folder: Path) -> Iterator[Hub]:
    with serve(Hub(MODEL, {path.name: path.read_bytes() for path in whisper_folder.iterdir()})) as served:
        yield served


@pytest.fixture
def environment(tmp_path: Path, hub: Hub) -> dict[str, str]:
    own = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "MODELSCOPE_CACHE": str(tmp_path / "ms"),
        "FRAMELENS_DATA_DIR": str(tmp_path / "data"),
        "FRAMELENS_SPEECH": "small",
    }
    known = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "FRAMELENS_"))}
    return known | own | {"LANG": "C.UTF-8"}


def framelens(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "framelens", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_a_model_is_downloaded_once_and_only_with_consent(
    spoken_film: Path, environment: dict[str, str], hub: Hub
) -> None:
    refused = framelens(environment, "transcript", spoken_film)
    assert refused.returncode == 4 and "framelens download --speech" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and hub.requests == []
    done = framelens(environment, "transcript", spoken_film, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["source"] == "speech" and document["label"] == "Whisper small"
    assert [one["text"] for one in document["cues"]] == ["one", "two", "three"] * 9
    assert "3:39" in done.stderr and any("model.bin" in request for request in hub.requests)
    asked = len(hub.requests)
    again = framelens(environment, "transcript", spoken_film)
    assert again.returncode == 0 and len(again.stdout.splitlines()) == 27 and len(hub.requests) == asked


def test_speakers_are_separated_and_their_models_downloaded(
    dialogue: Path, environment: dict[str, str], hub: Hub, speaker_folder: Path
) -> None:
    segmentation, embedding = ((speaker_folder / f"{name}.onnx").read_bytes() for name in ("segmentation", "embedding"))
    hub.others = {
        "csukuangfj/sherpa-onnx-pyannote-segmentation-3-0": {"model.onnx": segmentation, "model.int8.onnx": b"-"},
        "csukuangfj/speaker-embedding-models": {
            "3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx": embedding,
            "another.onnx": b"-",
        },
    }
    done = framelens(environment, "transcript", dialogue, "--yes", "--speakers", "2")
    assert done.returncode == 0, done.stderr
    said = [line.split("  ")[1].split(": ")[0] for line in done.stdout.splitlines()]
    assert list(dict.fromkeys(said)) == ["Speaker A", "Speaker B"] and said[0] == said[-1] == "Speaker A"
    assert "Separating the speakers: 0 %" in done.stderr and "guess" not in done.stderr
    assert not any(name in request for request in hub.requests for name in ("int8", "another"))
    guessed = framelens(environment, "transcript", dialogue, "--json", "--speakers", "auto", "--language", "zh")
    document = json.loads(guessed.stdout)
    assert document["speakers_guessed"] is True and document["cues"][0]["speaker"] == "说话人 A"
    wrong = framelens(environment, "transcript", dialogue, "--speakers", "27")
    assert wrong.returncode == 2 and "26" in wrong.stderr


def test_the_command_downloads_and_says_what_it_has(environment: dict[str, str]) -> None:
    done = framelens(environment, "download", "--speech", "--quiet")
    assert done.returncode == 0 and "is on this machine" in done.stdout and "faster-whisper" in done.stdout
    other = framelens(environment, "download", "gpt2", "--speech")
    assert other.returncode == 2 and "large-v3-turbo" in other.stderr and other.stdout == ""


def test_each_absent_package_is_named_in_a_line(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    environment["FRAMELENS_SPEECH"] = ""
    site = tmp_path / "sitecustomize.py"
    site.write_text(HIDING.format(("faster_whisper", "sherpa_onnx")))
    for option, said in (("--speech", "faster-whisper, which the speech model "), ("--speakers", "sherpa-onnx, which")):
        done = framelens(environment, "download", option)
        assert done.returncode != 0 and said in done.stderr and '[speech]"' in done.stderr
        assert len(done.stderr.splitlines()) == 1 and "  " not in done.stderr and done.stdout == ""
    site.write_text(HIDING.format(("sherpa_onnx",)))
    done = framelens(environment, "download", "sensevoice", "--speech")
    assert done.returncode != 0 and done.stderr.startswith("sherpa-onnx, which the speech model sensevoice needs")


def test_a_video_without_sound_says_so(tmp_path: Path, environment: dict[str, str]) -> None:
    from tests.spoken import write_spoken

    done = framelens(environment, "transcript", write_spoken(tmp_path / "mute.mkv"))
    assert done.returncode == 6 and "no sound" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_hub_without_the_model_is_an_error_about_speech(environment: dict[str, str], hub: Hub) -> None:
    hub.model = "Someone/else"
    done = framelens(environment, "download", "--speech", "--quiet")
    assert done.returncode == 4 and "FRAMELENS_SPEECH" in done.stderr and hub.url in done.stderr
