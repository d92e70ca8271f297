"""Many parts at the same time: each part's requests, repeated requests, and a run that resumes a stopped run."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from framelens.analysis.pipeline import analyse
from framelens.analysis.prompts.templates import built_in
from framelens.analysis.requests.request_builder import Introduction, build_context, required_parts
from framelens.analysis.task import Control, EarlierResults, Task
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import Analysis, ChunkResult
from framelens.core.errors import EngineError, Paused
from framelens.core.events import AnswerDelta, ChunkDone, Finished, Noticed, Planned
from framelens.i18n import t
from tests.analysis.test_pipeline import (
    CONDITIONS,
    answering_per_frame,
    finished,
    has_pictures,
    marks_of,
    request,
    run,
    statement,
    tools,
)
from tests.llm.scripted import HangUp, Refuse, serve

SMALL = 256
"""A context that holds few frames, so that there are many parts."""


def part_of(body: dict[str, Any]) -> int:
    """The number of the first frame that a request shows, 0 for a text."""
    return (marks_of(body) or [0])[0]


def introducing(body: dict[str, Any]) -> Iterator[str]:
    """As answering_per_frame, and each part meets somebody."""
    first = part_of(body)
    if not first:
        yield from answering_per_frame(body)
        return
    answer = {
        "subjects": [{"name": f"person {first}", "look": f"red coat {first}"}],
        "findings": [statement(f"seen {number}", number) for number in marks_of(body)],
        "overview": [statement(f"story of {first}", first)],
    }
    yield json.dumps(answer)


def words_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[-1]["text"])


def asked(server: Any) -> list[dict[str, Any]]:
    """The requests that are about the video, without the requests that prove sight."""
    return [body for body in server.requests if body.get("max_tokens") != 1]


def outcome(analysis: Analysis) -> object:
    """What an analysis says, without how long it took."""
    return [
        (result.number, result.frames, result.answer, result.findings, result.overview, result.prompt)
        for result in (*analysis.chunks, *analysis.joins, *([analysis.summary] if analysis.summary else []))
    ]


@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_context_of_chunk_does_not_depend_on_answer_order(in_flight: int) -> None:
    for place in range(1, 40):
        assert max(required_parts(place, in_flight), default=0) < place
    assert required_parts(0, in_flight) == []
    assert required_parts(5, 1) == [0, 1, 2, 3, 4]
    assert required_parts(9, 2) == [1, 2, 3, 4, 5]


def test_subjects_keep_their_first_name_and_look() -> None:
    result = ChunkResult(1, (1,), "messages", "", (), (), "", "stop", None, 0.0)  # type: ignore[arg-type]
    assert build_context((), {0: result}).subjects == ()


@pytest.mark.slow
def test_chunks_run_in_parallel_up_to_the_limit() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def counting(body: dict[str, Any]) -> Iterator[str]:
        nonlocal now, most
        if has_pictures(body) and body.get("max_tokens") != 1:
            with lock:
                now, most = now + 1, max(most, now + 1)
            time.sleep(0.2)
            with lock:
                now -= 1
        yield from answering_per_frame(body)

    with serve(counting, context=SMALL) as server:
        analysis = finished(run(request(frames=24), tools(server, 24, in_flight=3))[0])
    assert most == 3
    assert [n for chunk in analysis.chunks for n in chunk.frames] == list(range(1, 25))


@pytest.mark.slow
def test_later_parts_are_reported_who_was_seen_before() -> None:
    with serve(introducing, context=SMALL) as server:
        finished(run(request(frames=24), tools(server, 24, in_flight=2))[0])
    parts = sorted((part_of(body), words_of(body)) for body in asked(server) if part_of(body))
    assert "person 1" not in parts[0][1]
    assert all("person 1: red coat 1" in words for _, words in parts[1:])
    assert "person" in parts[-1][1].replace("person 1:", "")


@pytest.mark.slow
def test_chunks_start_once_first_subjects_are_known() -> None:
    second = threading.Event()

    def lasting(body: dict[str, Any]) -> Iterator[str]:
        whole = "".join(introducing(body))
        if part_of(body) == 1:
            head, key, tail = whole.partition('"findings"')
            yield from (head, key)
            assert second.wait(30)
            yield tail
            return
        second.set()
        yield whole

    with serve(lasting, context=SMALL) as server:
        analysis = finished(run(request(frames=24), tools(server, 24, in_flight=2))[0])
    parts = sorted((part_of(body), words_of(body)) for body in asked(server) if part_of(body))
    assert all("person 1: red coat 1" in words for _, words in parts[1:])
    assert analysis.chunks[0].subjects[0].name == "person 1"


@pytest.mark.slow
def test_failed_first_chunk_does_not_block_others() -> None:
    def failing(body: dict[str, Any]) -> Iterator[str]:
        if part_of(body) == 1:
            raise Refuse(500, "broken")
        yield from introducing(body)

    with serve(failing, context=SMALL) as server:
        events, error = run(request(frames=24), tools(server, 24, in_flight=2))
    assert error is not None
    answered = {event.result.number for event in events if isinstance(event, ChunkDone)}
    assert answered == {part_of(body) for body in asked(server)} - {0, 1}


@pytest.mark.parametrize(
    "answer, known",
    [
        ('{"subjects": [{"name": "a man", "look": "red"}], "findings"', None),
        ('{"subjects": [{"name": "a man", "look": "red"}], "findings":', ("a man",)),
        ('```json\n{ "subjects" : [] , "overview" :', ()),
        ('{"subjects": [{"name": "a man, \\"subjects\\"", "look": ""}], "findings": [', ('a man, "subjects"',)),
        ('{"findings": [], "overview": [], "subjects": [{"name": "a man"}]}', None),
        ("The subjects: a man. Findings: he waves.", None),
    ],
)
def test_subjects_are_read_once_their_list_is_complete(answer: str, known: object) -> None:
    introduction = Introduction(built_in()["describe"])
    introduction.note(AnswerDelta(7, answer))
    assert not introduction.known.done()
    for piece in ('{"subjects": [{"name": "nobody', *answer):
        introduction.note(AnswerDelta(1, piece, restart=len(piece) > 1))
        if len(piece) > 1:
            introduction.note(AnswerDelta(1, "", restart=True))
    assert introduction.known.done() == (known is not None)
    if known is not None:
        assert tuple(subject.name for subject in introduction.known.result()) == known


@pytest.mark.slow
def test_requests_do_not_depend_on_answer_order() -> None:
    def slow(*late: int) -> Any:
        def behave(body: dict[str, Any]) -> Iterator[str]:
            if part_of(body) in late:
                time.sleep(0.4)
            yield from introducing(body)

        return behave

    sent = []
    for behave in (slow(1), slow()):
        with serve(behave, context=SMALL) as server:
            finished(run(request(frames=24), tools(server, 24, in_flight=3))[0])
        sent.append(sorted(json.dumps(body, sort_keys=True) for body in asked(server)))
    assert sent[0] == sent[1]


@pytest.mark.slow
def test_failed_chunk_alone_is_asked_again() -> None:
    broken = True

    def failing(body: dict[str, Any]) -> Iterator[str]:
        if broken and part_of(body) > 1 and 7 in marks_of(body):
            raise Refuse(500, "assertion failed")
        yield from answering_per_frame(body)

    with serve(failing, context=SMALL) as server:
        events, error = run(request(frames=24), tools(server, 24, in_flight=3))
        assert isinstance(error, EngineError)
        partial = finished(events)
        assert partial.summary is None
        missing = set(range(1, 25)) - {n for chunk in partial.chunks for n in chunk.frames}
        assert 7 in missing
        assert {"part_failed", "incomplete"} <= {notice.key for notice in partial.notices}
        broken = False
        server.requests.clear()
        whole = finished(run(request(frames=24), tools(server, 24, in_flight=3), done=done_of(events))[0])
    assert [n for chunk in whole.chunks for n in chunk.frames] == list(range(1, 25))
    assert {number for body in asked(server) for number in marks_of(body)} == missing
    assert whole.summary


def done_of(events: list[Any]) -> EarlierResults:
    results = tuple(event.result for event in events if isinstance(event, ChunkDone))
    layouts = [event.layout for event in events if isinstance(event, Planned)]
    return EarlierResults(AnalysisState(layout=layouts[-1] if layouts else None, results=results))


@pytest.mark.slow
@pytest.mark.parametrize("stopped_after", [1, 2, 4])
def test_resumed_run_equals_undisturbed_and_asks_nothing_twice(stopped_after: int) -> None:
    with serve(introducing, context=SMALL) as server:
        whole = finished(run(request(frames=24), tools(server, 24, in_flight=2))[0])
        every = len(asked(server))
        server.requests.clear()
        control, before = Control(), []
        with pytest.raises(Paused):
            for update in analyse(
                Task(request(frames=24), "job", control, conditions=CONDITIONS), tools(server, 24, in_flight=2)
            ):
                before.append(update.event)
                if sum(isinstance(one, ChunkDone) for one in before) == stopped_after:
                    control.pause.set()
        again = finished(run(request(frames=24), tools(server, 24, in_flight=2), done=done_of(before))[0])
    assert len(asked(server)) == every
    assert outcome(again) == outcome(whole)


@pytest.mark.slow
def test_what_was_answered_with_other_settings_is_asked_again() -> None:
    with serve(introducing, context=SMALL) as server:
        events, _ = run(request(frames=12), tools(server, 12))
        every = len(asked(server))
        server.requests.clear()
        run(request(frames=12), tools(server, 12), done=done_of(events), conditions={"model": "another"})
    assert len(asked(server)) == every


@pytest.mark.slow
def test_one_part_is_asked_again_in_other_words_and_joined_anew() -> None:
    with serve(introducing, context=SMALL) as server:
        events, _ = run(request(frames=12), tools(server, 12))
        done = done_of(events)
        number = finished(events).chunks[1].number
        server.requests.clear()
        again = finished(
            run(
                request(frames=12),
                tools(server, 12),
                done=EarlierResults(done.state, frozenset({number})),
            )[0]
        )
    assert [part_of(body) for body in asked(server)] == [number]
    assert asked(server)[0]["temperature"] > 0
    assert outcome(again) == outcome(finished(events))


@pytest.mark.slow
def test_an_engine_that_asks_to_wait_is_waited_for() -> None:
    refusals = 2

    def busy(body: dict[str, Any]) -> Iterator[str]:
        nonlocal refusals
        if body.get("max_tokens") != 1 and refusals:
            refusals -= 1
            raise Refuse(429, "slow down", headers={"Retry-After": "0.1"})
        yield from answering_per_frame(body)

    with serve(busy) as server:
        events, error = run(request(), tools(server))
    assert error is None
    assert "engine_was_busy" in [event.notice.key for event in events if isinstance(event, Noticed)]


@pytest.mark.slow
def test_a_connection_that_breaks_once_is_taken_up_again() -> None:
    breaks = 1

    def breaking(body: dict[str, Any]) -> Iterator[str]:
        nonlocal breaks
        if body.get("max_tokens") != 1 and breaks:
            breaks -= 1
            yield "{"
            raise HangUp
        yield from answering_per_frame(body)

    with serve(breaking) as server:
        events, error = run(request(), tools(server))
    assert error is None
    assert isinstance(events[-1], Finished)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (422, "Unsupported fields: response_format"),
        (400, "Json mode is not supported for this model."),
        (400, "Invalid request body"),
    ],
)
def test_an_engine_without_schemas_is_asked_in_words_alone(status: int, words: str) -> None:
    def plain(body: dict[str, Any]) -> Iterator[str]:
        if "response_format" in body:
            raise Refuse(status, words)
        yield from answering_per_frame(body)

    with serve(plain) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert [finding.text for finding in analysis.chunks[0].findings] == [f"seen {n}" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("status", "words", "schemas"),
    [
        (400, "Invalid request body", [True, False]),
        (400, "account balance is insufficient", [True]),
        (400, "Input data may contain inappropriate content.", [True]),
        (400, "temperature must be between 0 and 1", [True]),
        (404, "The model `x` does not exist.", [True]),
    ],
)
def test_unknown_refusal_is_asked_once_without_the_schema(status: int, words: str, schemas: list[bool]) -> None:
    def refusing(body: dict[str, Any]) -> Iterator[str]:
        if body.get("max_tokens") != 1:
            raise Refuse(status, words)
        yield "x"

    with serve(refusing) as server:
        _, error = run(request(), tools(server))
    assert isinstance(error, EngineError)
    assert ["response_format" in body for body in server.requests if body.get("max_tokens") != 1] == schemas


@pytest.mark.slow
def test_repeating_answer_is_stopped_and_retried() -> None:
    loops = True

    def looping(body: dict[str, Any]) -> Iterator[str]:
        nonlocal loops
        if body.get("max_tokens") != 1 and loops:
            loops = False
            yield '{"findings": [{"frames": [1], "text": "'
            for _ in range(2000):
                yield "a man walks by and "
            return
        yield from answering_per_frame(body)

    with serve(looping) as server:
        analysis = finished(run(request(), tools(server))[0])
    assert analysis.chunks[0].attempts == 2
    assert analysis.chunks[0].troubles == ()
    assert asked(server)[-1]["temperature"] > 0
    assert analysis.chunks[0].prompt.endswith(t("prompt.again.repeats", "en"))
