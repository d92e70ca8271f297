"""The whole way with nothing scripted: a real H.264 video, the real decoder, the real engine, a model that sees.

The test model names colours, so the answer tells which frames reached it, all of them, and in which order.
"""

import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from framelens.analysis.prompts import templates
from framelens.analysis.task import Task
from framelens.config import load
from framelens.core.domain import Analysis, AnalysisRequest
from framelens.core.events import AnalysisEvent, Finished, ModeChosen
from framelens.engine.base import Endpoint
from framelens.engine.local.local_engine import LocalEngine
from framelens.i18n import notice_text
from framelens.jobs.engine_session import EngineSession
from framelens.reports.formats import FORMATS
from tests.cards import write_card_video
from tests.conftest import in_words, ready
from tests.engine.test_local_engine import wait_until
from tests.updates import events_of

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_text_reading")]

CARDS = ["red", "blue", "green", "yellow", "white", "purple", "orange", "cyan"]


def session(engine: LocalEngine) -> EngineSession:
    return in_words(EngineSession(load({}), templates.Templates(None), engine))


def analyse(video: Path, engine: LocalEngine, **options: object) -> Analysis:
    request = AnalysisRequest(video, **{"frames": 8, **options})  # type: ignore[arg-type]
    *_, last = events_of(session(engine).run(Task(request, "proof")))
    assert isinstance(last, Finished)
    return last.analysis


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("proof") / "卡片 'cards'.mp4", CARDS)


@pytest.fixture(scope="module")
def seen(video: Path, vl_engine: LocalEngine) -> Analysis:
    return analyse(video, vl_engine)


def test_model_sees_all_frames_in_order(seen: Analysis) -> None:
    assert seen.mode == "messages"
    assert seen.notices == ()
    (chunk,) = seen.chunks
    assert [finding.text for finding in chunk.findings] == CARDS
    assert [finding.frames for finding in chunk.findings] == [(n,) for n in range(1, 9)]
    assert seen.engine
    assert seen.engine.sees is True


def test_frame_times_lie_in_their_cards_seconds(seen: Analysis) -> None:
    assert [int(frame.time_seconds) for frame in seen.keyframes] == list(range(8))


def test_swapping_two_cards_swaps_the_answer(tmp_path: Path, vl_engine: LocalEngine) -> None:
    swapped = [*CARDS]
    swapped[1], swapped[6] = swapped[6], swapped[1]
    analysis = analyse(write_card_video(tmp_path / "swapped.mp4", swapped), vl_engine)
    assert [finding.text for finding in analysis.chunks[0].findings] == swapped


@pytest.mark.parametrize(
    "options",
    [
        {"language": "zh"},
        {"language": "zh", "template": "log"},
        {"template": "slides"},
        {"template": "question", "question": "Which card comes after the red one?"},
    ],
)
def test_the_frames_are_seen_with_every_wording(
    options: dict[str, object], video: Path, vl_engine: LocalEngine
) -> None:
    analysis = analyse(video, vl_engine, **options)
    assert [finding.text for finding in analysis.chunks[0].findings] == CARDS


def test_sixteen_frames_are_split_to_engine_limits(vl_engine: LocalEngine, tmp_path: Path) -> None:
    """The engine takes 8 pictures in a request; each part is seen, and the parts are joined."""
    video = write_card_video(tmp_path / "long.mp4", [*CARDS, *reversed(CARDS)], seconds_per_card=0.5)
    analysis = analyse(video, vl_engine, frames=16)
    assert [chunk.mode for chunk in analysis.chunks] == ["messages", "messages"]
    assert [n for chunk in analysis.chunks for n in chunk.frames] == list(range(1, 17))
    assert [chunk.answer.split()[1].strip(";") for chunk in analysis.chunks] == ["red", "cyan"]
    assert analysis.summary


@pytest.mark.parametrize("language", ["zh", "en"])
def test_text_model_is_asked_in_text_and_reports_say_so(language: str, video: Path, text_engine: LocalEngine) -> None:
    analysis = analyse(video, text_engine, language=language)
    assert analysis.mode == "text"
    (notice,) = analysis.notices
    banner = notice_text(notice, analysis.request.language)
    start = "⚠️ Messages 格式不支持，使用文本模式" if language == "zh" else "⚠️ Messages format not supported"
    assert banner.startswith(start)
    assert "is not a multimodal model" in banner
    for name in ("markdown", "json"):
        head = FORMATS[name].write(analysis, analysis.request.language).decode()[:700]
        assert start in head
    assert len(analysis.chunks[0].answer) > 0


def test_engine_dropping_pictures_is_asked_in_text(video: Path, transformers_engine: LocalEngine) -> None:
    analysis = analyse(video, transformers_engine)
    assert analysis.mode == "text"
    assert analysis.engine
    assert analysis.engine.sees is False
    assert analysis.notices[0].values["reason"].key == "pictures_dropped"  # type: ignore[union-attr]
    assert "red" in analysis.chunks[0].prompt
    assert analysis.chunks[0].answer


def test_second_question_uses_the_prefix_cache(video: Path, vl_engine: LocalEngine) -> None:
    import httpx

    def hits() -> float:
        endpoint = vl_engine.ensure_ready(lambda progress: None, threading.Event())
        metrics = httpx.get(
            endpoint.base_url.removesuffix("/v1") + "/metrics", headers={"Authorization": f"Bearer {endpoint.api_key}"}
        ).text
        lines = [line for line in metrics.splitlines() if line.startswith("vllm:prefix_cache_hits_total")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    analyse(video, vl_engine, question="What is the first card?", template="question")
    before = hits()
    analyse(video, vl_engine, question="And the last one, what is it?", template="question")
    assert hits() - before > 100  # tokens of the frames


def test_the_report_names_the_engine_and_counts_its_tokens(seen: Analysis) -> None:
    assert seen.engine
    assert seen.engine.kind == "vllm"
    assert seen.engine.max_model_len == 4096
    assert seen.usage.prompt_tokens > 8 * 8
    text = FORMATS["markdown"].to_bytes(replace(seen), "en", appendix=True).decode()
    assert seen.sha256 in text
    assert "tiny-vl" in text


@pytest.mark.kills_engine
def test_killed_engine_restarts_and_a_killed_core_is_found(video: Path, vl_engine: LocalEngine) -> None:
    events = list[AnalysisEvent]()
    for event in events_of(session(vl_engine).run(Task(AnalysisRequest(video), "killed"))):
        if isinstance(event, ModeChosen) and not any(isinstance(event, ModeChosen) for event in events):
            _kill(ready(vl_engine))
        events.append(event)
    last = events[-1]
    assert isinstance(last, Finished)
    assert [notice.key for notice in last.analysis.notices] == ["engine_restarted"]
    assert len(last.analysis.chunks) == 1
    # As a system without memory does it. Nothing is asked of the engine meanwhile.
    server = _server(ready(vl_engine))
    max(server.children(), key=lambda process: process.memory_info().rss).kill()  # beside a small helper
    wait_until(lambda: vl_engine.status().state == "failed")
    error = vl_engine.status().error
    assert error is not None and error.key == "engine_killed"


def _kill(endpoint: Endpoint) -> None:
    server = _server(endpoint)
    for one in [*server.children(recursive=True), server]:
        one.kill()


def _server(endpoint: Endpoint) -> psutil.Process:
    """vLLM's own process, not the guard that started it."""
    port = endpoint.base_url.rsplit(":", 1)[1].removesuffix("/v1")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        is_guard = any(word.endswith("process_supervisor.py") for word in words)
        if port in words and "vllm.entrypoints.openai.api_server" in words and not is_guard:
            return process
    raise AssertionError(f"no server on port {port}")
