"""The command `framelens ask`."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from framelens.i18n import in_language
from tests.cards import write_card_video
from tests.commands import Done, run_command
from tests.llm.scripted import Server, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")
ANSWER = "Red [1] \x1b[31m<b> at 7:30."


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("asked") / "cards.mp4", ["red", "blue"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked-data")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield "x" if body["max_tokens"] == 1 else ANSWER

    with serve(behave) as server:
        yield server


def variables(data: Path, server: Server | None) -> dict[str, str]:
    named = {"FRAMELENS_BASE_URL": server.base_url} if server else {}
    return {"LANG": "C.UTF-8", "FRAMELENS_DATA_DIR": str(data), **named}


def run(*arguments: object, data: Path, server: Server | None = None, command: str = "ask") -> Done:
    return run_command(command, *arguments, environ=variables(data, server))


@pytest.mark.slow
def test_named_subtitles_are_sent_with_the_question(video: Path, tmp_path: Path, server: Server) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,900\nSesame, open\n")
    options = ("--subtitles", words, "--json")
    done = run(video, *options, "What is said?", data=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    assert "Sesame, open" in json.dumps(server.requests[-1])
    for about in (("latest",), (), (video, video)):
        refused = run(*about, *options, "What is said?", data=tmp_path, server=server)
        assert refused.returncode == 2 and "ubtitles" in refused.stderr


@pytest.mark.slow
def test_a_copy_is_asked_about_with_its_own_subtitles(video: Path, tmp_path: Path, server: Server) -> None:
    first, second = (tmp_path / name for name in ("first.mp4", "second.mp4"))
    for copy, words in ((first, "Sesame, open"), (second, "")):
        shutil.copy(video, copy)
        if words:
            copy.with_suffix(".srt").write_text(f"1\n00:00:00,100 --> 00:00:00,900\n{words}\n")
        done = run(copy, "What is said?", data=tmp_path, server=server)
        assert done.returncode == 0, done.stderr
        assert ("Sesame, open" in json.dumps(server.requests[-1])) == bool(words)


@pytest.mark.slow
def test_question_about_a_video_lists_frames_with_times(video: Path, data: Path, server: Server) -> None:
    done = run(video, "--temperature", "0.3", "Which is first?", data=data, server=server)
    assert done.returncode == 0, done.stderr
    answer, frame, doubt = done.stdout.splitlines()
    assert answer == r"Red [1] \u001b[31m<b> at 7:30." and frame == "[1] 00:00.000"
    assert doubt.startswith("⚠️") and "7:30" in doubt
    assert "framelens ask --continue" in done.stderr and "No model has seen" not in done.stderr
    assert server.requests[-1]["temperature"] == 0.3

    done = run("--continue", "latest", "--json", "And then?", data=data, server=server)
    document = json.loads(done.stdout)
    assert document["turn"]["number"] == 2 and document["turn"]["answer"] == ANSWER
    assert [(one["number"], one["time"]) for one in document["turn"]["cited"]] == [(1, "00:00.000")]
    assert document["about"][0]["video"] == "cards.mp4" and document["turn"]["settings"]["temperature"] == 0.6

    done = run("--continue", document["id"][:6], "--edit", 1, "换个问法", "--quiet", data=data, server=server)
    assert done.returncode == 0 and done.stderr == ""
    exported = json.loads(run("--export", "latest", "--json", data=data).stdout)
    assert [(turn["number"], turn["parent"]) for turn in exported["turns"]] == [(1, 0), (2, 1), (3, 0)]
    assert "## 3. 换个问法" in run("--export", document["id"], data=data).stdout

    listed = json.loads(run("--list", "--json", data=data).stdout)
    assert [(one["id"], one["name"], one["library"], one["about"][0]["video"]) for one in listed] == [
        (document["id"], "Which is first?", False, "cards.mp4")
    ]
    assert document["id"] in run("--search", "问法", data=data).stdout
    assert document["id"] not in run("--search", "法问", data=data).stdout
    assert run("--rename", "latest", "红色", data=data).returncode == 0
    assert "红色" in run("--list", "latest", data=data).stdout
    assert "红色" in run("--list", video, data=data).stdout
    assert "红色" in run("--list", video.as_uri(), data=data).stdout
    deleted = run("--delete", "latest", data=data)
    assert deleted.returncode == 0
    assert f"framelens library restore {document['id']}" in deleted.stderr
    assert "no conversations" in run("--list", data=data).stdout
    (trashed,) = json.loads(run("trash", "--json", data=data, command="library").stdout)["analyses"]
    assert (trashed["kind"], trashed["name"], trashed["days_left"]) == ("conversation", "红色", 30)
    assert run("restore", document["id"], data=data, command="library").returncode == 0
    assert document["id"] in run("--list", data=data).stdout
    assert run("--delete", "latest", "--for-good", data=data).returncode == 2
    assert run("--delete", "latest", "--for-good", "--yes", data=data).returncode == 0
    assert "no conversations" in run("--list", data=data).stdout
    assert "empty" in run("trash", data=data, command="library").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "There is no question"),
        (["VIDEO"], 2, "There is no question"),
        (["VIDEO", " "], 2, "There is no question"),
        (["VIDEO", "a" * 100_000], 2, "100,000 characters"),
        (["VIDEO", "Q", "--top-p", "7"], 2, "from 0.01 to 1.0"),
        (["VIDEO", "Q", "--max-tokens", "many"], 2, "from 1 to 4096"),
        (["VIDEO", "Q", "--edit", "1"], 2, "--continue ID"),
        (["gone.mp4"], 2, "There is no question"),
        (["VIDEO", "Q", "--delete", "latest", "--for-good", "--yes"], 2, "two requests"),
        (["--list", "--rename", "latest", "Q"], 2, "--list and --rename are two requests"),
        (["--export", "latest", "--delete", "latest"], 2, "--export and --delete are two requests"),
        (["--list", "--continue", "latest"], 2, "--list and --continue are two requests"),
        (["VIDEO", "Q", "--image", "gone.png"], 6, "The image gone.png can't be read"),
        (["VIDEO", "Q", "--continue", "latest"], 2, "Leave out"),
        (["VIDEO", "Q", "--start", "9", "--end", "4"], 2, "end"),
        (["gone.mp4", "Q"], 3, "There is no file"),
        (["~nobodyhere/gone.mp4", "Q"], 3, "There is no file"),
        (["nothing", "Q"], 6, "neither a file nor an analysis"),
        (["--continue", "nothing", "Q"], 6, "not known here"),
        (["VIDEO", "Q", "--base-url", "http://127.0.0.1:9/v1"], 4, "127.0.0.1:9"),
    ],
)
def test_wrong_use_says_what_to_do(arguments: list[str], code: int, words: str, video: Path, data: Path) -> None:
    done = run(*(video if one == "VIDEO" else one for one in arguments), data=data)
    assert done.returncode == code and words in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_interrupt_keeps_the_answer_so_far(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        for _ in range(1 if body["max_tokens"] == 1 else 2000):
            yield f"word{_} "
            waiting.wait(0.05)

    import threading

    waiting = threading.Event()
    with serve(behave) as server:
        asked = subprocess.Popen(
            [sys.executable, "-m", "framelens.cli.main", "ask", str(video), "Which?"],
            env=os.environ | variables(tmp_path, server),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert asked.stdout
        asked.stdout.read(20)
        asked.send_signal(signal.SIGINT)
        _, errors = asked.communicate(timeout=60)
    assert asked.returncode == 130
    assert "--continue" in errors.splitlines()[-1] and "Traceback" not in errors, errors
    turn = json.loads(run("--export", "latest", "--json", data=tmp_path).stdout)["turns"][0]
    assert turn["state"] == "stopped" and turn["answer"].startswith("word0") and turn["why"]["key"] == "ask_stopped"


@pytest.mark.thorough
@pytest.mark.slow
def test_several_videos_images_and_text_alone(video: Path, data: Path, server: Server, tmp_path: Path) -> None:
    image = tmp_path / "photo.png"
    Image.new("RGB", (40, 20), "red").save(image)
    done = run(video, video, "--image", image, "Which?", "--json", data=data, server=server)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [one["video"] for one in document["about"]] == ["cards.mp4"]  # the same video once
    assert [one["name"] for one in document["turn"]["images"]] == ["photo.png"]

    done = run("Hello there?", "--quiet", data=data, server=server)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    listed = json.loads(run("--list", "--json", data=data).stdout)
    assert [(one["name"], len(one["about"])) for one in listed[:2]] == [("Hello there?", 0), ("Which?", 1)]
    assert "Hello there?" in run("--export", "latest", data=data).stdout
    assert "Hello there?" in run("--list", data=data).stdout
    assert run("In which videos is a van?", "--library", data=data, server=server).returncode == 0
    assert "Conversation about all reports" in run("--export", "latest", data=data).stdout
    assert "All reports" in run("--list", data=data).stdout.splitlines()[1]


def test_place_in_the_queue_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from framelens.cli.commands.ask import _Printer
    from framelens.questions.conversation import Queued

    with in_language("en"):
        for quiet in (False, True):
            for place in (2, 1, 0):
                _Printer(streams=True, quiet=quiet).show(Queued(place))
    said = capsys.readouterr().err.splitlines()
    assert [f"number {place} in the queue" in line for place, line in zip((2, 1), said, strict=True)] == [True, True]


@pytest.mark.thorough
@pytest.mark.slow
def test_look_takes_frames_densely_from_a_range(video: Path, data: Path, server: Server) -> None:
    given = ("Which?", "--look", "local", "--start", "0.2", "--end", "1.0", "--frames", "3")
    done = run(video, *given, "--json", data=data, server=server)
    turn = json.loads(done.stdout)["turn"]
    assert done.returncode == 0 and "3 frames were spread evenly" in done.stderr
    assert turn["look"] == {"kind": "local", "start_seconds": 0.2, "end_seconds": 1.0}
    assert turn["evidence"]["choice"]["outcome"] == "range"
    assert all(0.2 <= frame["time_seconds"] < 1.0 for frame in turn["attached"])
    wrong = run(video, "Which?", "--look", "sideways", data=data, server=server)
    assert wrong.returncode == 2 and "sideways" in wrong.stderr and "spoken" in wrong.stderr
