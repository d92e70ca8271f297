"""The actor by itself: a video at a time, a death that repeats, and a node that is ill."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from framelens.core.codec import Failure, from_json
from framelens.core.domain import AnalysisRequest
from framelens.plugins.batch.batch import Batch, collect
from framelens.plugins.batch.ray_jobs.task import RayTask
from framelens.plugins.batch.ray_jobs.video_actor import MOST_ATTEMPTS, VideoActor
from framelens.plugins.batch.results import Results
from framelens.video.files import sha256_of
from framelens.video.inputs import resolve
from tests.cards import write_card_video

pytestmark = pytest.mark.usefixtures("no_text_reading", "english")


@pytest.fixture(autouse=True)
def on_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SimpleNamespace(get_node_id=lambda: "node-1")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get_runtime_context=lambda: context))


def task(folder: Path, *, use_model: bool = False) -> RayTask:
    clips = folder / "clips"
    clips.mkdir()
    for number, colour in enumerate(("red", "blue")):
        write_card_video(clips / f"{number}.mp4", [colour])
    request = AnalysisRequest(Path("x"), frames=2, use_model=use_model)
    batch = Batch(
        "one", collect(resolve([str(clips)]).items, sha256_of).videos, request, "print", folder=folder / "out"
    )
    made = RayTask(batch, {"FRAMELENS_BASE_URL": "http://127.0.0.1:9/v1"} if use_model else {})
    made.save()
    return made


@pytest.fixture
def made(tmp_path: Path) -> RayTask:
    return task(tmp_path)


@pytest.fixture
def actor(made: RayTask) -> Iterator[VideoActor]:
    actor = VideoActor(str(made.path))
    yield actor
    actor.__del__()


@pytest.mark.slow
def test_a_row_has_no_more_than_keys(made: RayTask, actor: VideoActor) -> None:
    keys = [video.key for video in made.batch.videos]
    assert actor({"sha256": keys[:1]}) == {"sha256": keys[:1], "node": ["node-1"], "failure": [""]}
    assert made.progress.read() == ({keys[0]}, {keys[0]})
    result = Results(made.batch).get(keys[0])
    assert result and result.state == "without_model"
    path = Results(made.batch).path(keys[0])
    before = path.stat().st_mtime_ns
    actor({"sha256": keys[:1]})  # its row was lost
    assert path.stat().st_mtime_ns == before


def test_a_video_whose_actors_die_fails_after_some_attempts(made: RayTask, actor: VideoActor) -> None:
    key = made.batch.videos[0].key
    for _ in range(MOST_ATTEMPTS):
        made.progress.begin(key)
    assert actor({"sha256": [key]})["failure"] == [""]
    result = Results(made.batch).get(key)
    assert result and result.error and result.error.key == "ray_video_lost"
    assert not result.is_final  # the next job tries again
    assert made.progress.has_ended(key)


@pytest.mark.slow
def test_a_node_without_its_engine_hands_videos_back(tmp_path: Path) -> None:
    made = task(tmp_path, use_model=True)
    actor = VideoActor(str(made.path))
    try:
        rows = [actor({"sha256": [video.key]}) for video in made.batch.videos]
    finally:
        actor.__del__()
    keys = {from_json(row["failure"][0], Failure).key for row in rows}
    assert keys == {"remote_unreachable"}
    begun, ended = made.progress.read()
    assert (begun, ended) == ({made.batch.videos[0].key}, set())
    assert Results(made.batch).finished(replace(made.batch)) == {}
