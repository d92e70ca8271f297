"""What a terminal shows of an analysis while it goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from framelens.cli.progress import Progress
from framelens.cli.progress_lines import ProgressLine, ProgressLines, Throttle, open_progress
from framelens.core.domain import AnalysisRequest, Notice
from framelens.core.events import (
    Answered,
    ChunkDone,
    EngineProgress,
    FileHashed,
    Finished,
    HashProgress,
    Noticed,
    StageStarted,
    SurveyProgress,
)
from framelens.i18n import t
from tests.app import rich
from tests.updates import shown_by

pytestmark = pytest.mark.usefixtures("english")


def test_the_whole_answer_is_printed_before_the_facts_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    made = rich.rich(AnalysisRequest(Path("/videos/clip.mp4"), frames=12), "job-1", parts=3)
    with Progress() as progress:
        show = shown_by(progress.show)
        for event in rich.opening(made):
            show(event)
        for part in made.chunks:
            show(ChunkDone(part))
        show(Answered(replace(made, facts=())))
        said = capsys.readouterr().err
        show(Finished(made))
        after = capsys.readouterr().err
    assert "An afternoon at the gate" in said
    assert "The man in the red jacket comes to the door." in said
    assert "A man brings a parcel and leaves." in said
    assert "An afternoon at the gate" not in after


def test_reading_a_large_file_is_shown_until_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        show = shown_by(progress.show)
        show(StageStarted("survey"))
        show(HashProgress(3 << 30, 10 << 30))
        (task,) = progress._bar.tasks
        assert task.description == "Finding keyframes · Reading the file, 30 %"
        show(FileHashed("0" * 64))
        show(HashProgress(4 << 30, 10 << 30))
        assert task.description == "Finding keyframes"
    capsys.readouterr()


def test_text_of_a_model_cannot_turn_the_terminal_around(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.say("a \u202e b \x1b[2J c")
    shown = capsys.readouterr().err
    assert r"a \u202e b \u001b[2J c" in shown


def test_a_log_file_gets_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(quiet=False) as progress:
        show = shown_by(progress.show)
        show(StageStarted("survey"))
        show(StageStarted("ask", 3))
        long = "a sentence of many words " * 20
        progress.say(long)
    assert capsys.readouterr().err.splitlines() == ["Finding keyframes", "Model analyses frames", long]


def test_a_quiet_log_gets_notices_only(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(quiet=True) as progress:
        show = shown_by(progress.show)
        show(StageStarted("survey"))
        show(Noticed(Notice("no_model", {}, "info")))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_line_of_progress_follows_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = ProgressLines(quiet=False, name="a.mp4", throttle=Throttle(lambda: now[0]))
    show = shown_by(lines.show)
    show(StageStarted("survey"))
    for second in range(12):
        now[0] = second
        show(SurveyProgress(second * 10.0, 120.0))
    said = capsys.readouterr().err.splitlines()
    assert said == ["a.mp4 · Finding keyframes 50/120", "a.mp4 · Finding keyframes 100/120"]


def test_a_phase_of_the_engine_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines(quiet=False)
    show = shown_by(lines.show)
    show(StageStarted("engine"))
    for number in range(5):
        show(EngineProgress("ready", {"model": f"m{number}"}))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_line_in_a_log_begins_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as line:
        for step in ("load", "run"):
            for number in range(3):
                line.show(f"{step} {number}", step)
    assert capsys.readouterr().err == "load 0\nrun 0\n"
    with ProgressLine(quiet=True) as line:
        line.show("nothing")
    assert capsys.readouterr().err == ""


def test_a_line_on_a_terminal_is_removed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressLine() as line:
        line.show("load", "load")
        line.show_phase(EngineProgress("ready", {"model": "m"}))
        line.clear()
        line.clear()
    assert capsys.readouterr().err.split("\r\033[K") == ["", "load", t("engine.phase.ready", model="m"), ""]
