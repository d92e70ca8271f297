"""What a question asks for: by words in both languages, by the model, and without a usable answer."""

from __future__ import annotations

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
from framelens.questions.retrieval.classification import Kind, Sought
from framelens.questions.retrieval.values import SEARCHED
from tests.llm.scripted import Refuse, serve

QUESTIONS: dict[str, tuple[Kind | None, str]] = {
    "When does the red card appear?": ("when", "a red card"),
    "When did she leave?": ("when", "a woman"),
    "When does somebody enter?": ("when", "a person"),
    "At what time is a dog visible?": ("when", "a dog"),
    "How often is the door opened?": ("count", "a door"),
    "How many times is an egg shown?": ("count", "an egg"),
    "What does the sign say?": ("read", "a sign"),
    "What is written on the blackboard?": ("read", "a blackboard"),
    "When does the sign say OPEN?": ("when", "a sign"),
    "What does she say about taxes?": ("spoken", "a woman"),
    "When does he mention the price?": ("spoken", "a price"),
    "What is this video about?": ("global", ""),
    "Summarise it.": ("global", ""),
    "Was the door open when he came?": (None, "a door"),
    "How many people are in the room?": (None, "people and a room"),
    "How many of them are there?": (None, ""),
    "How many cars pass in the last three seconds?": (None, "cars"),
    "最后3秒画面里有几个人？": (None, "人"),
    "一共有多少辆红色的车？": (None, "红色的车"),
    "路边的狗有几只？": (None, "路边的狗"),
    "谁在说话？": (None, "人在说话"),
    "哪些片段有猫？": ("when", "猫"),
    "有哪些颜色的车？": (None, "颜色的车"),
    "最后一个镜头里有什么？": (None, ""),
    "红色卡片什么时候出现？": ("when", "红色卡片"),
    "她什么时候离开的？": ("when", "她离开"),
    "第一次看到红色汽车是什么时候？": ("when", "红色汽车"),
    "门开了几次？": ("count", "门开"),
    "牌子上写着什么？": ("read", "牌子"),
    "老师提到了哪些公式？": ("spoken", ""),
    "视频里讲了什么？": ("global", ""),
    "总结一下这个视频": ("global", ""),
    "有没有狗？": ("exists", "狗"),
    "视频里有红色卡片吗？": ("exists", "红色卡片"),
    "有人说了什么？": ("spoken", ""),
    "有几辆车？": (None, ""),
    "Is there a blue card?": ("exists", "a blue card"),
    "Are there any dogs in the yard?": ("exists", ""),
    "Does a red car appear?": ("exists", "a red car"),
    "Is there a sign that says OPEN?": ("exists", ""),
    "Does the red car ever appear?": ("exists", "a red car"),
    "Is the dog visible?": ("exists", "a dog"),
    "视频里是否会出现狗？": ("exists", ""),
    "Is there anything unusual?": (None, ""),
    "车是什么颜色的？": (None, "车"),
    "发生车祸了吗？": (None, "车祸"),
    "事故发生在哪里？": (None, "事故"),
    "发生了什么事？": (None, ""),
    "What happened?": (None, ""),
    "最后几秒有狗吗？": ("exists", "狗"),
    "When does a bottle fall over?": ("when", "a bottle fall over"),
    "When does the speaker point to the chart?": ("when", "a speaker and a chart"),
    "When does the woman with the umbrella cross the street?": ("when", "a woman and an umbrella"),
    "When does the word “OPEN” appear?": ("when", "a word “OPEN”"),
    "When does 'OPEN' appear?": ("when", "“OPEN”"),
    "When does the dog's owner appear?": ("when", "a dog's owner"),
    "When do we see fire?": ("when", "fire"),
    "When is there smoke?": ("when", "smoke"),
    "Show me when the light goes off": ("when", "a light"),
    "Find the moments where a cat is visible.": ("when", "a cat"),
    "List all the times that a car passes": ("when", "a car"),
    "Tell me the time of day": (None, ""),
    "List the parts of the machine.": (None, "parts and a machine"),
    "Which part of the video shows a dog?": ("when", "a dog"),
    "Where is the dog?": (None, "a dog"),
    "when the dog barks": ("when", ""),
    "When the dog barks, what does the cat do?": (None, ""),
    "Describe the moment when the ball hits the net.": (None, ""),
    "什么时候能看到地球？": ("when", "地球"),
    "请问大概在什么时间出现了蓝色的球呢？": ("when", "蓝色的球"),
    "几点几分有车经过": ("when", "车经过"),
    "哪一秒球进了？": ("when", "球进"),
    "帮我找一下什么时候有烟": ("when", "烟"),
    "什么时候开始有烟雾？": ("when", "烟雾"),
    "最后一次看到狗是什么时候？": ("when", "狗"),
    "什么时候换的场景？": ("when", "换场景"),
    "找出有狗的片段": ("when", "狗"),
    "哪些画面里有狗？": ("when", "狗"),
    "哪个画面最好看？": (None, ""),
    "When does the lamp turn on?": ("when", "a lamp"),
    "When is a red card visible between 0:10 and 0:20?": ("when", "a red card"),
    "从0:10到0:20，红色卡片出现了几次？": ("count", "红色卡片"),
    "前10秒红卡出现了几次？": ("count", "红卡"),
    "第3秒画面里有什么？": (None, ""),
    "第3秒有没有红卡？": ("exists", "红卡"),
    "Is there a dog at 0:15?": ("exists", "a dog"),
    "How many times and when does the red card appear?": ("count", "a red card"),
    "When is the first red card?": ("when", "a red card"),
    "Is a dog or a cat visible?": ("exists", "a dog or a cat"),
    "When, if ever, is a cat visible?": ("when", "a cat"),
    "红卡第二次出现在什么时候？": ("when", "红卡"),
    "每次红卡出现是什么时候？": ("when", "红卡"),
    "视频里一共出现了多少次红卡？": ("count", "红卡"),
    "红卡什么时候出现又什么时候消失？": ("when", "红卡"),
    "列出所有红卡出现的时刻": ("when", "红卡"),
    "红卡出现过吗？": ("exists", "红卡"),
    "红卡在两个视频里各出现了几次？": ("count", "红卡"),
    "画面中出现红卡了吗？": ("exists", "红卡"),
    "“什么时候”这几个字什么时候出现？": ("when", "“什么时候”这几个字"),
    "How long is the red card visible?": ("when", "a red card"),
    "红卡出现了多久？": ("when", "红卡"),
    "When does the red card disappear?": ("when", "a red card"),
    "红色卡片什么时候消失？": ("when", "红色卡片"),
    "How often is the red card not visible?": (None, ""),
    "When is there no one in the room?": (None, ""),
    "什么时候没有人？": (None, ""),
    "什么时候看不到狗？": (None, ""),
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


def test_time_alone_names_nothing_to_look_for() -> None:
    assert classification.things_in_words("什么时候？") == ()


@pytest.mark.parametrize(
    "question, earlier, thing",
    [
        ("when can it be read?", ["What is written on the sign, and when can it be read?"], "a sign"),
        ("And when does she leave?", ["Is there a dog?", "Where is the woman in red?"], "a woman"),
        ("When does it move?", ["Is there a dog?", "And when does it bark?"], "a dog"),
        ("When does the cat move?", ["Is there a dog?"], "a cat"),
        ("When does it turn green?", ["When is a light visible?"], "a green light"),
        ("它什么时候变绿？", ["有没有灯？"], "绿色的灯"),
        ("什么时候能看清？", ["牌子上写了什么？什么时候能看清？"], "牌子"),
        ("它什么时候消失？", ["有没有狗？"], "狗"),
        ("她什么时候离开？", ["有没有狗？"], "她离开"),
    ],
)
def test_question_that_names_nothing_is_about_the_one_before(question: str, earlier: list[str], thing: str) -> None:
    assert classification.things_in_words(question, earlier) == (thing,)


def test_refusing_engine_leaves_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise EngineError("engine_garbage", base_url="", reason="")
        yield

    monkeypatch.setattr(classification, "stream_pieces", refuse)
    assert asked("", "门开了几次？") == Sought("count", ("门开",))


@pytest.mark.parametrize(
    "question, parts",
    [
        ("When does he leave and what does he carry?", ("When does he leave", "what does he carry?")),
        ("When does he leave? What does he carry?", ("When does he leave?", "What does he carry?")),
        ("Is there a red card, and how often is it shown?", ("Is there a red card", "how often is it shown?")),
        ("他什么时候离开，带着什么？", ("他什么时候离开", "带着什么？")),
        ("红色卡片什么时候出现？后面是哪张卡片？", ("红色卡片什么时候出现？", "后面是哪张卡片？")),
        ("When and where is the dog?", ("When is the dog?", "where is the dog?")),
        ("红牌什么时候在哪里出现？", ("红牌什么时候出现？", "红牌在哪里出现？")),
        ("How many times and when does the red card appear?", None),
        ("When does the man in a hat and coat leave?", None),
        ("When he leaves, what does he carry and wear?", None),
        ("When does the black and white cat jump?", None),
        ("当门打开时，谁走进来？", None),
        ("What is it? Who? Where? Why?", None),
        ("¿Cuándo aparece y qué lleva?", None),
    ],
)
def test_questions_in_one_are_divided(question: str, parts: tuple[str, ...] | None) -> None:
    assert classification.parts_in_words(question) == (parts or (question,))


@pytest.mark.parametrize("said", ["local", "read", "nonsense"])
@pytest.mark.parametrize(
    "question", ["Is there a dog?", "有没有狗？", "狗出现了几次？", "How often does a dog appear?"]
)
def test_model_stops_no_search_that_words_ask_for(said: str, question: str) -> None:
    answer = f'{{"kind": "{said}", "look_for": ["a dog"]}}'
    assert asked(answer, question).kind in SEARCHED


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("a red card", "the red cards", True),
        ("红色卡片", "红色的卡片", True),
        ("a red card", "a blue card", False),
        ("a glass", "", False),
    ],
)
def test_a_thing_is_known_by_its_words(one: str, other: str, is_same: bool) -> None:
    assert classification.is_same_thing(one, other) is is_same


@pytest.mark.parametrize(
    "question",
    [
        "When does it move?",
        "When will it start?",
        "When does it stop?",
        "When does it appear?",
        "When does it open?",
        "How often does it flash?",
        "它什么时候停下？",
        "它什么时候开始动？",
        "它什么时候出现",
        "它闪了几次？",
    ],
)
def test_a_verb_after_a_pronoun_is_no_thing(question: str) -> None:
    assert classification.things_in_words(question) == ()


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("When is the Earth visible?", "the Earth"),
        ("When is the Eiffel Tower shown?", "the Eiffel Tower"),
        ("When does the sun appear?", "the sun"),
        ("When is the BBC logo shown?", "a BBC logo"),
        ("When do the cars appear?", "cars"),
        ("When do the people leave?", "people"),
        ("When are the two men visible?", "two men"),
        ("When do his glasses appear?", "glasses"),
        ("When is some smoke visible?", "smoke"),
        ("When does the traffic light appear?", "a traffic light"),
        ("When does the bus stop?", "a bus"),
        ("When does a uniform appear?", "a uniform"),
        ("When does the unicorn appear?", "a unicorn"),
        ("When does the uncle appear?", "an uncle"),
        ("When is the hourglass visible?", "an hourglass"),
        ("When does the usual guest leave?", "a usual guest"),
        ("When do the lights turn green?", "green lights"),
    ],
)
def test_articles_are_those_of_english(question: str, thing: str) -> None:
    assert classification.things_in_words(question) == (thing,)


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("When does it turn blue?", "something blue"),
        ("When did it go red?", "something red"),
        ("When is it blue?", "something blue"),
        ("When does the light turn green?", "a green light"),
        ("When does the screen go black?", "a black screen"),
        ("When does it get dark?", "a dark scene"),
        ("When does it start raining?", "raining"),
        ("When does it rain?", "rain"),
        ("When does it begin to snow?", "snow"),
        ("When does the dog become visible?", "a dog"),
        ("When does the red car turn left?", "a red car"),
        ("它什么时候变蓝", "蓝色的东西"),
        ("灯什么时候变绿了？", "绿色的灯"),
        ("画面什么时候变黑？", "黑色的画面"),
        ("什么时候变成红色？", "红色的东西"),
        ("红灯什么时候变成绿灯？", "红灯变成绿灯"),
    ],
)
def test_what_takes_on_a_look_is_sought_with_it(question: str, thing: str) -> None:
    assert classification.things_in_words(question) == (thing,)


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
    with serve(behave) as server:
        chat = connect(server.base_url, api_key="", model="model")
        connection: Any = SimpleNamespace(chat=chat, takes_schema=True)
        assert classification.asked_for_json("?", "", {"name": "question"}, connection, threading.Event()) == said
    assert ["response_format" in body for body in server.requests] == schemas
