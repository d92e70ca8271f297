"""What the opening of a question says in English and Chinese, and what it leaves to the model."""

import pytest

from framelens.questions.moments.finder import is_same_thing
from framelens.questions.retrieval.openings import kind_by_opening, opening_of, parts_in_words
from framelens.questions.retrieval.values import Kind


@pytest.mark.parametrize(
    ("question", "kind", "thing"),
    [
        ("When does the red card appear?", "when", "a red card"),
        ("When is there smoke?", "when", "smoke"),
        ("When do we see the cars?", "when", "cars"),
        ("At what time is a dog visible?", "when", "a dog"),
        ("When does the word “OPEN” appear on the screen?", "when", "a word “OPEN”"),
        ("When is a red card visible between 0:10 and 0:20?", "when", "a red card"),
        ("When does a uniform appear?", "when", "a uniform"),
        ("When is the Eiffel Tower shown?", "when", "the Eiffel Tower"),
        ("How many times is an egg shown?", "count", "an egg"),
        ("How often do red cards appear?", "count", "red cards"),
        ("Is there a blue card in the picture?", "exists", "a blue card"),
        ("Are there any dogs in the yard?", "exists", "dogs in the yard"),
        ("Does the red car ever appear?", "exists", "a red car"),
        ("红色卡片什么时候出现？", "when", "红色卡片"),
        ("什么时候能看到地球？", "when", "地球"),
        ("第一次看到红色汽车是什么时候？", "when", "红色汽车"),
        ("0:10之后红色卡片出现了几次？", "count", "红色卡片"),
        ("视频里一共出现了多少次红卡？", "count", "红卡"),
        ("有没有狗？", "exists", "狗"),
        ("视频里有红色卡片吗？", "exists", "红色卡片"),
        ("What is this video about?", "global", ""),
        ("总结一下这个视频", "global", ""),
        ("What does she say about taxes?", "spoken", ""),
        ("老师提到了哪些公式？", "spoken", ""),
    ],
)
def test_openings_decide_without_a_model(question: str, kind: Kind, thing: str) -> None:
    opening = opening_of(question)
    assert opening.is_decided and (opening.kind, opening.thing) == (kind, thing)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When does the man leave?", "when"),
        ("When does it appear?", "when"),
        ("How often is the door opened?", "count"),
        ("What does the sign say?", "read"),
        ("What does the man hold?", "local"),
        ("How many people are there?", "local"),
        ("她什么时候离开的？", "when"),
        ("它什么时候出现？", "when"),
        ("红卡第二次出现在什么时候？", "when"),
        ("门开了几次？", "count"),
        ("牌子上写着什么？", "read"),
        ("谁在说话？", "local"),
    ],
)
def test_thing_of_a_clear_kind_is_left_to_the_model(question: str, kind: Kind) -> None:
    opening = opening_of(question)
    assert opening.kind == kind and not opening.is_decided


@pytest.mark.parametrize(
    "question",
    [
        "Wann erscheint die rote Karte?",
        "¿Cuándo aparece la tarjeta roja?",
        "赤いカードはいつ現れますか？",
        "Find the moments where a cat is visible.",
        "When the dog barks, what does the cat do?",
        "When is there no one in the room?",
        "Is there anything unusual?",
        "Was the door open when he came?",
        "How often is the red card not visible?",
        "什么时候没有人？",
        "什么时候看不到狗？",
        "列出所有红卡出现的时刻",
    ],
)
def test_everything_else_is_left_to_the_model(question: str) -> None:
    assert kind_by_opening(question) is None


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("What does the red card look like?", "a red card"),
        ("Which card follows the red card?", "a red card"),
        ("When does the speaker leave?", "a speaker"),
        ("What is on the table?", "a table"),
        ("Which card comes after the red one?", "a red one"),
        ("它在哪里？", "它"),
        ("Wann?", ""),
    ],
)
def test_first_thing_named_is_looked_for_without_an_answer(question: str, thing: str) -> None:
    assert opening_of(question).thing == thing


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When does he leave and what does he carry?", ("When does he leave", "what does he carry?")),
        ("When does he leave? What does he carry?", ("When does he leave?", "What does he carry?")),
        ("Is there a red card, and how often is it shown?", ("Is there a red card", "how often is it shown?")),
        ("他什么时候离开，带着什么？", ("他什么时候离开", "带着什么？")),
        ("红色卡片什么时候出现？后面是哪张卡片？", ("红色卡片什么时候出现？", "后面是哪张卡片？")),
        ("When does the man in a hat and coat leave?", None),
        ("When he leaves, what does he carry and wear?", None),
        ("当门打开时，谁走进来？", None),
        ("What is it? Who? Where? Why?", None),
        ("¿Cuándo aparece y qué lleva?", None),
    ],
)
def test_questions_in_one_are_divided(question: str, parts: tuple[str, ...] | None) -> None:
    assert parts_in_words(question) == (parts or (question,))


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
    assert is_same_thing(one, other) is is_same
