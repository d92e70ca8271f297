"""The question of an analysis: answered as in a conversation, before the description, with its moments as evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import framelens
from app.core import AnswerChanged, ReportedAnswer
from app.engine import Endpoint
from tests.ask.test_real_engine import session as engine_session
from tests.ask.test_when import COLOURS, looking, session
from tests.cards import write_card_video
from tests.llm.scripted import Behave, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")
WHEN = "When does a red card appear?"
DESCRIBED = json.dumps({"findings": [{"frames": [1], "text": "A card."}], "title": "Cards", "overview": []})


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten cards of 1.5 s at 10 frames a second: red in [3, 4.5) and [9, 12)."""
    return write_card_video(tmp_path_factory.mktemp("asked") / "cards.mp4", COLOURS, seconds_per_card=1.5)


def describing(*, always: bool = False) -> Behave:
    """Vote by the colour, describe in the form that is asked for, and answer questions with "x"."""
    vote = looking(always=always)

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body.get("logprobs"):
            yield from vote(body)
        elif "findings" in json.dumps(body.get("response_format")):
            yield DESCRIBED
        else:
            yield "x"

    return behave


def answer_of(analysis: framelens.Analysis) -> ReportedAnswer:
    assert analysis.question_answer
    return analysis.question_answer


def spans(answer: ReportedAnswer) -> list[tuple[int, int]]:
    (search,) = answer.searches
    return [(one.first.frame_index, one.last.frame_index) for one in search.moments.intervals]


def test_question_is_answered_by_a_search(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        events = list(one.analyse_events(video, WHEN, 4))
        analysis = events[-1].analysis
        (conversation,) = one.conversations.find(analysis_ids=[analysis.id])
        again = one.analyse(video, WHEN, 4)
    answer = answer_of(analysis)
    assert spans(answer) == [(30, 44), (90, 119)] and answer.state == "complete"
    assert analysis.brief == "“a red card” was seen 2 times: 00:03.000 – 00:04.500, 00:09.000 – 00:12.000"
    assert analysis.title == "Cards" and analysis.outcome == "done" and again.id == analysis.id
    assert analysis.answer and conversation.id == analysis.answer.id
    assert again.answer == analysis.answer
    grown = [event for event in events if isinstance(event, AnswerChanged)]
    assert [event.is_over for event in grown] == [*[False] * (len(grown) - 1), True]
    assert [event.looked for event in grown] == sorted(event.looked for event in grown)
    stages = [event.stage for event in events if isinstance(event, framelens.StageStarted)]
    assert stages.index("answer") < stages.index("ask")


def test_real_engine_finds_the_moments(vl_endpoint: Endpoint, video: Path, tmp_path: Path) -> None:
    with engine_session(vl_endpoint, tmp_path) as one:
        analysis = one.analyse(video, WHEN, 4)
    assert spans(answer_of(analysis)) == [(30, 44), (90, 119)]
