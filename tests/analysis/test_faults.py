"""Faults of an engine: answers stay, the reason is said, and a resumed run comes to the undisturbed result."""

import json
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from framelens.analysis.task import EarlierResults
from framelens.core.background_task import in_thread
from framelens.core.domain import Analysis, ChunkResult
from framelens.core.errors import AppError, EngineError, EngineTimeout, InputError
from framelens.core.events import (
    AnalysisEvent,
    AnswerDelta,
    ChunkDone,
    Finished,
    OpeningChosen,
    Planned,
    Probed,
    VideoEvent,
)
from framelens.engine.base import Endpoint, EngineStatus
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import LANGUAGES, error_text, notice_text
from framelens.video.keyframes.options import ExtractOptions
from tests.analysis.requests.test_orchestrator import asked, done_of, introducing, words_of
from tests.analysis.test_pipeline import (
    ScriptedConnector,
    ServedEngine,
    extracting,
    finished,
    info,
    keyframes,
    marks_of,
    request,
    run,
    statement,
    tools,
)
from tests.jobs.working import CONTEXT, FRAMES, plain
from tests.llm.scripted import HangUp, Refuse, Server, Whole, serve

Fault = Callable[[], Iterator[str | bytes]]
LAST = FRAMES
"""The number of a frame in the last part, which no other part contains."""


def refusing(status: int, message: str, **headers: str) -> Fault:
    def fault() -> Iterator[str | bytes]:
        raise Refuse(status, message, headers={name.replace("_", "-"): value for name, value in headers.items()})
        yield

    return fault


def answering_with(body: bytes, status: int = 200) -> Fault:
    def fault() -> Iterator[str | bytes]:
        raise Whole(body, status)
        yield

    return fault


def saying(*pieces: str | bytes, then_hangs_up: bool = False) -> Fault:
    def fault() -> Iterator[str | bytes]:
        yield from pieces
        if then_hangs_up:
            raise HangUp

    return fault


def event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def soon() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


PASSING: dict[str, Fault] = {
    "429 with seconds to wait": refusing(429, "slow down", Retry_After="0.1"),
    "429 with a date": lambda: refusing(429, "slow down", Retry_After=soon())(),
    "429 with a date gone by, after the clock was set": refusing(
        429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"
    ),
    "503 without a word": refusing(503, ""),
    "503 with a page": answering_with(b"<html><h1>Service Unavailable</h1></html>", 503),
    "the connection is closed at once": saying(then_hangs_up=True),
    "the connection breaks in mid-answer": saying('{"findings": [', then_hangs_up=True),
    "the stream ends in the middle of an event": saying(
        '{"findings": [', b'data: {"id": "x", "choi', then_hangs_up=True
    ),
    "not a word": saying(""),
    "garbage": saying("¡¿%§ \x00\x01 ", "}}}]]][["),
    "white space": saying(" " * 400),
    "a page in place of an answer's text": saying("<!doctype html><html><body>502 Bad Gateway</body></html>"),
}
LASTING: dict[str, Fault] = {
    "out of memory": refusing(500, "CUDA out of memory. Tried to allocate 2.00 GiB."),
    "out of memory in mid-answer": saying(
        '{"findings": [', event({"error": {"message": "CUDA out of memory.", "code": 500}}), b"data: [DONE]\n\n"
    ),
    "a page in place of an answer": answering_with(b"<html><body>Log in to this network</body></html>"),
    "a proxy's page": answering_with(b"<html><h1>502 Bad Gateway</h1></html>", 502),
    "nothing at all": answering_with(b""),
    "events that are no JSON": saying(b"data: not json\n\n"),
    "events of another kind": saying(event({"type": "ping"}), event([1, 2]), event({"choices": [None]})),
    "bytes that are no text": saying(b"data: \xff\xfe\xfa\n\n"),
    "429 for ever": refusing(429, "slow down", Retry_After="0.01"),
    "always hung up": saying("{", then_hangs_up=True),
    "another model is served": refusing(404, "The model `model` does not exist."),
    "the key is not taken any more": refusing(401, "invalid key"),
}


def failing(fault: Fault, times: int | None, on: int = LAST) -> Callable[[dict[str, Any]], Iterator[str | bytes]]:
    """Answers well, except so many requests (None: all) that show the frame `on`."""
    left = threading.Semaphore(times) if times is not None else None

    def behave(body: dict[str, Any]) -> Iterator[str | bytes]:
        is_hit = on in marks_of(body) and (left is None or left.acquire(blocking=False))
        yield from fault() if is_hit else introducing(body)

    return behave


def analysed(
    server: Server, done: EarlierResults | None = None, **changes: Any
) -> tuple[list[AnalysisEvent], AppError | None]:
    return run(request(frames=FRAMES), tools(server, FRAMES, **{"in_flight": 2, **changes}), done=done)


@pytest.fixture(scope="module")
def undisturbed() -> Analysis:
    with serve(introducing, context=CONTEXT) as server:
        return plain(finished(analysed(server)[0]))


def assert_said(error: AppError | None) -> AppError:
    """The user can read why, in both languages."""
    assert error is not None
    assert error.key != "internal"
    for language in LANGUAGES:
        assert "{" not in error_text(error, language)
    return error


@pytest.mark.slow
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_changes_nothing(fault: Fault, undisturbed: Analysis) -> None:
    with serve(failing(fault, times=1), context=CONTEXT) as server:
        events, error = analysed(server)
    assert error is None
    assert plain(finished(events)) == undisturbed
    for notice in finished(events).notices:
        assert all(notice_text(notice, language) for language in LANGUAGES)


@pytest.mark.slow
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts_is_said_and_costs_what_it_hit_alone(fault: Fault, undisturbed: Analysis) -> None:
    with serve(failing(fault, times=None), context=CONTEXT) as server:
        events, error = analysed(server)
        assert isinstance(assert_said(error), EngineError)
        kept = finished(events)
        assert plain(kept).chunks == undisturbed.chunks[:-1]
        assert kept.summary is None
        server.requests.clear()
        server.behave = introducing
        again, error = analysed(server, done_of(events))
        assert error is None
        assert plain(finished(again)) == undisturbed
        assert [marks_of(body)[0] for body in asked(server) if marks_of(body)] == [undisturbed.chunks[-1].number]


@pytest.mark.slow
def test_an_answer_that_breaks_off_is_kept(undisturbed: Analysis) -> None:
    begun = saying(json.dumps({"findings": [statement("seen", LAST)]})[:-2] + ', {"text": "ha', then_hangs_up=True)
    with serve(failing(begun, None), context=CONTEXT) as server:
        events, error = analysed(server)
        assert isinstance(assert_said(error), EngineError)
        kept = finished(events)
        assert plain(kept).chunks[:-1] == undisturbed.chunks[:-1]
        assert [(finding.text, finding.frames) for finding in kept.chunks[-1].findings] == [
            ("seen", (LAST,)),
            ("ha…", ()),
        ]
        assert kept.chunks[-1].troubles == ("broke_off",) and kept.summary is None
        again, error = analysed(server, replace(done_of(events), again=frozenset((1,))))
        assert finished(again).chunks[-1].troubles == ("broke_off",)
        server.behave = introducing
        again, error = analysed(server, done_of(events))
        assert error is None and plain(finished(again)) == undisturbed


@pytest.mark.slow
def test_a_whole_answer_outlives_one_that_breaks_off(undisturbed: Analysis) -> None:
    begun = saying(json.dumps({"findings": [statement("seen", LAST)]})[:-2], then_hangs_up=True)
    with serve(introducing, context=CONTEXT) as server:
        whole, _ = analysed(server)
        server.behave = failing(begun, None)
        last = undisturbed.chunks[-1].number
        events, error = analysed(server, replace(done_of(whole), again=frozenset((last,))))
    assert isinstance(error, EngineError)
    assert plain(finished(events)).chunks == undisturbed.chunks


@pytest.mark.slow
def test_hanging_engine_times_out_and_run_resumes_later(undisturbed: Analysis) -> None:
    released = threading.Event()

    def hanging() -> Iterator[str | bytes]:
        yield "{"
        released.wait(60)

    with serve(failing(hanging, None), context=CONTEXT) as server:
        events, error = analysed(server, connector=opener(server, timeout_seconds=2))
        released.set()
        assert isinstance(assert_said(error), EngineTimeout)
        assert plain(finished(events)).chunks == undisturbed.chunks[:-1]
        server.behave = introducing
        assert plain(finished(analysed(server, done_of(events))[0])) == undisturbed


def opener(server: Server, **options: Any) -> Any:
    made = tools(server, in_flight=2).connector
    return replace(made, **options)  # type: ignore[type-var]


@pytest.mark.slow
def test_a_slow_engine_is_waited_for(undisturbed: Analysis) -> None:
    pause = threading.Event()

    def slow(body: dict[str, Any]) -> Iterator[str]:
        for piece in introducing(body):
            for place in range(0, len(piece), 40):
                pause.wait(0.01)
                yield piece[place : place + 40]

    with serve(slow, context=CONTEXT) as server:
        events, error = analysed(server)
    assert error is None
    assert plain(finished(events)) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("again", [None, 1], ids=["going on", "a part asked again"])
def test_resume_without_engine_keeps_all_answers(undisturbed: Analysis, again: int | None) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise EngineError("remote_unreachable", base_url="http://x", reason="gone")

    with serve(introducing, context=CONTEXT) as server:
        before, _ = analysed(server)
    done = done_of(before)
    if again is None:  # its last part and the summary are missing
        kept = tuple(result for result in done.state.results if 0 < result.number < undisturbed.chunks[-1].number)
        done = EarlierResults(replace(done.state, results=kept))
    else:
        done = replace(done, again=frozenset({again}))
    events, error = analysed(server, done, connector=ScriptedConnector(gone))
    assert_said(error)
    kept = plain(finished(events))
    assert kept.chunks == (undisturbed.chunks[:-1] if again is None else undisturbed.chunks)
    assert kept.summary == (None if again is None else undisturbed.summary)
    assert kept.layout == undisturbed.layout


@pytest.mark.slow
def test_answers_of_two_models_are_not_mixed(undisturbed: Analysis) -> None:
    def of_another(body: dict[str, Any]) -> Iterator[str]:
        for piece in introducing(body):
            yield piece.replace("seen", "noticed")

    with serve(failing(LASTING["out of memory"], None), context=CONTEXT) as server:
        events, _ = analysed(server)
    with serve(of_another, context=CONTEXT) as server:
        whole = finished(analysed(server, done_of(events), connector=serving(server, "another"))[0])
        assert {finding.text.split()[0] for chunk in whole.chunks for finding in chunk.findings} == {"noticed"}
        server.behave = failing(LASTING["out of memory"], None, on=1)
        failed, error = analysed(server, done_of(events), connector=serving(server, "third"))
    assert_said(error)
    assert not {chunk.key for chunk in finished(failed).chunks} & {
        result.key for result in done_of(events).state.results
    }


def serving(server: Server, name: str) -> Any:
    """An opener of an engine that says it serves another model."""
    made: Any = tools(server, in_flight=2).connector
    made.engine.info = replace(made.engine.info, model=name)
    return made


@pytest.mark.slow
def test_changed_file_is_analysed_from_scratch() -> None:
    with serve(failing(LASTING["out of memory"], None), context=CONTEXT) as server:
        events, _ = analysed(server)
        server.behave = introducing
        server.requests.clear()
        shorter = extracting(FRAMES - 7)
        whole = finished(analysed(server, done_of(events), extract=shorter)[0])
    assert [number for chunk in whole.chunks for number in chunk.frames] == list(range(1, FRAMES - 6))


def too_long_for(limit: int) -> Callable[[dict[str, Any]], Iterator[str]]:
    """An engine that takes fewer frames than it says."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if len(marks_of(body)) > limit:
            raise Refuse(400, "This model's maximum context length is 8 tokens", "input_tokens")
        yield from introducing(body)

    return behave


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_oversized_chunks_are_replanned_without_loss(limit: int) -> None:
    with serve(too_long_for(limit), context=CONTEXT) as server:
        events, error = analysed(server)
    assert error is None
    whole = finished(events)
    assert [number for chunk in whole.chunks for number in chunk.frames] == list(range(1, FRAMES + 1))
    assert max(len(chunk.frames) for chunk in whole.chunks) <= limit
    assert whole.layout == [event.layout for event in events if isinstance(event, Planned)][-1]
    assert [chunk.frames for chunk in whole.chunks] == list(whole.layout.parts)


@pytest.mark.slow
def test_replanning_of_oversized_chunks_terminates() -> None:
    def narrow(body: dict[str, Any]) -> Iterator[str]:
        marks = marks_of(body)
        if len(marks) > 1 and marks[-1] == FRAMES:
            raise Refuse(400, "This model's maximum context length is 8 tokens", "input_tokens")
        yield from introducing(body)

    with serve(narrow, context=CONTEXT) as server:
        events, error = analysed(server)
    assert error is None
    chunks = finished(events).chunks
    assert [number for chunk in chunks for number in chunk.frames] == list(range(1, FRAMES + 1))
    assert len(chunks[0].frames) > len(chunks[-1].frames) == 1


@pytest.mark.slow
def test_failed_chunk_is_forgiven_after_new_layout() -> None:
    broken = threading.Semaphore(1)

    def behave(body: dict[str, Any]) -> Iterator[str]:
        marks = marks_of(body)
        if marks[:1] == [1] and broken.acquire(blocking=False):
            raise Refuse(500, "assertion failed")
        if len(marks) > 2 and marks[-1] > FRAMES // 2:
            raise Refuse(400, "This model's maximum context length is 8 tokens", "input_tokens")
        yield from introducing(body)

    with serve(behave, context=CONTEXT) as server:
        events, error = analysed(server, in_flight=1)
    assert error is None
    assert [number for chunk in finished(events).chunks for number in chunk.frames] == list(range(1, FRAMES + 1))


@pytest.mark.slow
def test_what_was_said_of_a_part_that_is_asked_again_is_void() -> None:
    with serve(failing(PASSING["the connection breaks in mid-answer"], 1), context=CONTEXT) as server:
        events, _ = analysed(server)
    last = finished(events).chunks[-1]
    shown = ""
    for one in events:
        if isinstance(one, AnswerDelta) and one.chunk == last.number:
            shown = one.text if one.restart else shown + one.text
    assert shown == last.answer


@pytest.mark.slow
def test_what_fails_beside_the_asking_still_leaves_a_report() -> None:
    def gone(path: Any, cancel: Any) -> Generator[Any, None, str]:
        yield from ()
        raise InputError("file_missing", path=str(path))

    with serve(introducing, context=CONTEXT) as server:
        events, error = analysed(server, hashed=gone)
    assert isinstance(error, InputError)
    whole = finished(events)
    assert [number for chunk in whole.chunks for number in chunk.frames] == list(range(1, FRAMES + 1))
    assert whole.sha256 == ""


@pytest.mark.slow
def test_events_of_resumed_run_include_earlier_answers(undisturbed: Analysis) -> None:
    with serve(introducing, context=CONTEXT) as server:
        before, _ = analysed(server)
        events, _ = analysed(server, done_of(before))
    results: list[ChunkResult] = [event.result for event in events if isinstance(event, ChunkDone)]
    assert {result.number for result in results if result.number > 0} == {chunk.number for chunk in undisturbed.chunks}
    assert isinstance(events[-1], Finished)


class Mortal(ServedEngine):
    """An engine of our own: it can be seen to have ended, and is started again when it is wanted."""

    kind = "vllm"

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.dead = threading.Event()
        self.starts = 0

    def ensure_ready(self, on_progress: Any, cancel: threading.Event) -> Endpoint:
        self.dead.clear()
        self.starts += 1
        return super().ensure_ready(on_progress, cancel)

    def status(self) -> EngineStatus:
        return replace(super().status(), error=EngineError("engine_killed", model="m") if self.dead.is_set() else None)


@pytest.mark.slow
@pytest.mark.parametrize("says", ["nothing", "that it ends"])
@pytest.mark.parametrize("deaths", [1, 2])
def test_dead_engine_is_restarted_and_run_continues(deaths: int, says: str, undisturbed: Analysis) -> None:
    left = threading.Semaphore(deaths)

    def dying(body: dict[str, Any]) -> Iterator[str | bytes]:
        if mortal.dead.is_set() or (marks_of(body)[:1] > [6] and left.acquire(blocking=False)):
            mortal.dead.set()
            if says == "nothing":
                raise HangUp
            raise Refuse(500, "EngineCore encountered an issue. See stack trace (above) for the root cause.")
        yield from introducing(body)

    with serve(dying, context=CONTEXT) as server:
        mortal = Mortal(server)
        events, error = analysed(server, connector=opener(server, engine=mortal))
        assert mortal.starts == 2
        answered = [marks_of(body)[0] for body in asked(server) if marks_of(body)]
        if deaths == 1:
            assert error is None
            assert plain(finished(events)) == undisturbed
            assert "engine_restarted" in {notice.key for notice in finished(events).notices}
        else:
            assert assert_said(error).key == "engine_killed"
            kept = {chunk.number for chunk in finished(events).chunks}
            assert 1 in kept
            again = finished(analysed(server, done_of(events), connector=opener(server, engine=mortal))[0])
            assert plain(again) == undisturbed
            assert not kept & {marks_of(body)[0] for body in asked(server)[len(answered) :] if marks_of(body)}


@pytest.mark.slow
@pytest.mark.parametrize("frames", [3, 12])
def test_early_opening_is_a_chunk_only_if_more_follows(frames: int) -> None:
    """In a video where nothing changes, the frames of its beginning may be all that are chosen."""

    def extract(path: Path, wanted: ExtractOptions, cancel: threading.Event) -> Iterator[VideoEvent]:
        assert wanted.opening
        yield Probed(replace(info(path), duration_seconds_from_header=600.0))
        yield OpeningChosen(keyframes(3))
        yield from list(extracting(frames)(path, wanted, cancel))[1:]

    with serve(introducing, context=CONTEXT) as server:
        long = {"probe": lambda path: replace(info(path), duration_seconds_from_header=600.0), "extract": extract}
        events, error = analysed(server, **long)
        assert error is None
        whole = finished(events)
        assert [number for chunk in whole.chunks for number in chunk.frames] == list(range(1, frames + 1))
        assert "chapters" in words_of(asked(server)[-1])  # of the whole, or of what joins the parts
        assert bool(whole.summary) == (frames > 3)
        server.requests.clear()
        assert plain(finished(analysed(server, done_of(events), **long)[0])) == plain(whole)
    assert asked(server) == []


@pytest.mark.slow
@pytest.mark.parametrize("returns", [True, False])
def test_a_lost_remote_engine_is_waited_for(returns: bool, undisturbed: Analysis) -> None:
    def restarting(body: dict[str, Any]) -> Iterator[str]:
        if marks_of(body)[:1] > [6] and not fallen.is_set():
            fallen.set()
            if returns:
                server.restart()
            server.dead.set()
            raise HangUp
        yield from introducing(body)

    fallen = threading.Event()
    with serve(restarting, context=CONTEXT) as server:
        events, error = analysed(server, connector=opener(server, engine=RemoteEngine(server.base_url)))
    notices = [notice.key for notice in finished(events).notices]
    if returns:
        assert error is None and plain(finished(events)) == undisturbed and "engine_returned" in notices
    else:
        assert assert_said(error).key == "remote_unreachable" and "engine_returned" not in notices
        assert finished(events).chunks[0].frames == (1, 2, 3)


@pytest.mark.slow
def test_an_engine_that_a_video_ends_twice_is_not_called_lost() -> None:
    def doomed(body: dict[str, Any]) -> Iterator[str]:
        if marks_of(body)[:1] > [6]:
            yield '{"findings": ['
            server.restart()
        yield from introducing(body)

    with serve(doomed, context=CONTEXT) as server:
        _, error = analysed(server, connector=opener(server, engine=RemoteEngine(server.base_url)), in_flight=1)
    assert assert_said(error).key in ("engine_broke_off", "engine_unreachable")


@pytest.mark.slow
def test_a_video_that_begins_meanwhile_waits_for_a_lost_engine() -> None:
    with serve(introducing) as server:
        asking = opener(server, engine=RemoteEngine(server.base_url))
        server.dead.set()
        lost, cancel = threading.Event(), threading.Event()

        def note(progress: Any) -> None:
            lost.set()

        first = in_thread("first", lambda: asking.connect(note, cancel, was_lost=True))
        assert lost.wait(10)
        threading.Timer(0.1, server.dead.clear).start()
        assert asking.connect(lambda _: None, cancel)[1].model == first.result()[1].model == "model"


@pytest.mark.slow
def test_an_engine_that_was_never_reached_is_not_waited_for() -> None:
    seen = []
    engine = RemoteEngine("http://127.0.0.1:9/v1")
    with serve(introducing) as server:
        asking = opener(server, engine=engine)
        with pytest.raises(EngineError, match="remote_unreachable"):
            asking.connect(seen.append, threading.Event())
    assert [progress.phase for progress in seen] == ["connecting"]


@pytest.mark.slow
def test_hanging_local_engine_is_restarted_once(undisturbed: Analysis) -> None:
    class Hanging(ServedEngine):
        """It is well once it was started again."""

        kind = "vllm"

        starts = 0

        def ensure_ready(self, on_progress: Any, cancel: threading.Event) -> Endpoint:
            self.starts += 1
            return super().ensure_ready(on_progress, cancel)

        def end_if_unwell(self) -> EngineError:  # type: ignore[override]
            return EngineError("engine_hung", model="m")

    def silent(body: dict[str, Any]) -> Iterator[str]:
        if marks_of(body)[:1] > [6] and hanging.starts == 1:
            ended.wait(30)
            raise HangUp
        yield from introducing(body)

    ended = threading.Event()
    with serve(silent, context=CONTEXT) as server:
        hanging = Hanging(server)
        impatient = replace(opener(server, engine=hanging), timeout_seconds=0.5)
        events, error = analysed(server, connector=impatient)
        ended.set()
    assert error is None and hanging.starts == 2
    assert plain(finished(events)) == undisturbed
    assert "engine_restarted" in {notice.key for notice in finished(events).notices}
