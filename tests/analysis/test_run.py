"""Whole runs with a scripted engine and scripted frames: the order of things, the fallback, and faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.analysis.ask import Asker
from app.analysis.opening import Opener
from app.analysis.run import Tools, analyse
from app.domain import (
    Analysis,
    AnalysisEvent,
    AnalysisRequest,
    AnswerDelta,
    ChunkDone,
    DecodeSummary,
    EngineInfo,
    FactsMeasured,
    Finished,
    FrameFacts,
    Keyframe,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Probed,
    ScreenText,
    Shot,
    VideoEvent,
    VideoInfo,
)
from app.engine import Endpoint, EngineStatus
from app.errors import AppError, Cancelled, ContextExceeded, DecodeError, EngineError
from app.i18n import notice_text
from app.llm.cache import Answers
from tests.cards import draw_card, to_jpeg
from tests.llm.scripted import HangUp, Refuse, Server, has_pictures, saying, serve

COLOURS = ["red", "blue", "green", "yellow"]


def keyframes(number: int) -> tuple[Keyframe, ...]:
    picture = to_jpeg(draw_card("red", width=64, height=36))
    return tuple(Keyframe(n, n * 10, n * 1.5, "even", 1, 64, 36, picture) for n in range(1, number + 1))


def info(path: Path) -> VideoInfo:
    return VideoInfo(path, path.name, 9, "mp4", "h264", "yuv420p", 64, 36, 0, 9.0, 25.0, 225, 0.0, False)


def extracting(number: int = 4, facts: Callable[[int], None] = lambda n: None) -> Callable[..., Iterator[VideoEvent]]:
    def extract(path: Path, frames: int, cancel: threading.Event) -> Iterator[VideoEvent]:
        yield Probed(info(path))
        yield KeyframesChosen(keyframes(number), DecodeSummary(225, 9.0, False, "pyav", (Shot(1, 0.0, 9.0),)))
        for n in range(1, number + 1):
            facts(n)
            text = (ScreenText(f"caption {n}", 0.9, (0, 0, 1, 1)),)
            yield FactsMeasured(FrameFacts(n, text, (), 0.5, 10.0, None if n == 1 else 0.1))

    return extract


class ServedEngine:
    """An engine that is already there."""

    def __init__(self, server: Server) -> None:
        self.info = EngineInfo("remote", "model", server.base_url, max_model_len=server.context)

    def ensure_ready(self, on_progress: Any, cancel: threading.Event) -> Endpoint:
        return Endpoint("remote", "model", self.info.base_url, "key")

    def status(self) -> EngineStatus:
        return EngineStatus("ready", "remote", "model", info=self.info)

    def note_sight(self, sees: bool | None) -> None:
        """Nothing shows it."""

    def log_tail(self, lines: int = 200) -> str:
        return ""

    def stop(self) -> None:
        """Not ours."""


def tools(server: Server | None, number: int = 4, answers: Answers | None = None, **changes: Any) -> Tools:
    opened = server and Opener(ServedEngine(server), lambda: answers, answer_tokens=256, timeout_seconds=30)
    made = Tools(extract=extracting(number), digest=lambda path, cancel: "digest", open_engine=opened)
    return replace(made, **changes)


def request(**options: Any) -> AnalysisRequest:
    return AnalysisRequest(Path("/videos/clip.mp4"), **options)


def run(
    request: AnalysisRequest, tools: Tools, cancel: threading.Event | None = None
) -> tuple[list[AnalysisEvent], AppError | None]:
    events: list[AnalysisEvent] = []
    try:
        for event in analyse(request, tools, job_id="job", cancel=cancel or threading.Event()):
            events.append(event)
    except AppError as error:
        return events, error
    return events, None


def finished(events: list[AnalysisEvent]) -> Analysis:
    assert isinstance(events[-1], Finished)
    return events[-1].analysis


def answering_per_frame(body: dict[str, Any]) -> Iterator[str]:
    """Names every frame by the number in its mark, as a good model does; joins parts with a summary."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        yield "Summary: all of it [1]."
        return
    marks = [part["text"] for part in content if part["type"] == "text"][:-1]
    for mark in marks:
        number = mark.split()[1]
        yield f"{number}: seen {number}\n"
    yield f"Summary: a part [{marks[0].split()[1]}]." if marks else ""


def test_frames_come_before_the_question_in_time_order_each_behind_its_mark() -> None:
    with serve(answering_per_frame) as server:
        analysis = finished(run(request(), tools(server))[0])
    asked = server.requests[-1]["messages"]
    content = asked[-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"] * 4 + ["text"]
    assert content[2]["text"] == "[frame 2 · 00:03.000]"
    assert content[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert analysis.mode == "messages"
    assert [finding.text for finding in analysis.chunks[0].findings] == [f"seen {n}" for n in range(1, 5)]
    assert analysis.overview[0].frames == (1,)
    assert analysis.sha256 == "digest"
    assert len(analysis.facts) == 4


def test_the_streamed_pieces_are_the_answer() -> None:
    with serve(answering_per_frame) as server:
        events, _ = run(request(), tools(server))
    pieces = [event.text for event in events if isinstance(event, AnswerDelta) and event.chunk == 1]
    assert "".join(pieces) == finished(events).chunks[0].answer


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_model_that_rejects_pictures_is_asked_in_text_with_the_facts_and_that_is_said(
    language: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def blind(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "1: something"

    with serve(blind) as server:
        events, error = run(request(language=language), tools(server))
    analysis = finished(events)
    assert error is None
    assert analysis.mode == "text"
    prompt = server.requests[-1]["messages"][-1]["content"]
    assert isinstance(prompt, str)
    assert all(f"caption {n}" in prompt for n in range(1, 5))
    modes = [event for event in events if isinstance(event, ModeChosen)]
    assert [mode.mode for mode in modes] == ["text"]
    assert modes[0].reason
    assert modes[0].reason.key == "text_mode"
    assert [notice.key for notice in analysis.notices] == ["text_mode"]
    assert notice_text(analysis.notices[0], language) in caplog.text


def test_a_model_that_drops_pictures_silently_is_asked_in_text() -> None:
    with serve(saying("1: x"), sees=False) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert analysis.mode == "text"
    assert analysis.notices[0].values["reason"].key == "pictures_dropped"  # type: ignore[union-attr]


def test_a_refusal_in_the_middle_of_a_run_leads_to_text_from_there_on() -> None:
    seen = 0

    def changing(body: dict[str, Any]) -> Iterator[str]:
        nonlocal seen
        if has_pictures(body):
            seen += 1
            if seen > 1:  # the proof of sight went through
                raise Refuse(400, "image input is not supported")
        yield "1: x"

    with serve(changing) as server:
        events, error = run(request(), tools(server))
    assert error is None
    assert finished(events).mode == "text"
    assert [e.mode for e in events if isinstance(e, ModeChosen)] == ["messages", "text"]


def test_more_frames_than_fit_are_asked_in_parts_and_summed_up() -> None:
    with serve(answering_per_frame, context=400) as server:
        analysis = finished(run(request(frames=12), tools(server, 12))[0])
    assert len(analysis.chunks) > 1
    assert [n for chunk in analysis.chunks for n in chunk.frames] == list(range(1, 13))
    assert analysis.summary
    assert [finding.text for finding in analysis.overview] == ["all of it [1]."]


def test_a_limit_of_pictures_splits_the_chunk() -> None:
    def at_most_two(body: dict[str, Any]) -> Iterator[str]:
        content = body["messages"][-1]["content"]
        if has_pictures(body) and sum(part["type"] == "image_url" for part in content) > 2:
            raise Refuse(400, "At most 2 image(s) may be provided in one prompt.", "image")
        yield from answering_per_frame(body)

    with serve(at_most_two) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert [chunk.frames for chunk in analysis.chunks] == [(1, 2), (3, 4)]
    assert [chunk.number for chunk in analysis.chunks] == [1, 2]


def test_a_single_frame_that_does_not_fit_is_an_error_and_never_text() -> None:
    def full(body: dict[str, Any]) -> Iterator[str]:
        if body.get("max_tokens") != 1:
            raise Refuse(400, "maximum context length is 8 tokens", "input_tokens")
        yield "x"

    with serve(full) as server:
        events, error = run(request(frames=2), tools(server, 2))
    assert isinstance(error, ContextExceeded)
    assert finished(events).chunks == ()


def test_an_engine_that_dies_in_mid_answer_is_an_error_with_everything_kept_and_never_text() -> None:
    def dying(body: dict[str, Any]) -> Iterator[str]:
        yield "1: red"
        if body.get("max_tokens") != 1:
            raise HangUp

    with serve(dying) as server:
        events, error = run(request(), tools(server))
    assert isinstance(error, EngineError)
    analysis = finished(events)
    assert len(analysis.keyframes) == 4
    assert len(analysis.facts) == 4
    assert analysis.sha256 == "digest"
    assert not any(isinstance(e, ModeChosen) and e.mode == "text" for e in events)
    assert [notice.key for notice in analysis.notices] == ["no_model_because"]


def test_without_an_engine_the_report_says_that_no_model_has_seen_the_frames() -> None:
    for made, asked in ((tools(None), request()), (tools(None), request(use_model=False))):
        analysis = finished(run(asked, made)[0])
        assert analysis.mode == "none"
        assert [notice.key for notice in analysis.notices] == ["no_model"]
        assert len(analysis.facts) == 4


def test_cancel_ends_the_run_within_a_second_whatever_it_waits_for() -> None:
    hold = threading.Event()
    cancel = threading.Event()

    def slow_facts(number: int) -> None:
        hold.wait(20)

    made = tools(None, extract=extracting(4, slow_facts))
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    _, error = run(request(use_model=False), made, cancel)
    hold.set()
    assert isinstance(error, Cancelled)
    assert time.monotonic() - started < 5  # far below what it waits for


def test_a_video_that_cannot_be_read_is_its_own_error() -> None:
    def broken(path: Path, frames: int, cancel: threading.Event) -> Iterator[VideoEvent]:
        raise DecodeError("no_frames", name=path.name)
        yield

    events, error = run(request(), tools(None, extract=broken))
    assert isinstance(error, DecodeError)
    assert not any(isinstance(event, Finished) for event in events)


def test_messages_mode_does_not_wait_for_the_facts() -> None:
    answered = threading.Event()

    def facts_after_the_answer(number: int) -> None:
        assert answered.wait(20), "facts were waited for before asking"

    with serve(answering_per_frame) as server:
        made = tools(server, extract=extracting(4, facts_after_the_answer))
        for event in analyse(request(), made, job_id="job", cancel=threading.Event()):
            if isinstance(event, ChunkDone):
                answered.set()
    assert isinstance(event, Finished)
    assert len(event.analysis.facts) == 4


def test_an_answer_that_was_cut_off_is_said() -> None:
    with serve(saying("1: x"), finish="length") as server:
        analysis = finished(run(request(), tools(server))[0])
    assert [notice.key for notice in analysis.notices] == ["answer_cut"]
    assert analysis.chunks[0].finish_reason == "length"


def test_the_same_question_about_the_same_frames_is_not_paid_twice(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.sqlite", "model")
    with serve(answering_per_frame) as server:
        first = finished(run(request(), tools(server, answers=answers))[0])
        asked = len(server.requests)
        again = finished(run(request(), tools(server, answers=answers))[0])
        assert len(server.requests) == asked + 2  # the proof of sight of a new run alone
        other = finished(run(request(language="zh"), tools(server, answers=answers))[0])
    assert again.chunks[0].recalled
    assert again.chunks[0].answer == first.chunks[0].answer
    assert again.usage.prompt_tokens == 0
    assert not other.chunks[0].recalled


def test_no_frames_at_all_is_asked_in_text_without_any_banner() -> None:
    def no_facts(frames: object) -> Iterator[AnalysisEvent]:
        return {}
        yield

    with serve(saying("An answer.")) as server:
        speaker, _ = Opener(ServedEngine(server), lambda: None, 256, 30)(lambda progress: None, threading.Event())
        asker = Asker(request(question="What is FrameLens?"), speaker, (), no_facts, threading.Event())
        events = list(asker.chunks())
    assert [event.mode for event in events if isinstance(event, ModeChosen)] == ["text"]
    assert not any(isinstance(event, Noticed) for event in events)
    assert not has_pictures(server.requests[-1])
