"""A real cluster of two nodes: what is killed is neither lost nor done twice, reports stay the same, checks see all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.endurance import differences, plain
from framelens.cli import main
from framelens.core.background_task import in_thread
from framelens.i18n import error_text
from framelens.plugins.batch.batch import Batch
from framelens.plugins.batch.ray_jobs.client import RUNNING, RayCluster
from framelens.plugins.batch.ray_jobs.runner import run_on_ray, stop_on_ray
from framelens.plugins.batch.ray_jobs.task import RayTask
from framelens.plugins.batch.results import Results
from framelens.plugins.batch.runner import BatchHalted, VideoEnded
from tests.cards import CARDS, write_card_video
from tests.cli.test_main import run
from tests.llm.scripted import following, serve
from tests.plugins.batch.ray_jobs.local_cluster import ROOT, TOKEN, LocalCluster, local_cluster
from tests.plugins.batch.test_runner import made, opened, ran

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("english"),
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
def client(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> RayCluster:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    return RayCluster(cluster.address)


def batch_of(clips: Path, data: Path, **settings: str) -> Batch:
    with opened(data, **settings) as services:
        return made(clips, services, use_model="FRAMELENS_BASE_URL" in settings, formats=("csv",))


@pytest.fixture(scope="module")
def whole(folder: Path, clips: Path) -> tuple[Batch, Results]:
    """A batch, and its results on this machine."""
    batch = batch_of(clips, folder / "own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(NO_TEXT), prepend=os.pathsep)
        with opened(folder / "own") as services:
            ran(batch, services, workers=1)
    return batch, Results(batch)


def task(batch: Batch, folder: Path) -> RayTask:
    return RayTask(replace(batch, folder=folder / "out"), {"FRAMELENS_DATA_DIR": str(folder / "nodes")})


def on_ray(
    task: RayTask, client: RayCluster, disturb: Callable[[list[Any]], None] = lambda events: None
) -> tuple[list[Any], list[str]]:
    """Run to the end and return the events, and the jobs that were followed. `disturb` gets the events so far."""
    events, followed = list[Any](), list[str]()
    for event in run_on_ray(task, client, cancel=threading.Event(), on_followed=followed.append):
        events.append(event)
        disturb(events)
    return events, followed


def report(results: Results, key: str) -> bytes:
    """Return the stored report without what differs between two runs on a machine."""
    stored = json.loads(results.path(key).read_bytes())["report"]
    return json.dumps(plain(stored), sort_keys=True).encode()


def check_whole(batch: Batch, events: list[Any], results: Results, local: Results) -> None:
    """No video is lost or there twice, and each report equals the local run's, byte for byte."""
    ended = Counter(event.video.key for event in events if isinstance(event, VideoEnded))
    assert ended == Counter(video.key for video in batch.videos)
    for video in batch.videos:
        own, here = report(results, video.key), report(local, video.key)
        assert own == here, list(differences(json.loads(own), json.loads(here)))
        assert csv_of(results, video.key) == csv_of(local, video.key)


def csv_of(results: Results, key: str) -> bytes:
    """Return the table of a video; tables of videos with the same name are numbered as they end."""
    result = results.get(key)
    assert result
    return (results.folder / result.files["csv"]).read_bytes()


def once(work: Callable[[], None], *, after: int) -> Callable[[list[Any]], None]:
    """Return a function that does the work once, as soon as so many videos have ended."""
    was_done = threading.Event()

    def disturb(events: list[Any]) -> None:
        if sum(isinstance(one, VideoEnded) for one in events) >= after and not was_done.is_set():
            was_done.set()
            work()

    return disturb


def kill(processes: list[psutil.Process]) -> None:
    assert processes
    processes[0].send_signal(signal.SIGKILL)


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
    assert all(one["versions"]["ray"] and one["versions"]["framelens"] and one["interface"] for one in nodes)
    assert all(one["model"]["config_sha256"] for one in nodes)
    assert len(links) == 2 and all(one["megabytes_per_second"] > 1 for one in links)
    assert {"cluster_interface", "cluster_port"} <= {one["key"] for one in document["problems"]}


def test_what_is_killed_on_a_node_is_done_elsewhere(
    client: RayCluster, cluster: LocalCluster, whole: tuple[Batch, Results], tmp_path: Path
) -> None:
    batch, local = whole
    kill_actor = once(lambda: kill(cluster.actors()), after=1)
    kill_node = once(cluster.kill_node, after=3)

    def disturb(events: list[Any]) -> None:
        kill_actor(events)
        kill_node(events)

    events, followed = on_ray(task(batch, tmp_path), client, disturb)
    cluster.add_node()
    assert followed == []
    check_whole(batch, events, Results(replace(batch, folder=tmp_path / "out")), local)


@pytest.mark.thorough
def test_the_command_continues_a_dead_driver_and_follows(
    client: RayCluster, cluster: LocalCluster, whole: tuple[Batch, Results], tmp_path: Path
) -> None:
    batch, local = whole
    events, _ = on_ray(task(batch, tmp_path), client, once(lambda: kill(cluster.drivers()), after=2))
    assert [event.error.key for event in events if isinstance(event, BatchHalted)] == ["ray_job_failed"]
    first = [event for event in events if isinstance(event, VideoEnded)]
    assert 2 <= len(first) < len(batch.videos)
    cancel, known = threading.Event(), set[str]()
    for event in run_on_ray(task(batch, tmp_path), client, cancel=cancel, on_followed=lambda job: None):
        if isinstance(event, VideoEnded) and event.was_done:
            known.add(event.video.key)
        else:
            cancel.set()
    assert known >= {event.video.key for event in first}
    events, followed = on_ray(task(batch, tmp_path), client)
    assert len(followed) == 1
    batch = replace(batch, folder=tmp_path / "out")
    results = Results(batch)
    check_whole(batch, events, results, local)
    while client.state(followed[0]) in RUNNING:  # its driver ends after the last result
        time.sleep(0.1)
    assert not stop_on_ray(batch, client)


@pytest.mark.thorough
def test_a_killer_of_the_decoder_is_one_failed_result(
    client: RayCluster, cluster: LocalCluster, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = write_card_video(tmp_path / "killer.mp4", list(CARDS), seconds_per_card=20.0)
    over = threading.Event()

    def kill_decoders_of_it() -> None:
        while not over.wait(0.02):
            for one in cluster.decoders():
                with suppress(psutil.Error):
                    if any(file.path == str(killer) for file in one.open_files()):
                        one.send_signal(signal.SIGSEGV)

    watching = in_thread("killer", kill_decoders_of_it)
    with serve(following) as server:
        out = tmp_path / "out"
        words = ["batch", str(clips / "0.mp4"), str(killer), "--base-url", server.base_url, "--output", str(out)]
        more = ["--ray", cluster.address, "--frames", "2", "--json", "--language", "en"]
        done = run(*words, *more, cwd=tmp_path)
    over.set()
    watching.result()
    assert done.returncode == 3, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    ended = {Path(one["path"]).name: one for one in said if one["event"] == "video"}
    assert ended["0.mp4"]["state"] == "done"
    assert ended["killer.mp4"]["error"]["key"] == "video_decoder_crashed"
    assert server.requests
    assert "Ctrl-C detaches" in done.stderr


@pytest.mark.thorough
def test_nodes_without_the_engine_are_refused_at_first(client: RayCluster, clips: Path, tmp_path: Path) -> None:
    batch = batch_of(clips, tmp_path / "data", FRAMELENS_BASE_URL="http://127.0.0.1:9/v1")
    events, _ = on_ray(RayTask(batch, {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"}), client)
    (halt,) = events
    assert isinstance(halt, BatchHalted)
    assert halt.error.key == "ray_engine"
    assert "does not answer" in error_text(halt.error)
