"""An analysis of a video that was analysed before decodes nothing, whatever is asked about it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from framelens import config
from framelens.analysis.prompts.templates import Templates
from framelens.analysis.task import Task
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.events import Finished
from framelens.engine.engine_builder import build_engine
from framelens.jobs.engine_session import EngineSession
from framelens.video import extractor
from tests.cards import write_card_video
from tests.cli.test_main import run as run_command
from tests.cli.test_main import run_program
from tests.commands import Done
from tests.media import COLOURS, cards, moving, write_video
from tests.thorough import first_of
from tests.updates import events_of


@pytest.mark.slow
def test_second_analysis_reuses_the_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4", moving(20))
    settings = config.load()
    run = EngineSession(settings, Templates(None), build_engine(settings)[0]).run

    def analysed(template: str) -> Analysis:
        request = AnalysisRequest(path, frames=3, template=template, use_model=False)
        (done,) = (e for e in events_of(run(Task(request, "job"))) if isinstance(e, Finished))
        return done.analysis

    first = analysed("describe")
    # Looking for captions decodes.
    monkeypatch.setattr("framelens.analysis.inputs.transcription.may_have_subtitles", lambda _: False)
    monkeypatch.setattr(extractor, "DecoderWorker", None)
    second = analysed("log")
    same = {"request": first.request, "created": "", "seconds_by_stage": {}, "field_names": {}}
    assert replace(second, **same) == replace(first, **same)  # type: ignore[arg-type]
    assert len(second.facts) == len(second.keyframes) == 3


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("choice") / "cards.mp4", cards(COLOURS, 25))


def run(*arguments: object, cwd: Path) -> Done:
    return run_command("analyse", *arguments, "--no-model", "--json", cwd=cwd)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "times"),
    first_of(
        [
            (["--every", "2", "--start", "1", "--end", "0:06"], [1, 3, 5]),
            (["--at", "0.5,4.2,0:07"], [0.48, 4.2, 7]),
            (["--strategy", "scenes"], list(range(8))),
        ]
    ),
)
def test_the_report_is_about_the_frames_that_were_asked_for(
    options: list[str], times: list[float], video: Path, tmp_path: Path
) -> None:
    done = run(video, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [frame["time_seconds"] for frame in report["keyframes"]] == pytest.approx(times)
    reported = [notice["key"] for notice in report["notices"]]
    assert reported == (["range_only", "no_model"] if "--start" in options else ["no_model"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [["--strategy", "times"], ["--strategy", "uniform", "--every", "2"], ["--start", "5", "--end", "5"]]
)
def test_wishes_that_do_not_go_together_are_exit_code_2(options: list[str], video: Path, tmp_path: Path) -> None:
    done = run(video, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_subtitles_added_later_give_another_report(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "talk.mp4", ["red", "blue"])
    words = ("analyse", video, "--no-model", "--json")
    assert json.loads(run_command(*words, cwd=tmp_path).stdout)["transcript"] is None
    (tmp_path / "talk.en.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    for _ in range(2):
        (cue,) = json.loads(run_command(*words, cwd=tmp_path).stdout)["transcript"]["cues"]
        assert cue["text"] == "Hello"
    (tmp_path / "talk.en.srt").unlink()
    assert json.loads(run_command(*words, cwd=tmp_path).stdout)["transcript"] is None


@pytest.mark.thorough
@pytest.mark.slow
def test_named_subtitles_are_read_and_change_the_report(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "talk.mp4", ["red", "blue"])
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    command = ("analyse", video, "--no-model", "--json")
    assert json.loads(run_command(*command, cwd=tmp_path).stdout)["transcript"] is None
    named = run_command(*command, "--subtitles", "words.srt", cwd=tmp_path)
    assert [cue["text"] for cue in json.loads(named.stdout)["transcript"]["cues"]] == ["Hello"]
    assert json.loads(run_command(*command, cwd=tmp_path).stdout)["transcript"] is None
    refused = run_command("analyse", video, video, "--subtitles", "words.srt", cwd=tmp_path)
    assert refused.returncode == 2 and "belongs to one video" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize("option", [["--template", "nope"], ["--strategy", "every"], ["--subtitles", "nope.srt"]])
def test_wrong_options_are_reported_before_a_download(video: Path, tmp_path: Path, option: list[str]) -> None:
    done = run_command("analyse", video, *option, "--yes", cwd=tmp_path, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert "Qwen" not in done.stderr, done.stderr
    assert done.returncode in (2, 6)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("b.mp4",), ("--skip-done",)])
def test_several_videos_without_a_plugin_are_refused(words: tuple[str, ...], video: Path, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").touch()
    done = run_program("analyse", video, *words, "--no-model", cwd=tmp_path, FRAMELENS_PLUGINS="")
    assert done.returncode == 2 and "need the plugin batch" in done.stderr
    for command in ("batch", "cluster"):
        done = run_program(command, cwd=tmp_path, FRAMELENS_PLUGINS="")
        assert done.returncode == 2 and f'"{command}" is a command of a plugin' in done.stderr
