"""What a question asks for: by words in both languages, by the model, and without a usable answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from app import core
from app.ask.retrieval import classification
from app.ask.retrieval.classification import Kind, Sought
from app.llm.stream import AnswerPiece

QUESTIONS: dict[str, tuple[Kind | None, str]] = {
    "When does the red card appear?": ("when", "a red card"),
    "When did she leave?": ("when", "she leave"),
    "At what time is a dog visible?": ("when", "a dog"),
    "How often is the door opened?": ("count", "a door"),
    "How many times is an egg shown?": ("count", "an egg"),
    "What does the sign say?": ("read", "a sign"),
    "What is written on the blackboard?": ("read", "a blackboard"),
    "When does the sign say OPEN?": ("when", "a sign"),
    "What does she say about taxes?": ("spoken", "she say about taxes"),
    "When does he mention the price?": ("spoken", "a price"),
    "What is this video about?": ("global", ""),
    "Summarise it.": ("global", ""),
    "Was the door open when he came?": (None, "a door"),
    "How many people are in the room?": (None, "a room"),
    "红色卡片什么时候出现？": ("when", "红色卡片"),
    "她什么时候离开的？": ("when", "她离开"),
    "第一次看到红色汽车是什么时候？": ("when", "红色汽车"),
    "门开了几次？": ("count", "门开"),
    "牌子上写着什么？": ("read", "牌子"),
    "老师提到了哪些公式？": ("spoken", ""),
    "视频里讲了什么？": ("global", ""),
    "总结一下这个视频": ("global", ""),
    "有没有狗？": (None, "狗"),
    "车是什么颜色的？": (None, "车"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_words_name_kind_and_things_in_both_languages(question: str) -> None:
    kind, thing = QUESTIONS[question]
    assert classification.kind_in_words(question) == kind
    if thing:
        assert classification.things_in_words(question) == (thing,)


def asked(answer: str, question: str, *earlier: str) -> Sought:
    connection: Any = SimpleNamespace(chat=FakeListChatModel(responses=[answer]), takes_schema=False)
    return classification.by_model(question, earlier, connection, "en", threading.Event())


@pytest.fixture(autouse=True)
def _whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fake model answer in place of an engine's stream."""

    def answer(chat: Any, sent: Any, **_: object) -> Iterator[AnswerPiece]:
        yield AnswerPiece(chat.invoke(sent).content)

    monkeypatch.setattr(classification, "stream_pieces", answer)


def test_model_names_the_kind_that_words_leave_open() -> None:
    answer = '```json\n{"kind": "read", "look_for": ["a jersey with a number"]}\n```'
    assert asked(answer, "Which number is on the jersey?") == Sought("read", ("a jersey with a number",))


def test_clear_words_outweigh_the_model() -> None:
    answer = '{"kind": "global", "look_for": ["a red card"]}'
    assert asked(answer, "When does the red card appear?") == Sought("when", ("a red card",))


def test_model_alone_starts_no_search_in_a_known_language() -> None:
    answer = '{"kind": "when", "look_for": ["red card"]}'
    assert asked(answer, "Which card follows the red card?").kind == "local"
    assert asked(answer, "Wann kommt die rote Karte?").kind == "when"


@pytest.mark.parametrize(
    "answer",
    ["", "no JSON", "{", '{"kind": 7, "look_for": 8}', '["kind"]', '{"kind": "dance", "look_for": [null, "", "yyyy"]}'],
)
def test_unusable_answers_are_replaced_by_the_words(answer: str) -> None:
    assert asked(answer, "Was the door open?") == Sought("local", ("a door",))


def test_things_may_come_from_earlier_questions() -> None:
    answer = '{"kind": "local", "look_for": ["a blue card", "an invented whale"]}'
    assert asked(answer, "And the blue one?", "Is there a red card?").look_for == ("a blue card",)


def test_refusing_engine_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise core.EngineError("engine_garbage", base_url="", reason="")
        yield

    monkeypatch.setattr(classification, "stream_pieces", refuse)
    assert asked("", "门开了几次？") == Sought("count", ("门开",))
