"""What the model says that a question asks for: any language, ranges, several questions, unusable answers."""

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from framelens.core.errors import EngineError
from framelens.llm.chat import connect
from framelens.llm.stream import AnswerPiece, stream_pieces
from framelens.questions.retrieval import classification
from framelens.questions.retrieval.classification import Classification, Part
from framelens.questions.retrieval.values import SEARCHED, Kind, Sought
from tests.llm.scripted import Refuse, serve


def classified(answer: object, question: str, *earlier: str, seconds: float = 60.0) -> Classification:
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    connection: Any = SimpleNamespace(chat=FakeListChatModel(responses=[text]), takes_schema=False)
    return classification.by_model(question, earlier, seconds, connection, "en", threading.Event())


def sought(answer: object, question: str, *earlier: str) -> Sought:
    (part,) = classified(answer, question, *earlier).parts
    return part.sought


def reading(kind: str, thing: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "thing": thing, "range": [], "parts": [], **more}


@pytest.fixture(autouse=True)
def _whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fake model answer in place of an engine's stream."""

    def answer(chat: Any, sent: Any, **_: object) -> Iterator[AnswerPiece]:
        yield AnswerPiece(chat.invoke(sent).content)

    monkeypatch.setattr(classification, "stream_pieces", answer)


@pytest.mark.parametrize(
    ("question", "kind", "thing"),
    [
        ("Wann erscheint die rote Karte?", "when", "eine rote Karte"),
        ("Wie oft sieht man einen Hund?", "count", "einen Hund"),
        ("¿Cuándo aparece la tarjeta roja?", "when", "una tarjeta roja"),
        ("¿Hay un perro en el vídeo?", "exists", "un perro"),
        ("赤いカードはいつ現れますか？", "when", "赤いカード"),
        ("犬は何回映りますか？", "count", "犬"),
        ("Find the moments where a cat is visible.", "when", "a cat"),
        ("列出所有红卡出现的时刻", "when", "红卡"),
    ],
)
def test_model_names_kind_and_thing_in_any_language(question: str, kind: Kind, thing: str) -> None:
    assert sought(reading(kind, thing), question) == Sought(kind, (thing,))


def test_kinds_and_blocks_of_an_answer_are_read() -> None:
    # Answer in a block of code is read.
    answer = f"```json\n{json.dumps(reading('read', 'a jersey'))}\n```"
    assert sought(answer, "Which number is on the jersey?") == Sought("read", ("a jersey",))
    # What is said is not looked for.
    assert sought(reading("spoken", "a price"), "When does he mention the price?").kind == "spoken"


@pytest.mark.parametrize("kind", ["local", "read", "nonsense"])
@pytest.mark.parametrize("question", ["Is there a dog?", "有没有狗？", "狗出现了几次？", "How often does a dog bark?"])
def test_clear_openings_outweigh_the_model(kind: str, question: str) -> None:
    assert sought(reading(kind, "a dog"), question).kind in SEARCHED


@pytest.mark.parametrize(
    "answer", ["", "no JSON", "{", {"kind": 7, "thing": 8}, '["kind"]', reading("dance", "yyyy", parts=7, range="x")]
)
def test_without_a_usable_answer_the_words_count(answer: object) -> None:
    assert classified(answer, "Was the door open?") == Classification(
        (Part("Was the door open?", Sought("local", ("a door open",))),)
    )
    assert sought(answer, "¿Cuándo aparece?") == Sought("local", ())


def test_things_may_come_from_earlier_questions() -> None:
    assert sought(reading("local", "a blue card"), "And the blue one?", "Is there a red card?").look_for == (
        "a blue card",
    )
    assert sought(reading("when", "a dog"), "When does it move?", "Is there a dog?") == Sought("when", ("a dog",))
    assert sought(reading("local", "an invented whale"), "And the blue one?").look_for == ("a blue one",)


@pytest.mark.parametrize(
    ("named", "seconds", "found"),
    [
        ([40, 60], 60.0, (40.0, 60.0)),
        ([50, 70], 60.0, (50.0, 60.0)),
        (["20", 30.5], 60.0, (20.0, 30.5)),
        ([0, 60], 60.0, None),
        ([60, 90], 60.0, None),
        ([30, 20], 60.0, None),
        ([-5, 20], 60.0, None),
        ([5], 60.0, None),
        (None, 60.0, None),
        ([5, 10], 0.0, None),
    ],
)
def test_part_of_the_video_is_the_models(named: object, seconds: float, found: tuple[float, float] | None) -> None:
    answer = reading("local", "a dog", range=named)
    assert classified(answer, "Is the dog wet in the last third?", seconds=seconds).range_seconds == found


def test_several_questions_are_the_models() -> None:
    parts = [
        {"question": "¿Cuándo aparece la tarjeta roja?", "kind": "when", "thing": "una tarjeta roja"},
        {"question": "¿Quién la lleva?", "kind": "local", "thing": "una tarjeta roja"},
    ]
    question = "¿Cuándo aparece la tarjeta roja y quién la lleva?"
    found = classified(reading("local", "una tarjeta", parts=parts), question)
    assert [one.question for one in found.parts] == [str(one["question"]) for one in parts]
    assert [one.sought.kind for one in found.parts] == ["when", "local"]
    divided = classified("", "When is the red card shown and who holds it?")
    assert [one.sought.kind for one in divided.parts] == ["when", "local"]


@pytest.mark.parametrize(
    "question", ["What is written on the sign, and when can it be read?", "牌子上写了什么？什么时候能看清？"]
)
def test_question_that_the_model_has_missed_is_kept(question: str) -> None:
    thing = "a sign" if "sign" in question else "牌子"
    parts = classified(reading("when", thing), question).parts
    assert [part.sought for part in parts] == [Sought("read", (thing,)), Sought("when", (thing,))]


def test_things_that_words_name_clearly_stay_apart() -> None:
    question = "When does the red card appear, and when does the blue card appear?"
    parts = classified(reading("when", "a red card"), question).parts
    assert [part.sought.look_for for part in parts] == [("a red card",), ("a blue card",)]


def test_rules_stand_before_the_question_and_nothing_is_drawn() -> None:
    sent: list[dict[str, Any]] = []

    def behave(body: dict[str, Any]) -> Iterator[str]:
        sent.append(body)
        yield json.dumps(reading("when", "eine rote Karte"))

    with pytest.MonkeyPatch.context() as patch, serve(behave, classifies=True) as server:
        patch.setattr(classification, "stream_pieces", stream_pieces)
        chat = connect(server.base_url, api_key="", model="model")
        connection: Any = SimpleNamespace(chat=chat, takes_schema=True)
        for question in ("Wann erscheint die rote Karte?", "Wann verschwindet sie?"):
            classification.by_model(question, (), 60.0, connection, "en", threading.Event())
    texts = [body["messages"][-1]["content"] for body in sent]
    shared = len(texts[0].partition("Question: ")[0])
    assert texts[0][:shared] == texts[1][:shared] and shared > 0.9 * len(texts[0])
    assert texts[0].endswith('Question: "Wann erscheint die rote Karte?"')
    assert all(body["temperature"] == 0 and "response_format" in body for body in sent)


def test_refusing_engine_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise EngineError("engine_garbage", base_url="", reason="")
        yield

    monkeypatch.setattr(classification, "stream_pieces", refuse)
    assert sought("", "门开了几次？") == Sought("count", ("门开",))


@pytest.mark.parametrize(
    ("refusal", "said", "schemas"),
    [("it broke", {"kind": "read"}, [True, False]), ("Incorrect API key provided", {}, [True])],
)
def test_schema_is_left_out_only_where_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, refusal: str, said: dict[str, str], schemas: list[bool]
) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "response_format" in body:
            raise Refuse(400, refusal)
        yield '{"kind": "read"}'

    monkeypatch.setattr(classification, "stream_pieces", stream_pieces)
    with serve(behave, classifies=True) as server:
        chat = connect(server.base_url, api_key="", model="model")
        connection: Any = SimpleNamespace(chat=chat, takes_schema=True)
        assert classification.ask_for_json("?", "", {"name": "question"}, connection, threading.Event()) == said
    assert ["response_format" in body for body in server.requests] == schemas
