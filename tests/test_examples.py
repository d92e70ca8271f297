"""Run each script of examples/ as its users do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cards import write_card_video
from tests.llm.scripted import Behave, serve

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("examples") / "cards.mp4", ["red", "blue", "green", "yellow"])


def run(script: str, *arguments: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "FRAMELENS_DATA_DIR": str(cwd / "data"), **environ},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def answering(**fields: object) -> Behave:
    """Answer every request with a finding about frame 2."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        finding = {"frames": [2], **fields, "text": "Two people pay."}
        yield json.dumps({"title": "A shop", "overview": [], "findings": [finding]})

    return behave


@pytest.mark.slow
def test_keyframes_are_saved_as_jpeg_files(video: Path, tmp_path: Path) -> None:
    done = run("keyframes.py", video, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    saved = sorted((tmp_path / "frames").glob("*.jpg"))
    assert len(saved) == len(done.stdout.splitlines()) == 4
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in saved)


@pytest.mark.slow
def test_analysis_without_a_model_writes_both_reports(video: Path, tmp_path: Path) -> None:
    done = run("analyse_video.py", video, "--no-model", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<!doctype html>" in (tmp_path / "cards.report.html").read_text(encoding="utf-8").lower()
    assert json.loads((tmp_path / "cards.report.json").read_text(encoding="utf-8"))["keyframes"]


@pytest.mark.slow
def test_own_template_fills_its_fields_with_times(video: Path, tmp_path: Path) -> None:
    with serve(answering(people=2, activity="paying")) as server:
        done = run("own_template.py", video, cwd=tmp_path, FRAMELENS_BASE_URL=server.base_url)
    assert done.returncode == 0, done.stderr
    assert "Report every person" in json.dumps(server.requests[-1])
    assert done.stdout == "1.20 s\t2\tpaying\tTwo people pay.\n"


@pytest.mark.slow
def test_remote_engine_gets_the_question_and_is_printed(video: Path, tmp_path: Path) -> None:
    with serve(answering()) as server:
        done = run("remote_engine.py", video, "Who pays?", cwd=tmp_path, FRAMELENS_BASE_URL=server.base_url)
    assert done.returncode == 0, done.stderr
    assert "Who pays?" in json.dumps(server.requests[-1])
    assert "- Two people pay. (frames 2)" in done.stdout


@pytest.mark.slow
def test_questions_share_one_conversation(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield f"Answer {len(body['messages']) // 2} [2]."

    with serve(behave) as server:
        done = run("ask_video.py", video, "Who pays?", "And then?", cwd=tmp_path, FRAMELENS_BASE_URL=server.base_url)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert shown == ["> Who pays?", "Answer 1 [2].", "[2] 1.20 s", "> And then?", "Answer 2 [2].", "[2] 1.20 s"]


def test_remote_engine_without_an_address_says_what_to_set(video: Path, tmp_path: Path) -> None:
    done = run("remote_engine.py", video, cwd=tmp_path)
    assert done.returncode == 1 and "FRAMELENS_BASE_URL" in done.stderr


@pytest.mark.slow
def test_langchain_chain_gets_a_line_for_each_frame(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "A red card."

    with serve(behave) as server:
        done = run("langchain_frames.py", video, "scripted", cwd=tmp_path, FRAMELENS_BASE_URL=server.base_url)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all(line.endswith(" s  A red card.") for line in lines)
    assert json.dumps(server.requests).count("data:image/jpeg;base64,/9j/") == 4


@pytest.mark.slow
def test_batch_writes_a_pdf_each_and_names_the_bad_video(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(video.read_bytes() + name.encode())
    (folder / "c.mp4").write_text("no video")
    done = run("batch.py", folder, "--no-model", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["a.mp4", "b.mp4", "c.mp4"]
    assert all((folder / f"{name}.report.pdf").read_bytes().startswith(b"%PDF") for name in "ab")


def test_readme_lists_every_example_and_each_is_tested() -> None:
    readme, tests = (path.read_text(encoding="utf-8") for path in (EXAMPLES / "README.md", Path(__file__)))
    for script in (path.name for path in EXAMPLES.glob("*.py")):
        assert f"]({script})" in readme
        assert re.search(rf'run\("{re.escape(script)}"', tests)
