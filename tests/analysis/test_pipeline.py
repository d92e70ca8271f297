"""Whole runs with a scripted engine and scripted frames: the order of things, the fallback, and faults."""

import json
import re
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from framelens.analysis.pipeline import analyse
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.prompts.prompts import exact_prompt
from framelens.analysis.prompts.templates import Templates, built_in
from framelens.analysis.requests.engine_connector import EngineConnector
from framelens.analysis.task import Control, EarlierResults, Task
from framelens.core.background_task import in_thread
from framelens.core.domain import (
    Analysis,
    AnalysisRequest,
    DecodeSummary,
    EngineInfo,
    FrameFacts,
    Keyframe,
    Language,
    Notice,
    ScreenText,
    Selection,
    Shot,
    VideoInfo,
)
from framelens.core.errors import AppError, Cancelled, ContextExceeded, DecodeError, EngineError
from framelens.core.events import (
    AnalysisEvent,
    AnswerDelta,
    ChunkDone,
    FactsMeasured,
    Finished,
    HashProgress,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Probed,
    VideoEvent,
)
from framelens.engine.base import Endpoint, Engine, EngineKind, EngineStatus
from framelens.i18n import LANGUAGES, error_text, in_language, notice_text, t
from framelens.llm.cache import AnswerCache
from framelens.reports.formats import FORMATS
from framelens.video.keyframes.options import ExtractOptions
from tests.cards import draw_card, to_jpeg
from tests.llm.scripted import HangUp, Refuse, Server, has_pictures, saying, serve
from tests.updates import events_of


def keyframes(number: int) -> tuple[Keyframe, ...]:
    picture = to_jpeg(draw_card("red", width=64, height=36))
    return tuple(Keyframe(n, n * 10, n * 1.5, "even", 1, 64, 36, picture) for n in range(1, number + 1))


def info(path: Path) -> VideoInfo:
    return VideoInfo(path, path.name, 9, "mp4", "h264", "yuv420p", 64, 36, 0, 9.0, 25.0, 225, 0.0, False)


def extracting(number: int = 4, facts: Callable[[int], None] = lambda n: None) -> Callable[..., Iterator[VideoEvent]]:
    def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        yield Probed(info(path))
        yield KeyframesChosen(keyframes(number), DecodeSummary(225, 9.0, False, "pyav", (Shot(1, 0.0, 9.0),)))
        for n in range(1, number + 1):
            facts(n)
            text = (ScreenText(f"caption {n}", 0.9, (0, 0, 1, 1)),)
            yield FactsMeasured(FrameFacts(n, text, (), 0.5, 10.0, None if n == 1 else 0.1))

    return extract


class ServedEngine(Engine):
    """An engine that is already there."""

    kind: EngineKind = "remote"

    def __init__(self, server: Server) -> None:
        self.info = EngineInfo("remote", "model", server.base_url, max_model_len=server.context)

    def ensure_ready(self, on_progress: Any, cancel: threading.Event) -> Endpoint:
        return Endpoint(self.kind, "model", self.info.base_url, "key")

    def status(self) -> EngineStatus:
        return EngineStatus("ready", "remote", "model", info=self.info)

    def note_sight(self, sees: bool | None) -> None:
        """Nothing shows it."""

    def end_if_unwell(self) -> None:
        """It is well."""

    def log_tail(self, lines: int = 200) -> str:
        return ""

    def stop(self) -> None:
        """Not ours."""


def hashed(path: Path, cancel: threading.Event) -> Generator[HashProgress, None, str]:
    yield from ()
    return "digest"


@dataclass
class ScriptedVideo:
    """Extractions that are whatever these functions say."""

    extract: Callable[..., Iterator[VideoEvent]]
    hashed: Callable[..., Generator[HashProgress, None, str]] = hashed
    probe: Callable[[Path], VideoInfo] = info

    def quick_sha256(self, path: Path) -> str | None:
        return None


@dataclass
class ScriptedConnector:
    """A connector that does this."""

    connect: Callable[..., Any]


class Silence:
    """A transcription without subtitles and speech."""

    def transcribe(self, *_: Any, **__: Any) -> tuple[None, tuple[()]]:
        return None, ()


@dataclass(frozen=True)
class ScriptedTools:
    """Tools that are given."""

    extractions: Any
    transcription: Any
    connector: Any
    templates: Templates
    capacity: RequestCapacity
    side: int | None = None
    answerer: Any = None


def tools(
    server: Server | None,
    number: int = 4,
    answers: AnswerCache | None = None,
    in_flight: int | None = 1,
    connector: Any = None,
    **of_video: Any,
) -> ScriptedTools:
    """Tools with a scripted engine and video; `of_video` are functions of the ScriptedVideo."""
    served = server and EngineConnector(
        ServedEngine(server), lambda: answers, answer_tokens=256, timeout_seconds=30, in_flight=in_flight
    )
    return ScriptedTools(
        extractions=ScriptedVideo(**{"extract": extracting(number), **of_video}),
        transcription=Silence(),
        connector=connector or served,
        templates=Templates(),
        capacity=RequestCapacity(server.context if server else None, 256),
        side=None,
    )


def with_video(tools: ScriptedTools, **functions: Any) -> ScriptedTools:
    """The same tools with these functions of the ScriptedVideo."""
    return replace(tools, extractions=replace(tools.extractions, **functions))  # type: ignore[type-var]


def request(**options: Any) -> AnalysisRequest:
    return AnalysisRequest(Path("/videos/clip.mp4"), **options)


CONDITIONS = {"model": "model"}


def task(
    request: AnalysisRequest,
    cancel: threading.Event | None = None,
    done: EarlierResults | None = None,
    conditions: Mapping[str, str] = CONDITIONS,
) -> Task:
    return Task(request, "job", Control(cancel or threading.Event()), done or EarlierResults(), conditions)


def run(
    request: AnalysisRequest,
    tools: ScriptedTools,
    cancel: threading.Event | None = None,
    done: EarlierResults | None = None,
    conditions: Mapping[str, str] = CONDITIONS,
) -> tuple[list[AnalysisEvent], AppError | None]:
    events: list[AnalysisEvent] = []
    try:
        for update in analyse(task(request, cancel, done, conditions), tools):
            events.append(update.event)
    except AppError as error:
        return events, error
    return events, None


def finished(events: list[AnalysisEvent]) -> Analysis:
    assert isinstance(events[-1], Finished)
    return events[-1].analysis


def statement(text: str, *frames: int) -> dict[str, Any]:
    return {"frames": list(frames), "text": text}


def marks_of(body: dict[str, Any]) -> list[int]:
    """The numbers in the time marks of a request's pictures."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return []
    return [
        int(part["text"].split()[1]) for part in content if part["type"] == "text" and "[frame " in part["text"][:7]
    ]


def answering_per_frame(body: dict[str, Any]) -> Iterator[str]:
    """Names every frame by the number in its mark, as a good model does; joins parts with a summary."""
    marks = marks_of(body)
    if not marks:
        joined = {"title": "All", "overview": [statement("all of it", 1)], "chapters": []}
        yield json.dumps(joined)
        return
    findings = [statement(f"seen {number}", number) for number in marks]
    yield json.dumps({"findings": findings})[:-1]
    yield ", " + json.dumps({"overview": [statement("a part", marks[0])], "subjects": []})[1:]


def test_frames_precede_question_in_order_with_marks() -> None:
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


def test_parts_of_the_answer_are_streamed_and_cut_is_said() -> None:
    # The streamed pieces are the answer.
    with serve(answering_per_frame) as server:
        events, _ = run(request(), tools(server))
    pieces = [event.text for event in events if isinstance(event, AnswerDelta) and event.chunk == 1]
    assert "".join(pieces) == finished(events).chunks[0].answer
    # An answer that was cut off is said.
    with serve(saying("1: x"), finish="length") as server:
        analysis = finished(run(request(), tools(server))[0])
    assert "cut" in analysis.chunks[0].troubles
    assert analysis.chunks[0].attempts == 3
    assert analysis.chunks[0].finish_reason == "length"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_refused_pictures_fall_back_to_text_with_notice(language: Any, caplog: pytest.LogCaptureFixture) -> None:
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


def test_models_that_see_nothing_are_asked_in_text() -> None:
    # A model that drops pictures silently is asked in text.
    with serve(saying("1: x"), sees=False) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert analysis.mode == "text"
    assert analysis.notices[0].values["reason"].key == "pictures_dropped"  # type: ignore[union-attr]
    # Model that sees nothing in text either is no answer.
    with serve(saying(UNSEEN)) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.mode, analysis.outcome) == ("text", "no_usable_answer")


UNSEEN = "I'm sorry, but I'm unable to view the pictures."


@pytest.mark.parametrize(
    "said",
    [
        UNSEEN,
        "抱歉，我无法查看图片。",
        json.dumps({"findings": [statement("a card", 1)], "overview": [statement(UNSEEN, 1)], "subjects": []}),
        json.dumps({"findings": [statement("I cannot see the image.", n) for n in (1, 2)], "overview": []}),
    ],
)
def test_model_that_says_it_sees_no_pictures_gets_text(said: str) -> None:
    with serve(lambda body: iter([said if has_pictures(body) else "1: x"])) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.mode, analysis.outcome) == ("text", "done")
    assert analysis.notices[0].values["reason"].key == "pictures_unseen"  # type: ignore[union-attr]


def test_model_that_says_so_once_is_asked_again_with_pictures() -> None:
    said = iter([UNSEEN])
    with serve(lambda body: iter([next(said, "1: a card") if has_pictures(body) else "1: x"])) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.mode, analysis.outcome, analysis.notices) == ("messages", "done", ())
    assert [finding.text for finding in analysis.chunks[0].findings] == ["a card"]


@pytest.mark.parametrize(
    "said", ["[1] I cannot see a person in the images.", '1: A man says "I can\'t see the image".']
)
def test_what_a_picture_lacks_is_an_answer(said: str) -> None:
    with serve(saying(said)) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.mode, analysis.outcome) == ("messages", "done")


@pytest.mark.parametrize("ending", ['", "mood": "calm"}]}', '"}, {"frames": [2'])
def test_answer_with_ambiguous_or_missing_ends_is_asked_again(ending: str) -> None:
    whole = '{"findings": [{"frames": [1], "text": "a 5\\" card"}], "overview": []}'
    said = iter(['{"findings": [{"frames": [1], "text": "a 5" card' + ending])
    with serve(
        lambda body: iter([next(said, whole) if has_pictures(body) and body["max_tokens"] > 1 else "x"])
    ) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert [finding.text for finding in analysis.chunks[0].findings] == ['a 5" card']
    assert (analysis.chunks[0].attempts, analysis.chunks[0].troubles) == (2, ())


def test_bars_around_narrow_pictures_are_named() -> None:
    def narrow(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        for event in extracting(1)(path, wanted, cancel):
            yield replace(event, keyframes=(strip,)) if isinstance(event, KeyframesChosen) else event

    strip = replace(keyframes(1)[0], width=1280, height=8, jpeg=to_jpeg(draw_card("red", width=1280, height=8)))
    with serve(saying("1: a card")) as server:
        analysis = finished(run(request(), tools(server, 1, extract=narrow))[0])
    padded = Notice("pictures_padded", {"width": 1280, "height": 8, "least": 32})
    assert analysis.notices == (padded,)


def test_answers_without_an_answer_are_unusable() -> None:
    # Answer in reasoning alone says so.
    with serve(lambda body: iter([{"reasoning": "A card."} if has_pictures(body) else "x"])) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.outcome, analysis.chunks[0].troubles) == ("no_usable_answer", ("reasoned", "empty"))
    # Schema in place of an answer is no answer.
    schema = json.dumps({"type": "object", "properties": {"title": {"type": "string"}}})
    with serve(saying(schema)) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert (analysis.outcome, analysis.chunks[0].attempts) == ("no_usable_answer", 2)


def test_refusal_in_mid_run_switches_to_text() -> None:
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


@pytest.mark.slow
def test_more_frames_than_fit_are_asked_in_parts_and_summed_up() -> None:
    with serve(answering_per_frame, context=400) as server:
        analysis = finished(run(request(frames=12), tools(server, 12))[0])
    assert len(analysis.chunks) > 1
    assert [n for chunk in analysis.chunks for n in chunk.frames] == list(range(1, 13))
    assert analysis.summary
    assert [finding.text for finding in analysis.overview] == ["all of it"]


@pytest.mark.slow
def test_two_runs_in_two_languages_at_once() -> None:
    """Each sends the prompts and writes the report that it does alone, whatever the language around it."""

    def prompts_and_report(language: Language, meet: Callable[[], object]) -> tuple[list[str], bytes]:
        def answering(body: dict[str, Any]) -> Iterator[str]:
            meet()
            findings = [statement(f"{language} {number}", number) for number in (1, 2)]
            yield json.dumps({"subjects": [], "findings": findings, "overview": [statement("all", 1)]})

        with serve(answering, context=400) as server:
            made = finished(run(request(language=language, frames=12), tools(server, 12, in_flight=2))[0])
        assert len(made.chunks) > 1 and made.summary
        texts = sorted(json.dumps(body["messages"], ensure_ascii=False) for body in server.requests)
        meet()
        return texts, FORMATS["markdown"].write(replace(made, created=""), made.request.language)

    alone = {language: prompts_and_report(language, lambda: None) for language in LANGUAGES}
    for language, (texts, _) in alone.items():
        assert {
            language for language in LANGUAGES if any(t("prompt.system", language)[:12] in text for text in texts)
        } == {language}
    together = threading.Barrier(2)
    with in_language("en"):
        both = {
            language: in_thread(language, partial(prompts_and_report, language, partial(_meet, together)))
            for language in LANGUAGES
        }
    for language, one in both.items():
        texts, report = one.result(60)
        assert texts == alone[language][0]
        assert without_times(report) == without_times(alone[language][1])


def _meet(barrier: threading.Barrier) -> None:
    """Wait for the other run, unless it is ahead and has ended."""
    with suppress(threading.BrokenBarrierError):
        barrier.wait(1)


def without_times(report: bytes) -> str:
    return re.sub(r"\d+\.\d+ (s|秒)", "…", report.decode())


@pytest.mark.slow
def test_a_limit_of_pictures_splits_the_chunk() -> None:
    def at_most_two(body: dict[str, Any]) -> Iterator[str]:
        content = body["messages"][-1]["content"]
        if has_pictures(body) and sum(part["type"] == "image_url" for part in content) > 2:
            raise Refuse(400, "At most 2 image(s) may be provided in one prompt.", "image")
        yield from answering_per_frame(body)

    with serve(at_most_two) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert [chunk.frames for chunk in analysis.chunks] == [(1, 2), (3, 4)]
    assert [chunk.number for chunk in analysis.chunks] == [1, 3]


@pytest.mark.slow
def test_oversized_single_frame_is_an_error_not_text() -> None:
    def full(body: dict[str, Any]) -> Iterator[str]:
        if body.get("max_tokens") != 1:
            raise Refuse(400, "maximum context length is 8 tokens", "input_tokens")
        yield "x"

    with serve(full) as server:
        events, error = run(request(frames=2), tools(server, 2))
    assert isinstance(error, ContextExceeded)
    assert finished(events).chunks == ()


@pytest.mark.slow
def test_engine_death_keeps_answers_and_never_becomes_text() -> None:
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
    assert [notice.key for notice in analysis.notices] == ["incomplete"]
    assert [(finding.text, finding.frames) for finding in analysis.findings] == [("red…", (1,))]
    assert "broke_off" in analysis.chunks[0].troubles


def test_single_frame_beyond_the_context_ends_the_run() -> None:
    def full(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body) and body.get("max_tokens") != 1:
            raise Refuse(400, "Input does not fit in context length.")
        yield "x"

    with serve(full) as server:
        _, error = run(request(frames=8), tools(server, 8, in_flight=2))
    assert isinstance(error, ContextExceeded)
    asked = [marks_of(body) for body in server.requests if body.get("max_tokens") != 1]
    assert [len(marks) for marks in asked if marks] == [8, 4, 2, 1]


@pytest.mark.parametrize("side", [None, 896])
def test_single_picture_is_sent_smaller_unless_size_is_set(side: int | None) -> None:
    def sides(body: dict[str, Any]) -> list[int]:
        parts = body["messages"][-1]["content"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        return [max(Image.open(BytesIO(b64decode(url.partition(",")[2]))).size) for url in urls]

    def small(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body) and body.get("max_tokens") != 1 and max(sides(body)) > 500:
            raise Refuse(400, "Input does not fit in context length.")
        yield from answering_per_frame(body)

    picture = to_jpeg(draw_card("red", width=1280, height=720))
    frames = [Keyframe(n, n * 10, n * 1.5, "even", 1, 1280, 720, picture) for n in (1, 2)]

    def extract(*given: Any) -> Iterator[VideoEvent]:
        for event in extracting(2)(*given):
            yield replace(event, keyframes=tuple(frames)) if isinstance(event, KeyframesChosen) else event

    with serve(small) as server:
        events, error = run(request(frames=2, side=side), tools(server, 2, extract=extract))
    asked = [sides(body) for body in server.requests if body.get("max_tokens") != 1 and has_pictures(body)]
    if side:
        assert isinstance(error, ContextExceeded) and [len(one) for one in asked] == [2, 1]
        assert "fewer frames" not in error_text(error, "en") and "帧数" not in error_text(error, "zh")
        assert "FRAMELENS_FRAME_SIDE" in error_text(error, "en")
    else:
        assert error is None and asked == [[896, 896], [896], [640], [448], [448]]
        assert [chunk.frames for chunk in finished(events).chunks] == [(1,), (2,)]


def test_a_notice_of_each_part_is_emitted_once() -> None:
    with serve(answering_per_frame, counts=False, context=256) as server:
        events, error = run(request(frames=24), tools(server, 24))
    notices = [event.notice.key for event in events if isinstance(event, Noticed)]
    assert error is None and len(finished(events).chunks) > 1 and notices.count("sight_unknown") == 1


def test_selection_reaches_extraction_model_and_report() -> None:
    selection = Selection("uniform", start_seconds=2.0, end_seconds=4.5)
    asked: list[ExtractOptions] = []

    def noting(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        asked.append(wanted)
        yield from extracting(2)(path, wanted, cancel)

    with serve(answering_per_frame) as server:
        analysis = finished(run(request(frames=2, selection=selection), tools(server, extract=noting))[0])
    assert asked == [ExtractOptions(2, selection)]
    assert "00:01.500 to 00:03.000 of a longer video" in analysis.chunks[0].prompt
    shown = exact_prompt(analysis.request, built_in()[analysis.request.template], analysis.keyframes, 1)
    assert analysis.chunks[0].prompt == "\n\n".join(text for _, text in shown)
    assert [notice_text(notice, "en") for notice in analysis.notices] == [
        "This report covers only 00:02.000 to 00:04.500 of the video."
    ]


def test_report_without_engine_says_no_model_saw_frames() -> None:
    for made, asked in ((tools(None), request()), (tools(None), request(use_model=False))):
        analysis = finished(run(asked, made)[0])
        assert analysis.mode == "none"
        assert [notice.key for notice in analysis.notices] == ["no_model"]
        assert len(analysis.facts) == 4


def test_cancel_ends_run_within_a_second() -> None:
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
    def broken(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
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
        for event in events_of(analyse(task(request()), made)):
            if isinstance(event, ChunkDone):
                answered.set()
    assert isinstance(event, Finished)
    assert len(event.analysis.facts) == 4


@pytest.mark.slow
def test_same_question_on_same_frames_is_cached(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
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


@pytest.mark.slow
def test_cache_separates_schema_from_prose_answers(tmp_path: Path) -> None:
    answers = AnswerCache(tmp_path / "answers.sqlite", "model")
    with serve(answering_per_frame) as server:
        finished(run(request(), tools(server, answers=answers))[0])
        opener = EngineConnector(ServedEngine(server), lambda: answers, 256, 30, in_flight=1, takes_schema=False)
        in_words = finished(run(request(), tools(server, connector=opener))[0])
    assert not in_words.chunks[0].recalled
    assert "response_format" not in server.requests[-1]
