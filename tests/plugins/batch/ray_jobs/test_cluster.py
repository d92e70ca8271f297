"""A real cluster of two nodes: what is killed is neither lost nor done twice, reports stay the same, checks see all."""

import json
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.endurance import differences, plain
from framelens.cli import main
from framelens.core.background_task import in_thread
from framelens.plugins.batch.ray_jobs import client as client_module
from framelens.plugins.batch.ray_jobs.client import RayCluster
from tests.cards import CARDS, write_card_video
from tests.llm.scripted import following, serve
from tests.plugins.batch.ray_jobs.local_cluster import ROOT, TOKEN, LocalCluster, local_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("english", "no_text_reading"),
    pytest.mark.filterwarnings("default"),  # Ray's warnings
]
TINY = Path(__file__).parents[3] / "fixtures" / "tiny-vl"
NO_TEXT = ROOT / "tests" / "no_text"
VIDEOS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def clips(folder: Path) -> Path:
    clips = folder / "clips"
    clips.mkdir()
    for number, colour in enumerate(list(CARDS)[:VIDEOS]):
        write_card_video(clips / f"{number}.mp4", [colour, "white"])
    return clips


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[LocalCluster]:
    (folder / "data").mkdir()
    variables = {"PYTHONPATH": str(NO_TEXT), "NCCL_SOCKET_IFNAME": "wrong0"}
    with local_cluster(folder / "data", variables) as started:
        yield started


@pytest.fixture
def client(cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayCluster:
    monkeypatch.setattr(client_module, "CLIENT_PORT", cluster.port)
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    cluster.add_node()
    return RayCluster(cluster.address)


def batch(clips: Path, folder: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `framelens batch` in a folder, and return its exit code and the events."""
    words = ["batch", str(clips), "--output", str(folder / "out"), "--frames", "2"]
    printed = StringIO()
    with redirect_stdout(printed):
        code = main.main([*words, "--json", "--language", "en", *more])
    return code, [json.loads(line) for line in printed.getvalue().splitlines()]


def killed(cluster: LocalCluster, folder: Path) -> Callable[[], None]:
    """Kill an actor after the first report and a node after the third, in a thread."""
    reports = folder / "out" / "reports"

    def until(count: int) -> None:
        while len(list(reports.glob("*.json"))) < count:
            time.sleep(0.05)

    def kill() -> None:
        until(1)
        cluster.actors()[0].send_signal(signal.SIGKILL)
        until(3)
        cluster.kill_node()

    return kill


@pytest.mark.thorough
def test_nodes_are_looked_at_and_measured(
    client: RayCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(TINY, tmp_path / "model")
    with socket.create_server(("0.0.0.0", 0)) as taken:
        words = ["cluster", "check", "--address", client.address, "--model", str(model), "--json", "--language", "en"]
        assert main.main([*words, "--port", str(taken.getsockname()[1])]) == 4
    document = json.loads(capsys.readouterr().out)
    nodes, links = document["nodes"], document["links"]
    assert len(nodes) == 2 and not document["lost"]
    assert all(node["versions"]["ray"] and node["versions"]["framelens"] and node["interface"] for node in nodes)
    assert all(node["model"]["config_sha256"] for node in nodes)
    assert len(links) == 2 and all(one["megabytes_per_second"] > 1 for one in links)
    assert {"cluster_interface", "cluster_port"} <= {one["key"] for one in document["problems"]}


def test_what_is_killed_on_a_node_is_done_elsewhere(
    client: RayCluster, cluster: LocalCluster, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killing, words = in_thread("killer", killed(cluster, tmp_path)), ("--no-model", "--format", "json,csv")
    code, events = batch(clips, tmp_path, "--ray", cluster.address, *words)
    states = [event["state"] for event in events if event["event"] == "video"]
    assert (code, states) == (0, ["without_model"] * VIDEOS)
    killing.result()
    again, events = batch(clips, tmp_path, "--ray", cluster.address, *words)
    assert again == 0 and [event["was_done"] for event in events if event["event"] == "video"] == [True] * VIDEOS
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "other"))
    assert batch(clips, tmp_path / "here", *words)[0] == 0
    for here in (tmp_path / "here" / "out" / "reports").iterdir():
        there = tmp_path / "out" / "reports" / here.name
        if here.suffix == ".csv":
            assert here.read_bytes() == there.read_bytes()
        else:
            assert not list(differences(*(plain(json.loads(one.read_bytes())) for one in (here, there))))


@pytest.mark.thorough
def test_a_killer_of_the_decoder_is_one_failed_result(
    client: RayCluster, cluster: LocalCluster, clips: Path, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(clips / "0.mp4", tmp_path / "clips")
    killer = write_card_video(tmp_path / "clips" / "killer.mp4", list(CARDS), seconds_per_card=20.0)
    over = threading.Event()

    def kill_decoders_of_it() -> None:
        while not over.wait(0.02):
            for one in cluster.decoders():
                with suppress(psutil.Error):
                    if any(file.path == str(killer) for file in one.open_files()):
                        one.send_signal(signal.SIGSEGV)

    watching = in_thread("killer", kill_decoders_of_it)
    with serve(following) as server:
        code, events = batch(tmp_path / "clips", tmp_path, "--ray", cluster.address, "--base-url", server.base_url)
    over.set()
    watching.result()
    ended = {Path(event["path"]).name: event for event in events if event["event"] == "video"}
    assert code == 3 and ended["0.mp4"]["state"] == "done"
    assert ended["killer.mp4"]["error"]["key"] == "video_decoder_crashed"
    assert server.requests


@pytest.mark.thorough
def test_nodes_without_the_engine_are_refused_at_first(
    client: RayCluster, cluster: LocalCluster, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, events = batch(clips, tmp_path, "--ray", cluster.address, "--base-url", "http://127.0.0.1:9/v1")
    assert (code, events) == (4, [])
    said = capsys.readouterr().err
    assert "the engine can't be used" in said and "does not answer" in said
