"""Cues from words: short enough for a line or two of subtitles, cut at the end of sentences and at pauses."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from framelens import Cue
from framelens.plugins.speech.recognition.messages import Word

# Usual limits of subtitles: two lines of 42 columns, seven seconds.
_COLUMNS, _SECONDS = 84, 7.0
_PAUSE_SECONDS = 0.8
"""Between sentences most speakers pause longer."""
_ENDS = (".", "?", "!", "…", "。", "？", "！")


def cues_of(words: Iterable[Word]) -> Iterator[Cue]:
    """Yield the cues of words in time order."""
    held: list[Word] = []
    for word in words:
        if held and _is_apart(held, word):
            yield _cue(held)
            held = []
        held.append(word)
        if word.ends_segment or word.text.rstrip().endswith(_ENDS):
            yield _cue(held)
            held = []
    if held:
        yield _cue(held)


def _is_apart(held: list[Word], word: Word) -> bool:
    if word.start_seconds - held[-1].end_seconds >= _PAUSE_SECONDS:
        return True
    is_long = word.end_seconds - held[0].start_seconds > _SECONDS
    return is_long or sum(_columns(each.text) for each in (*held, word)) > _COLUMNS


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cue(words: list[Word]) -> Cue:
    start = words[0].start_seconds
    return Cue(start, max(start, words[-1].end_seconds), "".join(word.text for word in words).strip())
