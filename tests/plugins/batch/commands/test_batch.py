"""`framelens batch`, also with `--watch`, as a script meets it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens.cli.main import main
from framelens.plugins.batch.results import RESULT_STATES
from tests.analysis.requests.test_orchestrator import introducing
from tests.cards import write_card_video
from tests.cli.test_main import command, endlessly, run, until_asked
from tests.llm.scripted import serve
from tests.plugins.batch.commands.test_several import lines, write_clips

pytestmark = pytest.mark.usefixtures("no_text_reading", "english")
OPTIONS = ("--no-model", "--frames", 2, "--language", "en", "--output", "out")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = write_clips(tmp_path / "clips", {"a.mp4": "red", "b.mp4": "blue", "more/copy.mp4": "red"})
    (folder / "notes.txt").write_text("# none of these\n")
    return folder


def summary_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "summary.json").read_bytes())
    return found


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def started(*words: object, cwd: Path, **environ: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LANG": "C.UTF-8", "FRAMELENS_DATA_DIR": str(cwd / "data"), **environ}
    return subprocess.Popen(command(*words), cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_folder_gives_reports_and_a_summary(clips: Path, tmp_path: Path) -> None:
    done = run("batch", clips, *OPTIONS, "--format", "html", "--format", "json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1].startswith("3 videos: 2 without a model, 1 failed in ")
    assert "copy.mp4 was left out because it has the same content" in done.stderr
    assert "notes.txt" not in done.stderr  # nor what a second run finds
    assert sorted(path.suffix for path in (tmp_path / "out" / "reports").iterdir()) == [".html"] * 2 + [".json"] * 2
    made = summary_of(tmp_path)
    assert {Path(one["path"]).name: one["state"] for one in made["videos"]} == {
        "a.mp4": "without_model", "b.mp4": "without_model", "broken.mp4": "failed",
    }  # fmt: skip
    assert all((tmp_path / "out" / name).is_file() for one in made["videos"] for name in one["files"].values())
    listed = json.loads(run("library", "--json", cwd=tmp_path).stdout)
    assert {one["id"] for one in listed["analyses"]} == {one["job_id"] for one in made["videos"] if one["job_id"]}


@pytest.mark.thorough
@pytest.mark.slow
def test_json_prints_one_event_a_line(clips: Path, tmp_path: Path) -> None:
    done = run("batch", clips, *OPTIONS, "--json", "--jobs", 1, cwd=tmp_path)
    found = lines(done.stdout)
    names = [one["event"] for one in found]
    assert (names[0], names[-1]) == ("begins", "ended")
    assert sorted(names[1:-1]) == ["begun"] * 3 + ["video"] * 3, "the next begins before a report is written"
    assert [one["error"]["key"] for one in found if one.get("error")] == ["video_not_a_video"]
    assert {one["key"] for one in found[0]["left_out"]} == {"same_video"}
    assert found[-2]["ended"] == found[-2]["total"] == 3
    assert found[-1]["exit_code"] == done.returncode == 3
    again = lines(run("batch", clips, *OPTIONS, "--json", cwd=tmp_path).stdout)
    assert [one["was_done"] for one in again if one["event"] == "video"] == [True] * 3
    assert not [one for one in again if one["event"] == "begun"]
    other = lines(run("batch", clips, *OPTIONS, "--json", "--question", "why?", cwd=tmp_path).stdout)
    assert len([one for one in other if one["event"] == "begun"]) == 3


@pytest.mark.slow
def test_a_missing_path_of_a_list_is_exit_code_3(tmp_path: Path) -> None:
    write_card_video(tmp_path / "a.mp4", ["red"])
    (tmp_path / "videos.list").write_text("a.mp4\ngone.mp4\n")
    done = run("batch", "videos.list", *OPTIONS, "--json", cwd=tmp_path)
    assert "gone.mp4" in done.stderr
    assert lines(done.stdout)[-1]["exit_code"] == done.returncode == 3


@pytest.mark.thorough
@pytest.mark.slow
def test_the_results_are_no_input(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    write_card_video(tmp_path / "clips" / "a.mp4", ["red"])
    for _ in range(2):
        done = run("batch", "clips", "out", ".", *OPTIONS, cwd=tmp_path)
        assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "1 video:")
        assert done.stderr.count("was left out") <= 1


@pytest.mark.slow
def test_results_beside_the_videos_hide_none(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_card_video(tmp_path / "out" / "a.mp4", ["red"])
    for _ in range(2):
        done = run("batch", "out", *OPTIONS, cwd=tmp_path)
        assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "1 video:"), done.stderr


@pytest.mark.slow
def test_after_a_kill_only_what_is_missing_is_done(clips: Path, tmp_path: Path) -> None:
    for number in range(4):
        write_card_video(clips / f"{number}.mp4", ["green"] * (number + 1))
    process = started("batch", clips, *OPTIONS, "--jobs", 1, cwd=tmp_path)
    reports = tmp_path / "out" / "reports"
    until(lambda: len(list(reports.glob("*.html"))) >= 3, process)
    process.kill()
    process.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in list(reports.glob("*.html"))}
    again = run("batch", clips, *OPTIONS, "--json", cwd=tmp_path)
    assert again.returncode == 3, again.stderr
    found = {line["key"]: line["was_done"] for line in lines(again.stdout) if line["event"] == "video"}
    assert len(found) == 7
    assert sum(found.values()) >= len(kept) - 1, "the last report may have been written just before the kill"
    assert [name for name, stamp in kept.items() if (reports / name).stat().st_mtime_ns != stamp] == []
    assert len(list(reports.iterdir())) == 6, "no name is given twice"
    assert summary_of(tmp_path)["counts"]["pending"] == 0


@pytest.mark.thorough
@pytest.mark.slow
def test_an_engine_that_is_away_is_one_sentence(clips: Path, tmp_path: Path) -> None:
    words = ("--base-url", "http://127.0.0.1:9/v1", "--frames", 2, "--output", "out", "--language", "en")
    done = run("batch", clips / "*.mp4", *words, "--jobs", 1, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("does not answer") == 1
    assert "3 videos are still pending" in done.stderr
    assert summary_of(tmp_path)["halted"]["key"] == "remote_unreachable"
    with serve(introducing) as server:
        words = ("--base-url", server.base_url, *words[2:])
        again = run("batch", clips / "*.mp4", *words, cwd=tmp_path)
    assert again.returncode == 3, again.stderr
    counts = dict.fromkeys(RESULT_STATES, 0) | {"done": 2, "failed": 1, "pending": 0}
    assert summary_of(tmp_path)["counts"] == counts


@pytest.mark.slow
def test_a_stop_keeps_what_is_done(clips: Path, tmp_path: Path) -> None:
    with serve(endlessly) as server:
        words = ("--base-url", server.base_url, "--frames", 2, "--output", "out", "--language", "en", "--jobs", 1)
        process = started("batch", clips / "broken.mp4", clips / "a.mp4", clips / "b.mp4", *words, cwd=tmp_path)
        until_asked(server, process)
        process.send_signal(signal.SIGINT)
        said, errors = (text.decode() for text in process.communicate(timeout=60))
    assert process.returncode == 130, errors
    assert "2 videos are still pending. Run the same command again" in errors
    assert "Traceback" not in errors
    assert said.splitlines()[-1].startswith("3 videos: 1 failed, 2 pending")


@pytest.mark.slow
def test_no_video_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("batch", "empty", "none/*.mp4", *OPTIONS, cwd=tmp_path)
    assert done.returncode == 3
    assert "There is no video in the folder" in done.stderr
    assert "None of these paths gives a video" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_missing_paths_are_named_before_the_model(tmp_path: Path) -> None:
    done = run("batch", "gone.mp4", cwd=tmp_path)
    assert done.returncode == 3 and "gone.mp4" in done.stderr.splitlines()[0]
    assert "download" not in done.stderr


@pytest.mark.slow
def test_a_watched_folder_takes_what_arrives(clips: Path, tmp_path: Path) -> None:
    (clips / "broken.mp4").unlink()  # after a minute, which a busy machine may take, it is an error
    whole = write_card_video(tmp_path / "new.mp4", ["green", "blue"]).read_bytes()
    process = started("batch", clips, "--watch", *OPTIONS, "--json", cwd=tmp_path)
    assert process.stdout

    def arrived() -> Iterator[dict[str, Any]]:
        for line in process.stdout or ():
            if (event := json.loads(line))["event"] == "video":
                yield event

    ended = arrived()
    assert {Path(next(ended)["path"]).name for _ in range(2)} == {"a.mp4", "b.mp4"}
    with (clips / "new.mp4").open("wb") as file:
        for start in range(0, len(whole), len(whole) // 4 + 1):
            file.write(whole[start : start + len(whole) // 4 + 1])
            file.flush()
            time.sleep(0.5)
    event = next(ended)
    assert (Path(event["path"]).name, event["state"]) == ("new.mp4", "without_model")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert summary_of(tmp_path)["counts"]["without_model"] == 3


@pytest.mark.slow
def test_watching_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    done = run("batch", tmp_path / "gone", "--watch", *OPTIONS, cwd=tmp_path)
    assert done.returncode == 6
    assert "is not a folder" in done.stderr


@pytest.mark.parametrize("watches", [False, True])
@pytest.mark.parametrize(
    ("output", "said"), [("-", "standard output"), ("x" * 300, "too long a name")], ids=["dash", "long"]
)
def test_output_that_is_no_folder_is_refused(
    watches: bool, output: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"video")
    words = [".", "--watch"] if watches else ["clip.mp4"]
    assert main(["batch", *words, "--output", output, "--language", "en"]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "-").exists()


@pytest.mark.slow
def test_summary_replaces_only_one_of_its_own(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "clip.mp4", ["red", "blue"])
    (mine := tmp_path / "out" / "summary.csv").parent.mkdir()
    mine.write_text("mine")
    words = ["batch", video, "--no-model", "--output", "out", "--language", "en"]
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, mine.read_text()) == (2, "mine") and "summary.csv" in done.stderr
    mine.unlink()
    assert [run(*words, cwd=tmp_path).returncode for _ in range(2)] == [0, 0]


@pytest.mark.slow
def test_output_that_is_a_video_is_refused(tmp_path: Path) -> None:
    video = write_card_video(tmp_path / "clip.mp4", ["red", "blue"])
    before = video.read_bytes()
    done = run("batch", video, "--no-model", "--output", video, "--language", "en", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert video.read_bytes() == before
