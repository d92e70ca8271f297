"""Conversations as values: the tree of turns, the checks of questions and settings."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import ConfigError, InputError
from framelens.i18n import error_text
from framelens.questions import answer
from framelens.questions.conversation import (
    MOST_QUESTION,
    AnswerDraft,
    AnswerText,
    AskSettings,
    Conversation,
    FrameRef,
    FramesAdded,
    Look,
    ReasoningText,
    checked_question,
)
from framelens.questions.repository import ConversationRepository
from framelens.store.database import Row, Store

SETTINGS = AskSettings()


def asked(*questions: str) -> Conversation:
    conversation = Conversation.begun_about(["job"], "en")
    for question in questions:
        conversation = conversation.with_question(question, SETTINGS)
    return conversation


def test_defaults_are_those_of_a_conversation() -> None:
    assert (SETTINGS.temperature, SETTINGS.top_p, SETTINGS.seed) == (0.6, 0.95, None)
    assert AskSettings.LIMITS["max_tokens"][1] == 4096 and AskSettings.LIMITS["context_tokens"][1] == 32768


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.01),
        ("max_tokens", 0),
        ("max_tokens", 4097),
        ("max_tokens", 10.5),
        ("max_tokens", True),
        ("context_tokens", 32769),
        ("repetition_penalty", float("inf")),
        ("seed", -1),
    ],
)
def test_wrong_setting_says_what_was_given_and_what_fits(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        AskSettings(**{name: value})
    low, high = AskSettings.LIMITS[name]
    for language in ("en", "zh"):
        text = error_text(raised.value, language)  # type: ignore[arg-type]
        assert all(part in text for part in (name, str(value), str(low), str(high))), text


def test_long_and_broken_questions_are_refused_or_mended() -> None:
    # Long system prompt is refused.
    with pytest.raises(ConfigError, match="text_too_long"):
        AskSettings(system_prompt="x" * 8001)
    # Question of 100 000 characters is refused.
    with pytest.raises(ConfigError) as raised:
        asked("a" * 100_000)
    text = error_text(raised.value, "en")
    assert "100,000" in text and f"{MOST_QUESTION:,}" in text
    assert checked_question("a" * MOST_QUESTION)
    assert checked_question("what\udce9?").encode()  # question with broken unicode is readable text
    # Unknown turn is named.
    with pytest.raises(InputError, match="turn_unknown"):
        asked("A").with_question("B", SETTINGS, edit=7)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_empty_question_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="ask_question_missing"):
        asked(text)


def test_first_question_names_the_conversation_on_one_line() -> None:
    conversation = asked("What\nis " + "long " * 40, "Next?")
    assert conversation.name.startswith("What is long") and len(conversation.name) == 80
    assert asked("谁进了房间？").name == "谁进了房间？"


def test_edited_question_is_a_sibling_and_both_branches_stay() -> None:
    first = asked("A", "B", "C")
    edited = first.with_question("B2", SETTINGS, edit=2).with_question("D", SETTINGS)
    assert [turn.question for turn in edited.branch()] == ["A", "B2", "D"]
    assert [turn.question for turn in edited.branch(3)] == ["A", "B", "C"]
    assert [turn.question for turn in edited.siblings(2)] == ["B", "B2"]
    back = edited.switched(2)
    assert [turn.question for turn in back.branch()] == ["A", "B", "C"]
    assert [turn.question for turn in back.with_question("E", SETTINGS).branch()] == ["A", "B", "C", "E"]
    again = edited.with_question("A", SETTINGS, edit=1)
    assert again.last.parent == 0 and len(again.siblings(1)) == 2 and len(first.turns) == 3


def test_turn_grows_with_events_and_keeps_reasoning_apart() -> None:
    turn = asked("A").last
    for event in (ReasoningText("hm "), ReasoningText("so"), AnswerText("no"), AnswerText("yes", restart=True)):
        turn = turn.apply(event)
    assert (turn.reasoning, turn.answer, turn.state) == ("hm so", "yes", "stopped")


def test_frames_get_numbers_once_and_keep_them() -> None:
    def frame(seconds: float, analysis_id: str = "job") -> FrameRef:
        return FrameRef(0, seconds, analysis_id)

    first = asked("A")
    frames = first.numbered([frame(0.0), frame(1.5), frame(0.0, "other")])
    assert [frame.number for frame in frames] == [1, 2, 3]
    first = first.with_turn(first.last.apply(FramesAdded(frames)))
    later = first.with_question("B", SETTINGS)
    assert [one.number for one in later.numbered([frame(9.0), frame(1.5), frame(9.0)])] == [4, 2]
    assert later.pictures() == frames and asked("A").pictures() == ()


def test_counts_in_a_measured_answer_cite_no_frame(tmp_path: Path) -> None:
    store = Store(tmp_path / "framelens.sqlite")
    store.save(Row("job", "2026-01-01", "clip.mp4", "done", "me", "{}"))
    repository = ConversationRepository(store)
    draft = AnswerDraft(repository.add(asked("When is it red?")))
    draft.turn = replace(draft.turn, answer="139 frames were read.", state="complete")
    answer._store(repository, draft, 0.0)
    store.close()
    assert draft.turn.cited == draft.turn.unknown_frames == ()


def test_a_list_says_which_conversations_are_about_all_reports(tmp_path: Path) -> None:
    path = tmp_path / "framelens.sqlite"
    with closing(Store(path)) as store:
        repository = ConversationRepository(store)
        begun = Conversation.begun_about([], "en")
        repository.add(begun.with_question('Is "everywhere":true?', SETTINGS))
        over_all = replace(begun, id="other").with_question("In which?", SETTINGS, look=Look(everywhere=True))
        repository.add(repository.add(over_all).with_question("And then?", SETTINGS))
        listed = [(found.is_everywhere, found.turns) for found in repository.find()]
        assert listed == [(True, ()), (False, ())]
        # As version 2 left it.
        with store.changing() as connection:
            connection.execute("ALTER TABLE conversations DROP COLUMN everywhere")
            connection.execute("PRAGMA user_version = 2")
    with closing(Store(path)) as store:
        assert [(found.is_everywhere, found.turns) for found in ConversationRepository(store).find()] == listed
