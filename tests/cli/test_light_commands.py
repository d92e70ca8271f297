"""Commands import what they use and nothing else: modules are counted, since times depend on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import COLOURS, cards, write_video

LIBRARY = Path(__file__).resolve().parents[2] / "framelens"
MODEL = {
    "langchain_core",
    "langchain_openai",
    "langsmith",
    "openai",
    "tiktoken",
    "huggingface_hub",
    "aiohttp",
    "httpx",
    "ray",
    "framelens.llm.chat",
    "framelens.analysis.requests.orchestrator",
}
DECODERS = {"numpy", "cv2", "av", "rapidocr", "onnxruntime"}
DRAWING = {"rich", "PIL"}
SERVICES = {
    "pydantic",
    "psutil",
    "sqlite3",
    "framelens.engine.local.local_engine",
    "framelens.jobs.queue",
    "framelens.reports.text.html",
}
LISTED = """
import json, sys
from framelens.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("light") / "cards.mp4", cards(COLOURS, 12))


def imported(*arguments: object, cwd: Path, **environ: str) -> set[str]:
    """Run the command and return the modules that its process has imported at the end."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "FRAMELENS_DATA_DIR": str(cwd / "data"), "LANG": "C.UTF-8", **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_import_no_command(word: str, tmp_path: Path) -> None:
    found = imported(word, cwd=tmp_path)
    plugins = {name for name in found if name.startswith("framelens.plugins")}
    deep = {name for name in plugins if name.count(".") > 2 and not name.endswith(".messages")}
    assert deep == set(), "the list of commands imports none"
    assert not found & (MODEL | DECODERS | DRAWING | SERVICES)


@pytest.mark.slow
def test_keyframes_as_json_imports_neither_engine_nor_terminal(video: Path, tmp_path: Path) -> None:
    found = imported("keyframes", video, "--json", "--quiet", cwd=tmp_path)
    assert not found & (MODEL | DECODERS | DRAWING | (SERVICES - {"pydantic"}))


@pytest.mark.slow
def test_an_analysis_without_a_model_imports_no_langchain(video: Path, tmp_path: Path) -> None:
    found = imported("analyse", video, "--no-model", "--quiet", "--frames", 2, cwd=tmp_path, FRAMELENS_PLUGINS="")
    assert not found & (MODEL | DECODERS)
    named = [name.removeprefix("framelens.") for name in found if name.startswith("framelens.")]
    ours = {name for name in named if (LIBRARY / f"{name.replace('.', '/')}.py").is_file()}
    assert len(ours) <= 115, sorted(ours)  # what a reader has to know to follow a video to its report


@pytest.mark.slow
def test_the_child_imports_nothing_of_the_parent() -> None:
    code = (
        "import framelens.video.worker as child; child._load(); import sys, json; "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = set(json.loads(done.stdout.splitlines()[-1]))
    assert not found & {"framelens.video.extractor", "framelens.video.worker_pool", "importlib.metadata", "rapidocr"}
