"""The benchmark of whole analyses: its engine answers as asked, requests go again as they were, caches are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analysis import throughput
from benchmarks.analysis.answers import answer_to, cited, pieces, prompt_tokens
from benchmarks.analysis.ending import answers_that_end, given_texts
from benchmarks.analysis.engine import count_of
from benchmarks.analysis.prefix import turned
from benchmarks.analysis.raw import first_text_seconds, raw_seconds
from benchmarks.analysis.recorded import first_of_another_part
from benchmarks.analysis.scripted import Delays, serving
from benchmarks.analysis.whole import App, in_parts
from framelens.analysis.parsing.answer_parser import parse_answer
from framelens.analysis.prompts.schema import Scope, schema_of
from framelens.analysis.prompts.templates import built_in
from framelens.composition import SAMPLE
from framelens.core.domain import AnalysisRequest

pytestmark = pytest.mark.usefixtures("english")

AT_ONCE = Delays(first_seconds=0.0, token_seconds=0.0, frame_tokens=3000, context=8192)
PICTURE = {"type": "image_url", "image_url": {"url": "data:,"}}


def body(schema: dict[str, Any] | None = None, frames: tuple[int, ...] = (7, 9)) -> dict[str, Any]:
    marks = [[{"type": "text", "text": f"[frame {number} · 00:0{number}.000]"}, PICTURE] for number in frames]
    content = [part for pair in marks for part in pair] + [{"type": "text", "text": "What is it?"}]
    asked: dict[str, Any] = {"messages": [{"role": "system", "content": "See."}, {"role": "user", "content": content}]}
    return asked | ({"response_format": {"json_schema": {"schema": schema}}} if schema else {})


@pytest.mark.parametrize("scope", ["part", "whole", "join"])
@pytest.mark.parametrize("key", sorted(built_in()))
def test_engine_answers_every_form_validly(key: str, scope: Scope) -> None:
    template = built_in()[key]
    text = answer_to(body(schema_of(template, scope)))
    reading = parse_answer(text, scope, template, {7: 7.0, 9: 9.0}, 20.0)
    assert reading.troubles == () and reading.overview
    assert not any(finding.issues for finding in (*reading.findings, *reading.overview))


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted(built_in()))
def test_form_with_given_texts_is_valid(key: str) -> None:
    import jsonschema  # it takes two seconds, and each worker imports every test file

    template = built_in()[key]
    usual = schema_of(template, "part")
    form = given_texts(usual, "gate")
    text = json.dumps(made(form))
    jsonschema.validate(json.loads(text), usual)
    reading = parse_answer(text, "part", template, {1: 1.0, 2: 2.0}, 20.0)
    assert reading.troubles == () and reading.subjects and reading.findings and reading.overview


def made(form: dict[str, Any]) -> Any:
    """What a model writes that has no choice."""
    match form:
        case {"properties": properties}:
            return {name: made(value) for name, value in properties.items()}
        case {"items": items, "minItems": least, "maxItems": most}:
            assert least == most
            return [made(items)] * most
        case {"enum": [first, *_]}:
            return first
        case _:
            assert form == {"type": "null"}
            return None


@pytest.mark.thorough
@pytest.mark.slow
def test_given_texts_are_as_long_as_requested(tmp_path: Path) -> None:
    with serving(AT_ONCE) as url:
        app, request = App(url, tmp_path, in_flight=2), AnalysisRequest(SAMPLE, frames=4)
        with answers_that_end():
            given = app.course(request).of_parts()
        forms = {given_form(one.body) for one in given if b'"response_format"' in one.body}
        assert len(forms) == 2 and given_form(app.course(request).of_parts()[-1].body) not in forms


def given_form(body: bytes) -> str:
    return json.dumps(json.loads(body)["response_format"])


def test_an_answer_comes_in_pieces_that_make_the_whole() -> None:
    text = answer_to(body({"type": "string"}))
    assert "".join(pieces(text)) == text and len(pieces(text)) > 3
    assert answer_to({**body(), "max_tokens": 1}) == "x"


def test_frames_are_counted_and_cited_by_their_marks() -> None:
    assert cited(body(frames=(3, 4, 5))) == [3, 4, 5]
    assert (
        prompt_tokens(body(frames=(3, 4)), frame_tokens=500) - prompt_tokens(body(frames=()), frame_tokens=500) == 1000
    )


@pytest.mark.slow
@pytest.mark.thorough
def test_a_whole_analysis_is_recorded_and_can_be_sent_again(tmp_path: Path) -> None:
    with serving(AT_ONCE) as url:
        app = App(url, tmp_path, in_flight=2)
        course = app.course(AnalysisRequest(SAMPLE, frames=4))
        parts = [one for one in course.of_parts() if b'"max_tokens":1,' not in one.body]  # that is the proof of sight
        assert course.layout and course.layout.is_exact and course.layout.parts == ((1, 2), (3, 4))
        assert len(parts) == 2 and [cited(json.loads(one.body)) for one in parts] == [[1, 2], [3, 4]]
        assert course.of_joins and 0 < course.chosen <= course.first_text <= course.parts_done <= course.ended
        assert first_of_another_part([parts[0], *parts]) is parts[1]
        assert raw_seconds(parts, at_once=2) > 0
        first, rest, number = first_text_seconds(parts[0])
        assert first > 0 and rest >= 0 and number > 3


def test_other_order_has_same_parts_question_first() -> None:
    content = body()["messages"][-1]["content"]
    after = json.loads(turned(json.dumps(body()).encode()))["messages"][-1]["content"]
    assert after == [content[-1], *content[:-1]]


def test_parts_are_laid_out_as_asked_for() -> None:
    assert in_parts(5, 2, in_flight=3).parts == ((1, 2), (3, 4), (5,))


def test_what_the_engine_counts_is_read_from_its_metrics() -> None:
    reported = """# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 1200.0
vllm:prefix_cache_hits_created{engine="0",model_name="m"} 1.7e+09
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1.6e+03
"""
    assert (count_of(reported, "hits"), count_of(reported, "queries")) == (1200.0, 1600.0)


def test_a_row_reports_the_throughput_and_the_bound() -> None:
    row = throughput.row("four", [(10.0, 9.0), (12.0, 12.0), (9.0, 10.0)])
    assert row.value == 1.0 and not row.missed and "throughput 1.00; 10.00 s / 10.00 s" in row.note
    assert throughput.row("four", [(10.0, 9.0)]).missed
