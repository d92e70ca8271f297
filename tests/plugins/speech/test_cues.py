"""Cues are sentences of a readable length, with the times of their words."""

from framelens.core.domain import Cue
from framelens.plugins.speech.recognition.cues import cues_of
from framelens.plugins.speech.recognition.messages import Word


def said(*texts: str, pause: float = 0.1, seconds: float = 0.4) -> list[Word]:
    step = seconds + pause
    return [Word(number * step, number * step + seconds, text) for number, text in enumerate(texts)]


def test_cues_are_sentences_of_two_lines_at_most() -> None:
    # A sentence is a cue with the times of its words.
    found = list(cues_of(said(" It", " was.", " So", " it", " is")))
    assert found == [Cue(0.0, 0.9, "It was."), Cue(1.0, 2.4, "So it is")]
    # Chinese has no blanks and its own full stop.
    assert [one.text for one in cues_of(said("你", "好", "。", "再", "见"))] == ["你好。", "再见"]
    # A pause or the end of a segment begins a new cue.
    assert len(list(cues_of(said(" one", " two", pause=0.9)))) == 2
    assert len(list(cues_of([Word(0, 1, " one", ends_segment=True), Word(1, 2, " two")]))) == 2
    # No cue is longer than two lines or seven seconds.
    long = list(cues_of(said(*[" word"] * 60, pause=0.0, seconds=0.1)))
    slow = list(cues_of(said(*[" word"] * 20, pause=0.5, seconds=0.5)))
    assert all(len(one.text) <= 84 for one in long) and len(long) == 4
    assert all(one.end_seconds - one.start_seconds <= 7 for one in slow)
    assert sum(len(one.text.split()) for one in (*long, *slow)) == 80
