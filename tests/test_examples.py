"""Run each script of examples/ as its users do."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cards import write_card_video
from tests.llm.scripted import Behave, serve
from tests.loopback import Handler, scripted

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
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    for script in (path.name for path in EXAMPLES.glob("*.py")):
        assert f"]({script})" in readme
        assert f'"{script}"' in tests


@dataclass
class Frigate:
    """Frigate's API as it is documented: an event with a clip, one without, and one that goes on."""

    clip: bytes
    descriptions: dict[str, str] = field(default_factory=dict)
    base_url: str = ""
    asked: list[str] = field(default_factory=list)


class FrigateApi(Handler):
    def do_GET(self) -> None:
        self.state.asked.append(self.path)
        event = {"camera": "front", "label": "person", "start_time": 1607123955.4, "has_clip": True}
        if self.path.startswith("/api/events?"):
            ids = {"going-on": None, "no-clip": 1607123960.0, "1607123955.47-mxk": 1607123962.0}
            self.send_json(200, [{**event, "id": name, "end_time": end} for name, end in ids.items()])
        elif self.path == "/api/events/1607123955.47-mxk/clip.mp4":
            self.send_whole(200, self.state.clip, {"Content-Type": "video/mp4"})
        else:
            self.send_json(404, {"success": False, "message": "Clip not available"})

    def do_POST(self) -> None:
        self.state.descriptions[self.path.split("/")[3]] = json.loads(self.body())["description"]
        self.send_json(200, {"success": True})


@pytest.mark.slow
def test_events_of_frigate_become_reports_once(video: Path, tmp_path: Path) -> None:
    words = ("reports", "--label", "person", "--every", "0.1", "--describe")

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield from answering()(body) if body.get("response_format") else ["Two people pay."]

    with scripted(FrigateApi, Frigate(video.read_bytes())) as frigate, serve(behave) as engine:
        address = frigate.base_url.removesuffix("/v1")
        done = run("frigate_events.py", address, *words, cwd=tmp_path, FRAMELENS_BASE_URL=engine.base_url)
        again = run("frigate_events.py", address, *words, cwd=tmp_path, FRAMELENS_BASE_URL=engine.base_url)
    assert done.returncode == again.returncode == 1, done.stderr  # the event without a clip
    assert "no-clip: Frigate has no clip of it" in done.stdout and "going-on" not in done.stdout
    (report,) = (tmp_path / "reports").glob("*.html")
    assert report.name.endswith("front_person_1607123955.47-mxk.html")
    assert frigate.descriptions == {"1607123955.47-mxk": "Two people pay."} and "labels=person" in frigate.asked[0]
    assert sum("mxk/clip.mp4" in path for path in frigate.asked) == 1


def test_frigate_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    done = run("frigate_events.py", "http://127.0.0.1:9", "reports", cwd=tmp_path)
    assert done.returncode == 1 and "refused" in done.stderr and "Traceback" not in done.stderr


@contextmanager
def broker(*messages: dict[str, Any]) -> Iterator[str]:
    """Serve MQTT 3.1.1 on loopback: accept a connection and a subscription, then publish messages."""

    def serve_one() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"\x20\x02\x00\x00")  # CONNACK
            subscription = connection.recv(1024)
            connection.sendall(b"\x90\x03" + subscription[2:4] + b"\x00")  # SUBACK
            for message in messages:
                topic, payload = b"frigate/events", json.dumps(message).encode()
                body = len(topic).to_bytes(2, "big") + topic + payload
                length = bytes([len(body) % 128 | 128, len(body) // 128])
                connection.sendall(b"\x30" + length + body)  # PUBLISH
            connection.settimeout(120)
            with suppress(OSError):
                connection.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve_one, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False])
def test_events_come_from_a_broker_that_may_be_away(is_there: bool, video: Path, tmp_path: Path) -> None:
    event = {"id": "1607123955.47-mxk", "camera": "front", "label": "person", "start_time": 1.0, "has_clip": True}
    messages = [{"type": kind, "after": event} for kind in ("new", "update", "end")]
    with broker(*messages) as address, scripted(FrigateApi, Frigate(video.read_bytes())) as frigate:
        mqtt = address if is_there else "127.0.0.1:9"
        words = [frigate.base_url.removesuffix("/v1"), "reports", "--follow", "--mqtt", mqtt, "--no-model"]
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "frigate_events.py"), *words, "--every", "1"],
            cwd=tmp_path,
            env={**os.environ, "FRAMELENS_DATA_DIR": str(tmp_path / "data")},
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert process.stdout
        with process.stdout:
            line = process.stdout.readline()
        process.terminate()
        process.wait(60)
    assert (f"{event['id']}: " if is_there else "The broker at 127.0.0.1:9 does not answer") in line
    assert len(list((tmp_path / "reports").glob("*.html"))) == is_there


@pytest.mark.slow
def test_sidecars_are_read_and_never_overwritten(video: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(video.read_bytes())
    (tmp_path / "talk.nfo").write_text("mine", encoding="utf-8")
    with serve(answering()) as engine:
        done = run("sidecars.py", tmp_path, cwd=tmp_path, FRAMELENS_BASE_URL=engine.base_url)
        assert done.returncode == 0 and "talk.mp4: kept talk.nfo" in done.stdout, done.stderr
        assert (tmp_path / "talk.nfo").read_text(encoding="utf-8") == "mine"
        replaced = run("sidecars.py", tmp_path, "--nfo", "--replace", cwd=tmp_path, FRAMELENS_BASE_URL=engine.base_url)
    assert replaced.returncode == 0
    film = ElementTree.parse(tmp_path / "talk.nfo").getroot()
    assert (film.tag, film.findtext("title"), film.findtext("plot")) == ("movie", "A shop", "Two people pay.")
    packet = ElementTree.parse(tmp_path / "talk.mp4.xmp").getroot()
    texts = [entry.text for entry in packet.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")]
    assert texts == ["A shop", "Two people pay."]
    assert (tmp_path / "talk.chapters.txt").read_text(encoding="utf-8").startswith(";FFMETADATA1")
