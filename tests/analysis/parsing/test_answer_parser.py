import json
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from framelens.analysis.parsing.answer_parser import ParsedAnswer, parse_answer, partial_text
from framelens.analysis.prompts.schema import schema_of
from framelens.analysis.prompts.templates import built_in
from framelens.core.citations import without_own_times
from framelens.core.domain import Chapter, Finding, Subject
from framelens.i18n import LANGUAGES, catalogue, in_language
from tests.analysis.mangled import GOOD, TIMES, mangled

pytestmark = pytest.mark.usefixtures("english")

END = 20.0
PART: dict[str, Any] = {
    "findings": [{"frames": [3], "text": "red"}, {"frames": [4, 5], "text": "blue"}],
    "overview": [{"frames": [3], "text": "cards"}],
    "subjects": [{"name": "the man in red", "look": "tall"}],
}
FOUND = (Finding("red", (3,)), Finding("blue", (4, 5)))
ANSWER = json.dumps(PART)


def reading(answer: Any, scope: Any = "part", template: str = "describe", language: Any = "en") -> ParsedAnswer:
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    with in_language(language):
        return parse_answer(text, scope, built_in()[template], TIMES, END)


def one(entry: dict[str, Any], template: str = "describe", language: Any = "en") -> Finding:
    (found,) = reading({"findings": [entry], "overview": [], "subjects": []}, "part", template, language).findings
    return found


SCHEMA = schema_of(built_in()["describe"], "part")


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(SCHEMA),
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMA}),
        json.dumps(SCHEMA["properties"]),
        json.dumps({"name": "report", "schema": SCHEMA, "strict": True}),
        f"Here it is:\n```json\n{json.dumps(SCHEMA, indent=1)}\n```\nI hope this helps.",
        json.dumps(SCHEMA)[:-200],
        '{"type": "object", "required": ["findings"]}',
    ],
)
def test_form_in_place_of_an_answer_says_nothing(answer: str) -> None:
    found = reading(answer)
    assert found == ParsedAnswer(troubles=found.troubles)
    assert {"not_json", "empty"} <= set(found.troubles)


@pytest.mark.parametrize(
    "answer",
    [
        f'<tool_call>\n{{"name": "report", "arguments": {ANSWER}}}\n</tool_call>',
        f'<tool_call>\n{{"name": "report", "arguments": {json.dumps(ANSWER)}}}\n</tool_call>',
        f'[TOOL_CALLS][{{"name": "report", "arguments": {ANSWER}}}]',
        f"<function=report>{ANSWER}</function>",
        json.dumps({"type": "function", "function": {"name": "report", "parameters": PART}}),
        json.dumps([{"answer": PART}]),
        json.dumps({"type": "object", "properties": PART}),
    ],
)
def test_answer_within_a_call_of_a_tool_is_read(answer: str) -> None:
    found, plain = reading(answer), reading(PART)
    assert replace(found, troubles=()) == replace(plain, troubles=())
    assert found.findings == FOUND and found.troubles == ("odd_form",)


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that request.",
        "Sorry, I cannot assist with that.",
        "I am unable to provide a description of these images.",
        "I can’t help identify people in these images.",
        "抱歉，我无法回答这个问题。",
        "你好，我无法给到相关内容。",
        "很抱歉，作为一个人工智能语言模型，我不能提供此类内容。",
    ],
)
def test_answer_that_declines_says_nothing(answer: str) -> None:
    found = reading(answer)
    assert found == ParsedAnswer(troubles=("not_json", "empty"))


@pytest.mark.parametrize(
    "answer",
    [
        "Sorry, the room is too dark to see, but a man sits at the table.",
        "I'm sorry, but I can't provide names. However, a man in a red jacket waves.",
        "Frame 3: I cannot provide more than that the man waves.",
        "抱歉，我无法回答是谁，不过画面里有一名男子。",
        "A man says that he cannot help.",
    ],
)
def test_answer_that_says_more_is_kept(answer: str) -> None:
    found = reading(answer)
    assert found.findings or found.overview


@pytest.mark.parametrize(
    "answer",
    [
        f"The form is {json.dumps(SCHEMA)}, and the answer:\n{ANSWER}",
        json.dumps({"type": "object", "properties": PART}),
        json.dumps({"$schema": "x", **PART}),
    ],
)
def test_answer_beside_its_form_is_found(answer: str) -> None:
    assert tuple(finding for finding in reading(answer).findings if finding.frames) == FOUND


def test_an_entry_about_an_object_is_no_form() -> None:
    assert one({"frames": [3], "type": "object", "text": "a box"}).frames == (3,)


@pytest.mark.parametrize("ending", ["", " and more"])
def test_half_a_character_is_replaced(ending: str) -> None:
    text = '{"findings": [{"frames": [3], "text": "a \\ud83d cat \\ud83d\\ude00"}]}' + ending
    assert reading(text).findings[0].text == "a \ufffd cat \U0001f600"


def test_an_answer_in_its_form_is_read_without_any_trouble() -> None:
    assert reading(PART) == ParsedAnswer(FOUND, (Finding("cards", (3,)),), (Subject("the man in red", "tall"),))


@pytest.mark.parametrize(
    "text, troubles",
    [
        (f"```json\n{ANSWER}\n```", ()),
        (f"\ufeff\n {ANSWER}\n\n", ()),
        (json.dumps(PART, indent=4), ()),
        (f"Here it is:\n{ANSWER}\nI hope this helps.", ("odd_form",)),
        (json.dumps(ANSWER), ("odd_form",)),
        (f"[{ANSWER}]", ("odd_form",)),
        (json.dumps({"report": PART}), ("odd_form",)),
        (ANSWER.replace("findings", "Finding").replace("overview", "SUMMARY"), ("odd_form",)),
        (ANSWER.replace('"', "'"), ("odd_form",)),
        (ANSWER.replace('"', "”").replace("”findings”", "“findings”"), None),
        (ANSWER.replace("}, {", "} {"), None),
        (ANSWER.replace("}, {", "}, // the second\n # and so on\n {").replace("]", "/* end */ ]"), None),
        (ANSWER.replace('", "', '" "').replace('], "', '] "'), None),
        (ANSWER.replace("}, {", "}, ..., {").replace("}]", "}, ...]"), None),
        (ANSWER.replace('"', '\\"'), None),
        (ANSWER.replace("]", "],"), None),
        (ANSWER[:-2], ("half_json",)),
    ],
)
def test_variant_forms_are_read_alike(text: str, troubles: tuple[str, ...] | None) -> None:
    found = reading(text)
    if "”" not in text:
        assert (found.findings, found.overview) == (FOUND, (Finding("cards", (3,)),))
    assert troubles is None or found.troubles == troubles


def test_single_and_empty_findings_are_told_apart() -> None:
    # Broken answer of which nothing is kept is empty.
    assert reading('{"findings": [], "title": " gray; gray; gray').troubles == ("empty",)
    # One finding that is in no list is one.
    assert reading({"frames": [3], "text": "red"}).findings == FOUND[:1]
    assert reading({"findings": {"frames": [3], "text": "red"}}).findings == FOUND[:1]
    # The dots of the form and repeated findings say nothing.
    assert reading({"findings": [{"frames": [1], "text": "…"}, *PART["findings"], *PART["findings"]]}).findings == FOUND


@pytest.mark.parametrize(
    "findings",
    [
        [{"frames": "3", "text": "red"}, {"frames": ["frame 4", 5.0], "text": "blue"}],
        [{"Frame": "frame 3", "Text": "red"}, {"frames": "4-5", "text": "blue"}],
        [{"frame": 3, "description": "red"}, {"frames": "第4帧至第5帧", "text": "blue"}],
        [{"frames": {"only": 3}, "text": "red"}, {"frames": [[4], [5]], "text": ["blue"]}],
        ["3: red", {"frame_numbers": "frames 4 to 5", "text": "blue"}],
        {"3": "red", "frames 4 and 5": {"text": "blue"}},
        "3: red\n[4, 5]: blue",
    ],
)
def test_frames_and_texts_of_every_shape_are_understood(findings: Any) -> None:
    found = reading({"findings": findings, "overview": [], "subjects": []})
    assert [(item.frames, item.text) for item in found.findings] == [
        ((3,), "red"),
        ((4, 5), "blue"),
    ]
    assert found.troubles == ("odd_form",)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PART["findings"]),
        "\n".join(map(json.dumps, PART["findings"])),
        json.dumps({"3": "red", "frame 4-5": "blue"}),
        "1) First:\n" + json.dumps(PART["findings"]),
    ],
)
def test_findings_without_their_answer_are_found(text: str) -> None:
    found = reading(text)
    assert found.findings == FOUND
    assert found.troubles == ("odd_form",)


def test_prose_is_read_line_by_line() -> None:
    found = reading("3: red\nFrame 4: blue\nSummary: cards [frame 3].")
    assert found.findings == (Finding("red", (3,)), Finding("blue", (4,)))
    assert found.overview == (Finding("cards [frame 3].", (3,)),)
    assert found.troubles == ("not_json",)
    assert reading("3: red", "join").overview == (Finding("3: red", (), ("no_frame",)),)


@pytest.mark.parametrize("text", ["", "   \n", "{}", "[]", "null", '{"findings": [], "overview": []}'])
def test_an_answer_that_says_nothing_is_named_empty(text: str) -> None:
    assert "empty" in reading(text).troubles


def test_truncated_answer_keeps_text_but_no_cut_number() -> None:
    whole = json.dumps({"findings": [{"frames": [3], "text": "red"}, {"text": "blue", "frames": [4, 12]}]})
    for end in range(len(whole)):
        found = reading(whole[:end])
        assert all(item in (*FOUND[:1], Finding("red"[: len(item.text)], (3,))) or item.text.startswith("b")
                   for item in found.findings)  # fmt: skip
        assert not any(1 in item.frames for item in found.findings)
    assert reading(whole[:-20]).findings[0] == FOUND[0]


def test_quotes_in_sentences_stay_or_are_named() -> None:
    # Quotes that were not escaped stay in the text.
    text = '{"findings": [{"frames": [3], "text": "he says "stop", then leaves"}, {"frames": [4], "text": "b"}]}'
    assert [item.text for item in reading(text).findings] == ['he says "stop", then leaves', "b"]
    # Answer whose quotes are ambiguous says so.
    for said in ('a 5" pipe", "mood": "calm', 'shown ["left"], "right'):
        assert "unclear" in reading('{"findings": [{"frames": [3], "text": "' + said + '"}], "overview": []}').troubles


QUOTES = [
    'the signs read "Exit", "Gate 4" and "Closed".',
    'the label says "Name": "Smith" in blue.',
    '"Exit", "text": "Closed" are written',
    'a 5" pipe, then "Gate"',
    '"{"a": "b"}" is code, ["x"], too"',
    "the driver's \"own\" car, isn't it?",
    '牌子上写着"出口"，"四号门"："关闭"。',
    '他说："走吧，快点"，然后“离开”',
    '“出口", "四号门”、"关闭"',
]
"""Texts with quotes that a model doesn't escape."""


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("said", QUOTES)
def test_whole_sentences_survive_their_quotes(said: str, indent: int | None) -> None:
    entry = {"frames": [3], "text": "SAID"}
    answer = {"title": "SAID", "findings": [entry, {"text": "SAID", "frames": [4]}], "overview": [entry]}
    found = reading(json.dumps(answer, indent=indent).replace("SAID", said), "whole")
    assert [(item.text, item.frames) for item in found.findings] == [(said, (3,)), (said, (4,))]
    assert ([item.text for item in found.overview], found.title) == ([said], said)


@pytest.mark.parametrize("seed", range(20))
def test_quotes_anywhere_give_the_same_or_are_named(seed: int) -> None:
    rng, marks = random.Random(seed), 0
    for _ in range(20):
        key = rng.choice(["log", "steps"])
        answer = json.dumps(GOOD[key], ensure_ascii=False)
        texts = re.findall(r'": "([^"]{9,})"', answer)
        spoiled, whole = answer, answer
        for text in set(texts):
            places = sorted((rng.randrange(len(text) + 1) for _ in range(rng.randrange(4))), reverse=True)
            quoted = text
            for place in places:
                quoted = f"{quoted[:place]}@{quoted[place:]}"
            spoiled = spoiled.replace(f'"{text}"', '"' + quoted.replace("@", '"') + '"')
            whole = whole.replace(f'"{text}"', '"' + quoted.replace("@", '\\"') + '"')
        found, wanted = reading(spoiled, "whole", key), reading(whole, "whole", key)
        is_named = not {"unclear", "half_json", "not_json"}.isdisjoint(found.troubles)
        assert is_named or replace(found, troubles=()) == replace(wanted, troubles=()), spoiled
        marks += is_named
    assert marks < 4


@pytest.mark.parametrize(
    "entry, frames, issues",
    [
        ({"frames": [3, 99], "text": "x"}, (3,), ("frame_not_sent",)),
        ({"frames": [-3], "text": "x"}, (), ("frame_not_sent",)),
        ({"frames": [10**30], "text": "x"}, (), ("frame_not_sent",)),
        ({"frames": [], "text": "x"}, (), ("no_frame",)),
        ({"frames": None, "text": "x"}, (), ("no_frame",)),
        ({"frames": [True], "text": "x"}, (), ("no_frame",)),
        ({"frames": ["00:03"], "text": "x"}, (), ("own_time", "no_frame")),
        ({"frames": [3.5], "text": "x"}, (), ("own_time", "no_frame")),
        ({"frames": ["3 s"], "text": "x"}, (), ("own_time", "no_frame")),
        ({"frames": [3], "text": "x, as in frame 99"}, (3,), ("frame_not_sent",)),
        ({"frames": [3], "text": "x at 0:45"}, (3,), ("own_time",)),
        ({"frames": [3], "text": "x at 00:04"}, (3,), ()),
        ({"frames": [3], "text": "x", "time": "0:45"}, (3,), ("own_time",)),
    ],
)
def test_what_the_frames_do_not_bear_out_is_named(entry: Any, frames: tuple[int, ...], issues: tuple[str, ...]) -> None:
    found = one(entry)
    assert (found.frames, found.issues) == (frames, issues)


def test_fields_are_kept_in_the_words_of_the_report() -> None:
    entry = {
        "frames": [1],
        "risk": "High",
        "KIND": "坠落",
        "where": "at the edge",
        "measure": ["a rail", "a net"],
        "text": "x",
    }
    assert one(entry, "safety").fields == {
        "risk": "high", "kind": "falls", "where": "at the edge", "measure": "a rail, a net",
    }  # fmt: skip
    assert one(entry, "safety", "zh").fields["risk"] == "高"
    assert one({"frames": [1], "风险": "高", "text": "x"}, "safety", "zh").fields == {"risk": "高"}


def test_values_and_scores_are_kept_and_flagged() -> None:
    # A value that is no choice is kept and named.
    found = one({"frames": [1], "risk": "extreme", "text": "x"}, "safety")
    assert (found.fields, found.issues) == ({"risk": "extreme"}, ("unknown_value",))
    # Invented time in field is flagged but no score.
    assert one({"frames": [1], "where": "at 0:45", "text": "x"}, "log").issues == ("own_time",)
    assert one({"frames": [1], "score": "21:15", "text": "x"}, "sport").issues == ()


@pytest.mark.parametrize(
    "given, value, issues", [(2.0, "2", ()), ("2.5", "2.5", ()), (None, None, ()), ("two", "two", ("unknown_value",))]
)
def test_numbers_are_numbers(given: Any, value: str | None, issues: tuple[str, ...]) -> None:
    found = one({"frames": [1], "step": given, "text": "x"}, "steps")
    assert (found.fields.get("step"), found.issues) == (value, issues)


def test_nothing_that_was_said_beside_the_form_is_lost() -> None:
    assert one({"frames": [1], "text": "x", "mood": "calm"}).text == "x (mood: calm)"
    assert one({"frames": [1], "kind": "moves"}, "log").text == "moves"
    assert reading({"note": "the picture is dark"}).findings == (
        Finding("note: the picture is dark", (), ("no_frame",)),
    )
    twice = '{"findings": [{"frames": [3], "text": "red"}], "findings": [{"frames": [4, 5], "text": "blue"}]}'
    assert reading(twice).findings == FOUND


def test_a_key_of_its_own_is_no_finding() -> None:
    found = reading({**PART, "note": "the picture is dark", "Gate 4": "", "7": "a card", "title": "Cards"})
    assert (found.findings, found.title) == ((*FOUND, Finding("a card", (7,))), "Cards")
    assert found.troubles == ("odd_form",)


def test_findings_in_whole_answer_become_overview() -> None:
    found = reading({"title": "t", "overview": [{"frames": [1], "text": "a"}], "findings": PART["findings"]}, "join")
    assert found.findings == ()
    assert [item.text for item in found.overview] == ["a", "red", "blue"]


WHOLE = {
    "title": "A day",
    "overview": [{"frames": [2], "text": "All day long."}],
    "subjects": [{"name": "the man", "look": "red"}],
    "chapters": [{"first_frame": 2, "title": "Morning", "text": "Light."}, {"first_frame": 5, "title": "Evening"}],
    "reply": [{"frames": [2], "text": "Yes."}],
}
SAID = json.dumps(WHOLE)


@pytest.mark.parametrize(
    "text",
    [
        SAID + SAID,
        f"{SAID}\n{SAID}\n{SAID}",
        f"{SAID}\nAgain:\n{json.dumps(WHOLE, indent=2)}",
        f"```json\n{SAID}\n```\n\n```json\n{SAID}\n```",
        f"[{SAID}, {SAID}]",
        f"{SAID}\n{SAID[: SAID.index('Light') + 2]}\n",
        f"{SAID}\n{json.dumps({**WHOLE, 'overview': []})}",
    ],
)
def test_an_answer_said_twice_counts_once(text: str) -> None:
    assert reading(text, "whole") == replace(reading(SAID, "whole"), troubles=("odd_form",))


def test_different_answers_are_merged() -> None:
    other = {"title": "A night", "chapters": [{"first_frame": 2, "title": "Dawn", "text": "Light."}]}
    found = reading(f"{SAID}\n{json.dumps(other)}", "whole")
    assert found.title == "A day A night"
    assert [(chapter.title, chapter.text) for chapter in found.chapters] == [
        ("Morning", "Light. Dawn Light."),
        ("Evening", ""),
    ]
    assert found.reply == (Finding("Yes.", (2,)),)


def test_chapters_are_contiguous_over_the_video() -> None:
    found = reading(
        {
            "title": "A day",
            "chapters": [
                {"first_frame": 5, "title": "Evening", "text": "Dark."},
                {"first_frame": 2, "title": "Morning", "text": "Light."},
                {"first_frame": 99, "title": "Never", "text": ""},
                {"first_frame": 5, "title": "Dusk", "text": ""},
                "7: Night",
            ],
            "overview": "All day long.",
            "reply": [{"frames": [2], "text": "Yes."}],
        },
        "whole",
    )
    assert found.chapters == (
        Chapter("Morning", "Light.", 2, 0.0, TIMES[5]),
        Chapter("Evening", "Dark. Dusk", 5, TIMES[5], TIMES[7]),
        Chapter("Night", "", 7, TIMES[7], END),
    )
    assert found.title == "A day"
    assert found.reply == (Finding("Yes.", (2,)),)
    assert set(found.troubles) == {"chapter_frame", "odd_form"}


def test_a_title_that_does_not_end_is_cut() -> None:
    found = reading({"title": "black " * 90, "overview": [], "chapters": [{"first_frame": 2, "title": "red " * 90}]})
    assert len(found.title) <= 120 and found.title.endswith("black…")
    assert len(found.chapters[0].title) <= 120


def test_chapter_begins_with_the_shot_of_its_first_frame() -> None:
    given = {"overview": [], "chapters": [{"first_frame": number, "title": str(number)} for number in (1, 2, 3, 4)]}
    times = {1: 1.0, 2: 4.0, 3: 9.0, 4: 10.0}
    found = parse_answer(json.dumps(given), "join", built_in()["describe"], times, 20.0, [0.0, 2.0, 3.5, 6.0, 12.0])
    assert [chapter.start_seconds for chapter in found.chapters] == [0.0, 3.5, 6.0, 10.0]
    assert [chapter.end_seconds for chapter in found.chapters] == [3.5, 6.0, 10.0, 20.0]


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("✅ verified by FrameLens: a red door opens", "a red door opens"),
        ("⚠️ Verified by FrameLens a red door opens ✔", "a red door opens"),
        ("✅ 经 FrameLens 核实：红门打开", "红门打开"),
        ("FrameLens: how to install it", "FrameLens: how to install it"),
    ],
)
def test_a_title_has_no_marks_of_the_program(said: str, title: str) -> None:
    assert reading({"title": said, "findings": [{"frames": [1], "text": "a door"}]}, "whole").title == title


def test_times_of_its_own_are_taken_out_of_titles_and_chapters() -> None:
    found = reading(
        {
            "title": "Until 0:45",
            "overview": [],
            "chapters": [{"first_frame": 2, "title": "From 00:03 on", "text": "at 50 s"}],
        },
        "join",
    )
    assert found.title == "Until …"
    assert (found.chapters[0].title, found.chapters[0].text) == ("From 00:03 on", "…")
    assert found.troubles == ("chapter_time",)


def test_subjects_of_every_shape_are_understood() -> None:
    for given in (
        [{"name": "the man", "look": "red"}, {"name": "the man", "look": "again"}],
        {"the man": "red"},
        {"name": "the man", "look": "red"},
        ["the man: red"],
        "the man：red",
    ):
        assert reading({**PART, "subjects": given}).subjects == (Subject("the man", "red"),)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_trouble_and_issue_has_its_words(language: Any) -> None:
    troubles = {"not_json", "half_json", "odd_form", "chapter_frame", "chapter_time", "empty", "repeats", "cut"}
    troubles |= {"broke_off", "reasoned", "unclear"}
    issues = {"frame_not_sent", "no_frame", "own_time", "unknown_value"}
    texts = catalogue(language)
    assert {f"trouble.{trouble}" for trouble in troubles} | {f"unverified.{one}" for one in issues} <= texts.keys()


def held(text: str, frames: Iterable[int]) -> bool:
    """Whether each time in the text is the time of a frame in `frames`."""
    return without_own_times(text, {number: TIMES[number] for number in frames}) == text


@pytest.mark.parametrize("seed", range(40))
def test_mangled_answers_never_fail_or_invent_frames(seed: int) -> None:
    for scope, template, text in mangled(seed, count=50):
        found = parse_answer(text, scope, built_in()[template], TIMES, END)  # type: ignore[arg-type]
        said = [*found.findings, *found.overview, *found.reply]
        for item in said:
            assert item.text == item.text.strip() != ""
            assert item.frames or item.issues
            assert set(item.frames) <= set(TIMES)
            words = [item.text, *item.fields.values()]
            assert "own_time" in item.issues or all(held(word, item.frames or TIMES) for word in words)
        edges = [0.0, *(TIMES[chapter.first_frame] for chapter in found.chapters[1:]), END]
        assert [(chapter.start_seconds, chapter.end_seconds) for chapter in found.chapters] == (
            list(pairwise(edges)) if found.chapters else []
        )
        unmarked = [found.title, *(word for one in found.chapters for word in (one.title, one.text))]
        unmarked += [word for one in found.subjects for word in (one.name, one.look)]
        assert all(held(one, TIMES) for one in unmarked)
        "".join(
            [*unmarked, *(word for one in said for word in (one.text, *one.fields.values())), partial_text(text)]
        ).encode()
        forms = {"not_json", "half_json", "odd_form", "unclear", "empty"}
        assert set(found.troubles) <= {*forms, "chapter_frame", "chapter_time"}


def test_partial_answer_is_always_readable_and_grows() -> None:
    text = json.dumps(GOOD["log"], ensure_ascii=False)
    shown = [partial_text(text[:end]) for end in range(len(text) + 1)]
    assert shown[-1].splitlines()[0] == "1: appears · a man in red · left · A man comes in."
    assert not any(sign in line for line in shown for sign in '{}[]"')
    assert [len(line) for line in shown] == sorted(len(line) for line in shown)


@pytest.mark.parametrize("text", ["3: red\n4: blue", "A plain [frame 3] sentence.", "", "Look: {the man} walks."])
def test_growing_prose_is_shown_unchanged(text: str) -> None:
    assert partial_text(text) == text


def test_partial_answer_after_fences_and_words_is_read() -> None:
    assert partial_text('```json\n{"findings": [{"frames": [3, 4], "text": "re') == "3, 4: re"
    assert partial_text('Sure!\n{"title": "A day", "overview": [{"frames": [1], "text": "All') == "Sure!\nA day\n1: All"
    assert partial_text("```js") == ""
