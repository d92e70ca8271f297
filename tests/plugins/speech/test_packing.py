"""Speech is packed into windows of half a minute, and words get back the times of the recording."""

import numpy as np
import pytest

from framelens.core.domain import SpeechSpans
from framelens.plugins.speech.recognition.messages import SoundSent, SpeechFound, Word, WordsHeard
from framelens.plugins.speech.recognition.packing import MOST_SAMPLES, RATE, Packer, SpeechPassage, Window
from framelens.plugins.speech.recognition.worker import heard


def passage(start: float, seconds: float) -> SpeechPassage:
    return SpeechPassage(start, np.zeros(round(seconds * RATE), np.float32))


def pack(*passages: SpeechPassage) -> list[Window]:
    packer = Packer()
    windows = [window for one in passages for window in packer.push(one)] + list(packer.finish())
    assert packer.held_from_seconds is None and list(packer.finish()) == []
    return windows


def test_windows_have_a_minute_of_whole_speech() -> None:
    # A window has a minute of speech and ends at a pause.
    windows = pack(*(passage(at, 8) for at in range(0, 200, 10)))
    assert [len(one.passages) for one in windows] == [8, 8, 4]
    # Speech that was cut in two stays together.
    windows = pack(*(passage(at, 25) for at in (0, 25, 50, 75, 101)))
    assert [len(one.passages) for one in windows] == [4, 1]
    without_pause = pack(*(passage(at, 25) for at in range(0, 250, 25)))
    assert all(len(one.samples) <= MOST_SAMPLES for one in without_pause) and len(without_pause) == 3


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ((0.5, 1.0), (10.5, 11.0)),
        ((3.5, 4.5), (53.5, 54.5)),
        ((2.9, 3.4), (53.0, 53.4)),  # its middle is in the second passage
        ((2.4, 3.1), (12.4, 13.0)),
        ((5.0, 9.0), (55.0, 55.0)),  # beyond what was heard
    ],
)
def test_words_lie_where_they_were_said(said: tuple[float, float], found: tuple[float, float]) -> None:
    assert Window((passage(10, 3), passage(53, 2))).times(*said) == found


def test_all_that_is_reported_reached_was_read() -> None:
    sound = bytes(2 * 20 * RATE)
    said = {0.0: ((5.0, 17.0),), 20.0: ((25.0, 37.0),), 40.0: ()}
    parts = [*(SoundSent(at, at + 20.0, sound, speech) for at, speech in said.items()), SoundSent(60.0, 60.0)]

    def read(window: Window) -> list[Word]:
        return [Word(one.start_seconds, one.start_seconds + 1, " x") for one in window.passages]

    answers = list(heard(parts, read, lambda part: ()))
    assert [(answer.end_seconds, len(answer.words)) for answer in answers] == [(5.0, 0), (5.0, 0), (5.0, 0), (60.0, 2)]


def test_speech_is_looked_for_once_and_read_where_it_was_found() -> None:
    sound = np.arange(20 * RATE, dtype="<i2").tobytes()
    asked, read = list[float](), list[SpeechPassage]()

    def find(part: SoundSent) -> SpeechSpans:
        asked.append(part.start_seconds)
        return ((part.start_seconds + 1.0, part.start_seconds + 1.5),)

    def note(window: Window) -> list[Word]:
        read.extend(window.passages)
        return []

    parts = [SoundSent(40.0, 60.0, sound), SoundSent(40.0, 60.0, sound, ((41.0, 41.5),)), SoundSent(60.0, 60.0)]
    assert list(heard(parts, note, find)) == [SpeechFound(((41.0, 41.5),)), WordsHeard(41.0, ()), WordsHeard(60.0, ())]
    assert asked == [40.0] and [one.start_seconds for one in read] == [41.0]
    assert np.array_equal(read[0].samples * 32768, np.arange(RATE, 1.5 * RATE))
