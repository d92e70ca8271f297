"""Reader of windows by SenseVoice or Paraformer in sherpa-onnx, each passage by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from framelens import InputError
from framelens.plugin.processes import move_on
from framelens.plugins.speech.recognition.messages import SHERPA_FILES, SpeechRequest, Word, sherpa_weights
from framelens.plugins.speech.recognition.packing import RATE, SpeechPassage, Window

_LANGUAGES = {"sensevoice": ("zh", "en", "ja", "ko", "yue"), "paraformer": ("zh", "en")}
_LONGEST_TOKEN_SECONDS = 0.6
"""A token ends where the next begins, but not after a pause; a slow syllable is about as long."""
_JOINED = "@@"


class SherpaReader:
    """Reader of windows in their order.

    Args:
        request: The task, with a model of one of these families.

    Raises:
        InputError: The model doesn't know the language.
        RuntimeError: The model can't be loaded.
    """

    def __init__(self, request: SpeechRequest) -> None:
        if request.language not in ("", *_LANGUAGES[request.family]):
            raise InputError("speech_language_unknown", language=request.language)
        self._family = request.family
        self._model = _load(request)

    def words(self, window: Window) -> list[Word]:
        """Return the words in a window, on the time axis of the recording."""
        words: list[Word] = []
        for passage in window.passages:
            stream = self._model.create_stream()
            stream.accept_waveform(RATE, passage.samples)
            self._model.decode_stream(stream)
            move_on()
            result = stream.result
            words += words_of(result.tokens, result.timestamps, passage, is_marked=self._family == "paraformer")
        return words


def _load(request: SpeechRequest) -> Any:
    import sherpa_onnx

    weights, tokens = str(sherpa_weights(request.path)), str(request.path / SHERPA_FILES[1])
    if request.family == "paraformer":
        return sherpa_onnx.OfflineRecognizer.from_paraformer(weights, tokens, num_threads=request.threads)
    return sherpa_onnx.OfflineRecognizer.from_sense_voice(
        weights, tokens, num_threads=request.threads, language=request.language or "auto", use_itn=True
    )


def words_of(tokens: Sequence[str], starts: Sequence[float], passage: SpeechPassage, *, is_marked: bool) -> list[Word]:
    """Return the words of a passage; the last word ends a segment.

    Args:
        tokens: Pieces of words. A word of letters begins with a blank, or where `is_marked`, its pieces but the last
            end with "@@".
        starts: Their starts in seconds of the passage; without them they are spread evenly.
        passage: The passage.
        is_marked: See `tokens`.
    """
    length = len(passage.samples) / RATE
    if len(starts) != len(tokens):
        starts = [length * index / max(1, len(tokens)) for index in range(len(tokens))]
    ends = [*starts[1:], length][: len(tokens)]
    words: list[Word] = []
    for text, start, end, is_continued in _pieces(tokens, starts, ends, is_marked=is_marked):
        begins = round(passage.start_seconds + start, 3)
        finish = round(passage.start_seconds + max(start, min(end, start + _LONGEST_TOKEN_SECONDS, length)), 3)
        if is_continued and words:
            before = words.pop()
            words.append(Word(before.start_seconds, max(before.start_seconds, finish), before.text + text))
        else:
            words.append(Word(begins, max(begins, finish), text))
    if words:
        last = words[-1]
        words[-1] = Word(last.start_seconds, last.end_seconds, last.text, ends_segment=True)
    return words


def _pieces(
    tokens: Sequence[str], starts: Sequence[float], ends: Sequence[float], *, is_marked: bool
) -> Iterator[tuple[str, float, float, bool]]:
    """Yield the text of each token, its start and end, and whether it continues the word before it."""
    before = ""
    for token, start, end in zip(tokens, starts, ends, strict=True):
        text = token.removesuffix(_JOINED)
        if not text.strip():
            continue
        is_letter, follows_letter = _is_latin(text[0]), bool(before) and _is_latin(before.removesuffix(_JOINED)[-1])
        is_continued = before.endswith(_JOINED) if is_marked else is_letter and follows_letter
        needs_blank = is_marked and is_letter and not is_continued
        yield (f" {text}" if needs_blank else text), start, end, is_continued
        before = token


def _is_latin(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter == "'")
