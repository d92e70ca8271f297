"""The engine at hand: what was opened last, as long as it is ready, for plans that start nothing."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.planning.estimate import Planner
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.planning.plan import TokenCostMeter
from framelens.analysis.prompts.templates import built_in
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.core.domain import AnalysisRequest, EngineInfo, Keyframe, VideoInfo
from framelens.core.errors import Cancelled, EngineBusy
from framelens.engine.base import Endpoint, Engine, EngineStatus
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.remote_engine import RemoteEngine
from framelens.llm import messages
from framelens.llm.stream import ask
from framelens.store.model_records import KnownTimings
from tests.cards import draw_card, to_jpeg
from tests.llm.scripted import Refuse, Server, saying, serve

pytestmark = pytest.mark.usefixtures("english")


class RunningEngine(Engine):
    """A remote engine whose state the test sets."""

    def __init__(self, server: Server) -> None:
        info = EngineInfo("remote", "model", server.base_url, max_model_len=server.context)
        self.now, self.starts = EngineStatus("ready", "remote", "model", info=info), 0

    def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
        self.starts += 1
        assert self.now.info
        return Endpoint("remote", "model", self.now.info.base_url, "key")

    def status(self) -> EngineStatus:
        return self.now

    def note_sight(self, sees: bool | None) -> None:
        """Nothing shows it."""

    def end_if_unwell(self) -> None:
        """It is well."""

    def log_tail(self, lines: int = 200) -> str:
        return ""

    def stop(self) -> None:
        """Not ours."""


@pytest.fixture
def engine() -> Iterator[RunningEngine]:
    with serve(saying("yes")) as server:
        yield RunningEngine(server)


def opener_of(engine: object) -> EngineConnector:
    return EngineConnector(engine, lambda: None, answer_tokens=256, timeout_seconds=120)  # type: ignore[arg-type]


class BusyEngine(RunningEngine):
    """The same, which is still loading its model at the first two calls."""

    def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
        endpoint = super().ensure_ready(on_progress, cancel)
        if self.starts <= 2:
            raise EngineBusy("engine_busy", wait_seconds=0.01)
        return endpoint


@pytest.mark.slow
def test_a_busy_engine_is_waited_for_at_the_first_contact() -> None:
    with serve(saying("yes")) as server:
        busy = BusyEngine(server)
        assert opener_of(busy).connect(lambda _: None, threading.Event())[1].model == "model"
        assert busy.starts == 3
        stopped = threading.Event()
        stopped.set()
        with pytest.raises(Cancelled):
            opener_of(BusyEngine(server)).connect(lambda _: None, stopped)


def test_engines_are_available_once_opened(engine: RunningEngine) -> None:
    # Unopened engine is unavailable and not started.
    assert opener_of(engine).current() is None
    assert engine.starts == 0
    # Opened engine is available with its proofs.
    opener = opener_of(engine)
    speaker, _ = opener.connect(lambda progress: None, threading.Event())
    found = opener.current()
    assert found and found.chat is speaker.chat and found.sight.sees is True
    assert engine.starts == 1


@pytest.mark.parametrize("refuses", [False, True])
def test_frames_are_one_video_where_the_engine_takes_it(refuses: bool) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if refuses and "media_io_kwargs" in body:
            raise Refuse(400, "At most 0 video(s) may be provided in one prompt.")
        yield "yes"

    with serve(behave) as server:
        opener = replace(opener_of(RunningEngine(server)), wants_video=True)
        connection, _ = opener.connect(lambda progress: None, threading.Event())
    frames = [Keyframe(n, n, float(n), "even", 1, 64, 36, to_jpeg(draw_card("red"))) for n in (1, 2)]
    url = partial(messages.data_url, side=64)
    _, asked = connection.messages(frames, "What?", system="Look.", url=url)
    shown = [part["type"] for part in asked.content if isinstance(part, dict) and part["type"] != "text"]
    assert shown == (["image_url"] * 2 if refuses else ["video_url"])
    assert (connection.video_refusal is not None) == refuses
    if not refuses:
        assert messages.in_words([asked], frames).split("\n")[1:4] == [
            "[frame 1 · 00:01.000]", "[frame 2 · 00:02.000]", "‹picture 1› ‹picture 2›"
        ]  # fmt: skip


def ranks_of(server: Server, content: str) -> set[str | None]:
    """The copies of the model that the requests about a video name."""
    engine = RemoteEngine(server.base_url)
    server.headers.clear()
    connection, _ = opener_of(engine).connect(lambda progress: None, threading.Event(), lambda: content)
    ask(connection.chat, messages.text_only("What?", system="Look."))
    assert len(server.headers) > 1  # the proof of sight, too
    assert len({headers["x-session-id"] for headers in server.headers}) == 1  # for a router
    return {headers.get("x-data-parallel-rank") for headers in server.headers}


@pytest.mark.slow
def test_a_video_stays_on_one_copy_of_the_model() -> None:
    cache = 'vllm:cache_config_info{{block_size="16",engine="{}",num_gpu_blocks="99"}} 1.0\n'
    with serve(saying("yes"), owner="vllm", metrics="".join(map(cache.format, range(3)))) as server:
        found = {str(video): ranks_of(server, str(video)) for video in range(12)}
        assert set().union(*found.values()) == {"0", "1", "2"}
        assert all(len(ranks) == 1 for ranks in found.values())
        assert ranks_of(server, "5") == found["5"]
        server.metrics = cache.format(0)
        assert ranks_of(server, "5") == {None}


@pytest.mark.parametrize("state", ["failed", "stopped", "starting"])
def test_an_engine_that_is_gone_is_not_available(engine: RunningEngine, state: str) -> None:
    opener = opener_of(engine)
    opener.connect(lambda progress: None, threading.Event())
    engine.now = EngineStatus(state, "remote", "model")  # type: ignore[arg-type]
    assert opener.current() is None


def test_restarted_engine_is_not_the_opened_one(engine: RunningEngine) -> None:
    opener = opener_of(engine)
    opener.connect(lambda progress: None, threading.Event())
    assert engine.now.info
    engine.now = replace(engine.now, info=replace(engine.now.info, base_url="http://127.0.0.1:9/v1"))
    assert opener.current() is None


@pytest.mark.engine
def test_plan_counts_with_the_real_engine(vl_engine: LocalEngine) -> None:
    opener, template = opener_of(vl_engine), built_in()["describe"]
    opener.connect(lambda progress: None, threading.Event())
    picture = to_jpeg(draw_card("red", width=320, height=240))
    frames = [Keyframe(n, n, n * 1.0, "even", 1, 320, 240, picture) for n in range(1, 6)]
    video = VideoInfo(Path("a.mp4"), "a", 9, "mp4", "h264", "yuv420p", 320, 240, 0, 9.0, 25.0, 225, 0.0, False)
    request = AnalysisRequest(video.path, len(frames))
    plan = Planner(TokenCostMeter(opener), RequestCapacity(None, 256), None, KnownTimings, lambda *_: len(frames))
    forecast = plan(video, request, template)
    assert forecast.is_exact and forecast.parts == 1
