"""Names of things that look alike: other colours in both languages, and what the model names."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from framelens.llm.stream import AnswerPiece
from framelens.questions.moments.lookalikes import in_other_colours, lookalikes
from framelens.questions.retrieval import classification


def named(answer: str, thing: str) -> tuple[str, ...]:
    connection: Any = SimpleNamespace(chat=FakeListChatModel(responses=[answer]), takes_schema=False)
    return lookalikes(thing, connection, "en", threading.Event())


@pytest.fixture(autouse=True)
def _whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:

    def answer(chat: Any, sent: Any, **_: object) -> Iterator[AnswerPiece]:
        yield AnswerPiece(chat.invoke(sent).content)

    monkeypatch.setattr(classification, "stream_pieces", answer)


@pytest.mark.parametrize(
    ("thing", "others"),
    [
        ("a red card", ("an orange card", "a purple card")),
        ("an orange card", ("a red card", "a yellow card")),
        ("the man in the blue shirt", ("the man in the cyan shirt", "the man in the purple shirt")),
        ("Red letters", ("orange letters", "purple letters")),
        ("a door", ()),
        ("a redhead", ()),
        ("红色卡片", ("橙色卡片", "紫色卡片")),
        ("一辆白色的汽车", ("一辆灰色的汽车", "一辆黄色的汽车")),
        ("黄瓜", ()),
    ],
)
def test_other_colours_are_the_nearest_ones(thing: str, others: tuple[str, ...]) -> None:
    assert in_other_colours(thing) == others


def test_names_of_the_model_are_sorted_out() -> None:
    # Model names what has no colour.
    assert named('{"lookalikes": ["a wolf", "a fox", "a cat", "a bear"]}', "a dog") == ("a wolf", "a fox", "a cat")
    # Colours come before the names of the model.
    answer = '{"lookalikes": ["an orange car", "a red van"]}'
    assert named(answer, "a red car") == ("an orange car", "a purple car", "a red van")
    # Broader and narrower names are left out.
    answer = '{"lookalikes": ["A car", "a bright red car", "the red car", "", "x", 7, "' + "y" * 61 + '"]}'
    assert named(answer, "a red car")[2:] == ("x",)


@pytest.mark.parametrize("answer", ["", "no JSON", '{"lookalikes": 8}', '["a wolf"]', '{"others": []}'])
def test_unusable_answers_name_nothing(answer: str) -> None:
    assert named(answer, "a dog") == ()
