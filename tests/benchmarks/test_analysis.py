"""The benchmark of whole analyses: its engine answers as asked, requests go again as they were, caches are read."""

from typing import Any

import pytest

from benchmarks.analysis.answers import answer_to, cited, prompt_tokens
from framelens.analysis.parsing.answer_parser import parse_answer
from framelens.analysis.prompts.schema import Scope, schema_of
from framelens.analysis.prompts.templates import built_in

pytestmark = pytest.mark.usefixtures("english")


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


def test_frames_are_counted_and_cited_by_their_marks() -> None:
    assert cited(body(frames=(3, 4, 5))) == [3, 4, 5]
    assert (
        prompt_tokens(body(frames=(3, 4)), frame_tokens=500) - prompt_tokens(body(frames=()), frame_tokens=500) == 1000
    )
