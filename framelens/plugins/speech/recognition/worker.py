"""Speech worker: a sandboxed process that loads a model and transcribes the sound that it is sent.

It is started by framelens.plugins.speech.recogniser and works as framelens.video.worker does. It decodes no file: its
sound is plain samples. On a CPU it enters the sandbox before it reads the model; a graphics card's driver needs files
and devices that the sandbox refuses, so there the model is loaded before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from framelens import InputError
from framelens.plugin.processes import further_requests, move_on, serve
from framelens.plugin.speech import SpeechSpans
from framelens.plugins.speech.recognition.messages import (
    ModelLoaded,
    SoundSent,
    SpeechFound,
    SpeechRequest,
    Word,
    WordsHeard,
)
from framelens.plugins.speech.recognition.packing import RATE, Packer, Samples, SpeechPassage, Window
from framelens.plugins.speech.recognition.sherpa import SherpaReader

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

Message = ModelLoaded | SpeechFound | WordsHeard
_log = logging.getLogger(__name__)
NICENESS = 10
"""As for text recognition: the page goes first."""
_SURE = 0.5
"""Probability of a language that is kept for the rest of the recording; as faster-whisper's own threshold."""
_SHORTEST_SPEECH_MS = 250
"""Silero's own default, which faster-whisper switches off: a click is no word."""


def files_of(request: SpeechRequest) -> list[Path]:
    """Return what a request needs to read: the folder's list, and its files."""
    return [request.path, *(file for file in request.path.iterdir() if file.is_file())]


def begin(request: SpeechRequest) -> Iterator[Message]:
    """Start a request; see framelens.video.worker.serve."""
    if request.device == "cuda":
        try:
            return messages_of(request, _load(request, "cuda", "float16"))
        except (RuntimeError, ValueError) as error:  # a library of CUDA is missing, or its memory is full
            _log.warning("the graphics card can't be used for speech: %s", error)
    return messages_of(request, None)


def messages_of(request: SpeechRequest, loaded: WhisperModel | None) -> Iterator[Message]:
    """Yield the messages of a request. Raises AppErrors."""
    try:
        reader = _reader_of(request, loaded)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        raise InputError("speech_model_unusable", reason=f"{type(error).__name__}: {error}") from error
    yield ModelLoaded("cuda" if loaded else "cpu")
    yield from heard(further_requests(SoundSent), reader.words, speech_in)


def _reader_of(request: SpeechRequest, loaded: WhisperModel | None) -> WindowReader | SherpaReader:
    """Load the model. Raises InputError, or what the libraries raise."""
    if request.family != "whisper":
        return SherpaReader(request)
    model = loaded or _load(request, "cpu", "int8")
    if request.language not in ("", *model.supported_languages):
        raise InputError("speech_language_unknown", language=request.language)
    return WindowReader(model, request.language)


def _load(request: SpeechRequest, device: str, compute_type: str) -> WhisperModel:
    from faster_whisper import WhisperModel

    return WhisperModel(str(request.path), device=device, compute_type=compute_type, cpu_threads=request.threads)


def heard(
    sound: Iterable[SoundSent],
    read: Callable[[Window], list[Word]],
    find: Callable[[SoundSent], SpeechSpans],
) -> Iterator[SpeechFound | WordsHeard]:
    """Yield the answer to each part of a recording, in its order.

    Args:
        sound: The parts; the last part is empty.
        read: Returns the words in a window.
        find: Returns where there is speech in a part.
    """
    packer = Packer()
    for part in sound:
        if part.samples and part.speech is None:
            yield SpeechFound(find(part))
            continue
        words: list[Word] = []
        for passage in _passages(part):
            for window in packer.push(passage):
                words += read(window)
        if not part.samples:
            for window in packer.finish():
                words += read(window)
        held = packer.held_from_seconds
        yield WordsHeard(part.end_seconds if held is None else held, tuple(words))
        if not part.samples:
            return


def speech_in(part: SoundSent) -> SpeechSpans:
    """Return where there is speech in a part, by the silero model in faster-whisper's package."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    stretches = get_speech_timestamps(_floats(part), VadOptions(min_speech_duration_ms=_SHORTEST_SPEECH_MS))
    move_on()
    return tuple(tuple(part.start_seconds + stretch[end] / RATE for end in ("start", "end")) for stretch in stretches)


def _passages(part: SoundSent) -> Iterator[SpeechPassage]:
    """Yield the passages with speech in a part."""
    samples = _floats(part)
    for start, end in part.speech or ():
        first, last = (round((edge - part.start_seconds) * RATE) for edge in (start, end))
        yield SpeechPassage(start, samples[first:last])


def _floats(part: SoundSent) -> Samples:
    samples: Samples = np.frombuffer(part.samples, "<i2").astype(np.float32) / np.float32(32768)
    return samples


class WindowReader:
    """Reader of windows in their order. A language that was detected with some certainty is kept.

    Args:
        model: The model.
        language: Spoken language, "" to detect it.
    """

    def __init__(self, model: Any, language: str) -> None:
        self._model = model
        self._language = language

    def words(self, window: Window) -> list[Word]:
        """Return the words in a window, on the time axis of the recording."""
        segments, info = self._model.transcribe(
            window.samples,
            language=self._language or None,
            word_timestamps=True,
        )
        if info.language_probability >= _SURE:
            self._language = info.language
        words: list[Word] = []
        for segment in segments:
            move_on()
            spoken = [word for word in segment.words if word.word.strip()]
            words += [
                Word(*window.times(word.start, word.end), word.word, ends_segment=word is spoken[-1]) for word in spoken
            ]
        return words


def main() -> None:
    """Answer the requests of the process that started this one."""
    serve(SpeechRequest, files_of, begin, niceness=NICENESS)


if __name__ == "__main__":
    main()
