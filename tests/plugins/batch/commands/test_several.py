"""`framelens analyse` on several videos, as a script meets it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from framelens.core.events import StageStarted
from framelens.plugins.batch.batch import Batch, BatchVideo
from framelens.plugins.batch.batch_repository import BatchRepository
from framelens.plugins.batch.commands.progress import BatchProgress
from framelens.plugins.batch.loop import VideoBegun, VideoEnded, VideoProgress
from framelens.store.database import Store
from tests.cards import write_card_video
from tests.cli.test_main import command, endlessly, run, until_asked
from tests.llm.scripted import following, serve
from tests.updates import shown_by

pytestmark = pytest.mark.usefixtures("no_text_reading", "english")
_STEP = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]|(\r)|(\n)|([^\x1b\r\n]+)")


def write_clips(folder: Path, clips: Mapping[str, str]) -> Path:
    """Write a clip of each colour, and a file that is no video."""
    for name, colour in clips.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_card_video(folder / name, [colour])
    (folder / "broken.mp4").write_text("no video")
    return folder


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "clips", {"a.mp4": "red", "b.mp4": "blue", "more/a.mp4": "green"})


def stored_batches(folder: Path) -> list[Batch]:
    """Return the batches that commands in a folder have stored."""
    with closing(Store(folder / "data" / "framelens.sqlite")) as store:
        return BatchRepository(store).recent(9)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_a_folder_gives_a_line_and_a_report_for_each_video(clips: Path, tmp_path: Path) -> None:
    done = run("analyse", clips, "--no-model", "--language", "en", "--output", "reports/", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 5
    assert sum("· without a model ·" in f"· {line.partition('] ')[2]}" for line in said) == 3
    assert [line for line in said if "failed" in line and "broken.mp4 is not a readable video" in line]
    assert said[-1].startswith("Videos: 4 (3 without a model, 1 failed) in ")
    assert {path.name for path in (tmp_path / "reports").glob("*.md")} == {
        "a.report.md", "a.report-2.md", "b.report.md",
    }  # fmt: skip
    (batch,) = stored_batches(tmp_path)
    assert [(video.name, bool(video.job_id)) for video in batch.videos] == [
        ("a.mp4", True), ("b.mp4", True), ("broken.mp4", False), ("a.mp4", True),
    ]  # fmt: skip
    again = run("analyse", clips, "--no-model", "--skip-done", "--language", "en", cwd=tmp_path)
    assert [one.videos for one in stored_batches(tmp_path)] == [batch.videos]
    assert again.returncode == 3
    assert again.stdout.count("skipped, done before") == 3
    assert list(tmp_path.glob("*.md")) == []


@pytest.mark.slow
def test_fit_stays_fit_in_the_stored_batch(clips: Path, tmp_path: Path) -> None:
    words = ["analyse", clips / "*.mp4", "--no-model", "--skip-done"]
    for more in (["--frames", "fit"], ["--frames", "fit"], ["--frames", "auto"]):
        assert run(*words, *more, cwd=tmp_path).returncode == 3
    auto, fit = stored_batches(tmp_path)
    assert (fit.fits_request, auto.fits_request) == (True, False)
    assert fit.request == auto.request, "it has the number of no video"


@pytest.mark.thorough
@pytest.mark.slow
def test_json_is_one_object_per_line(clips: Path, tmp_path: Path) -> None:
    words = [clips / "*.mp4", tmp_path / "missing.mp4", "--no-model", "--json", "--jobs", 3]
    done = run("analyse", *words, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    found = {Path(line["path"]).name: line for line in lines(done.stdout)}
    assert {name: line["state"] for name, line in found.items()} == {
        "a.mp4": "without_model", "b.mp4": "without_model", "broken.mp4": "failed", "missing.mp4": "failed",
    }  # fmt: skip
    assert found["a.mp4"]["report"]["source"]["name"] == "a.mp4"
    assert found["missing.mp4"]["error"]["key"] == "video_not_found"
    assert found["broken.mp4"]["id"] is None
    listed = json.loads(run("library", "--json", cwd=tmp_path).stdout)
    assert {one["name"] for one in listed["analyses"]} == {"a.mp4", "b.mp4"}
    assert [found[name]["exit_code"] for name in ("a.mp4", "missing.mp4")] == [0, 3]
    planned = run("analyse", clips / "*.mp4", "--no-model", "--plan", "--json", cwd=tmp_path)
    assert planned.returncode == 3
    assert [Path(line["path"]).name for line in lines(planned.stdout)] == ["a.mp4", "b.mp4"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("--output", "r.md"), ("--anew", "--skip-done"), ("--jobs", "0"), ("--template", "question")]
)
def test_options_that_cannot_be_are_wrong_usage(words: tuple[str, ...], clips: Path, tmp_path: Path) -> None:
    done = run("analyse", clips, "--no-model", *words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""


@pytest.mark.thorough
@pytest.mark.slow
def test_one_video_may_have_a_folder_for_its_report(clips: Path, tmp_path: Path) -> None:
    done = run("analyse", clips / "a.mp4", "--no-model", "--format", "csv", "--output", "new/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "a.report.csv").is_file()


@pytest.mark.thorough
@pytest.mark.slow
def test_several_engines_share_a_folder(clips: Path, tmp_path: Path) -> None:
    (clips / "broken.mp4").unlink()
    dead = "http://127.0.0.1:9/v1"
    with serve(following) as a, serve(following) as b:
        words = ["analyse", clips, "--output", "reports/", "--language", "en"]
        done = run(*words, cwd=tmp_path, FRAMELENS_BASE_URL=f"{a.base_url}, {dead} {b.base_url}, {a.base_url}")
        assert done.returncode == 0, done.stderr
        assert a.requests and b.requests
        assert done.stdout.splitlines()[-1].startswith("Videos: 3 (3 done) in ")
    assert done.stderr.count(f"The engine at {dead} is left out") == 1


@pytest.mark.slow
def test_a_stop_keeps_what_is_done_and_says_how_to_continue(clips: Path, tmp_path: Path) -> None:
    first = run("analyse", clips / "a.mp4", "--no-model", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    with serve(endlessly) as server:
        environment = {
            **os.environ, "LANG": "C.UTF-8", "FRAMELENS_BASE_URL": server.base_url,
            "FRAMELENS_DATA_DIR": str(tmp_path / "data"),
        }  # fmt: skip
        words = command("analyse", clips / "a.mp4", clips / "b.mp4", clips / "more", "--jobs", 1)
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until_asked(server, process)
        process.send_signal(signal.SIGINT)
        said, errors = (text.decode() for text in process.communicate(timeout=60))
    assert process.returncode == 130, errors
    assert "(1 stopped, 2 not started)" in said.splitlines()[-1]
    assert "--skip-done" in errors
    assert "Traceback" not in errors
    listed = json.loads(run("library", "--json", cwd=tmp_path).stdout)
    assert sorted((one["name"], one["state"]) for one in listed["analyses"]) == [
        ("a.mp4", "cancelled"),
        ("a.mp4", "without_model"),
    ]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows after these bytes: text, cursor up, erase line, returns."""
    lines, row, column = [""], 0, 0
    for number, action, back, feed, text in _STEP.findall(written):
        if action == "A":
            row = max(0, row - int(number or 1))
        elif action == "K":
            lines[row] = ""
        elif back:
            column = 0
        elif feed:
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line for line in lines if line.strip()]


def test_results_stay_above_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    console = Console(file=terminal, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr("framelens.cli.terminal.console", lambda **_: console)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    first, second = (BatchVideo("", Path(name), name) for name in ("a.mp4", "b.mp4"))
    results = [f"[{number}/3] done · {number}.mp4 {'and more ' * number}" for number in (1, 2, 3)]
    with BatchProgress(3, quiet=False) as shown:
        for result in results:
            for one in (first, second):
                shown.show(VideoBegun(one))
            shown_by(lambda update: shown.show(VideoProgress(first, update)))(StageStarted("survey", None))
            shown.say(result, terminal)
            for one in (first, second):
                shown.show(VideoEnded(one))
    assert (
        screen(terminal.getvalue()) == [result.rstrip() for result in results] or screen(terminal.getvalue()) == results
    )


def test_what_goes_to_a_file_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = Terminal(), StringIO()
    console = Console(file=terminal, force_terminal=True, width=60)
    monkeypatch.setattr("framelens.cli.terminal.console", lambda **_: console)
    with BatchProgress(1, quiet=False) as shown:
        shown.say("[1/1] done", file)
    assert file.getvalue() == "[1/1] done\n"
    assert "[1/1] done" not in terminal.getvalue()
