"""Cues are sentences of a readable length, with the times of their words."""

from framelens.core.domain import Cue
from framelens.plugins.speech.recognition.cues import cues_of
from framelens.plugins.speech.recognition.messages import Word


def said(*texts: str, pause: float = 0.1, seconds: float = 0.4) -> list[Word]:
    step = seconds + pause
    return [Word(number * step, number * step + seconds, text) for number, text in enumerate(texts)]


def test_a_sentence_is_a_cue_with_the_times_of_its_words() -> None:
    found = list(cues_of(said(" It", " was.", " So", " it", " is")))
    assert found == [Cue(0.0, 0.9, "It was."), Cue(1.0, 2.4, "So it is")]


def test_chinese_has_no_blanks_and_its_own_full_stop() -> None:
    assert [one.text for one in cues_of(said("你", "好", "。", "再", "见"))] == ["你好。", "再见"]


def test_a_pause_or_the_end_of_a_segment_begins_a_new_cue() -> None:
    assert len(list(cues_of(said(" one", " two", pause=0.9)))) == 2
    assert len(list(cues_of([Word(0, 1, " one", ends_segment=True), Word(1, 2, " two")]))) == 2


def test_no_cue_is_longer_than_two_lines_or_seven_seconds() -> None:
    long = list(cues_of(said(*[" word"] * 60, pause=0.0, seconds=0.1)))
    slow = list(cues_of(said(*[" word"] * 20, pause=0.5, seconds=0.5)))
    assert all(len(one.text) <= 84 for one in long) and len(long) == 4
    assert all(one.end_seconds - one.start_seconds <= 7 for one in slow)
    assert sum(len(one.text.split()) for one in (*long, *slow)) == 80
