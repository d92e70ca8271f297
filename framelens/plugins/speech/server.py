"""Speech transcription through OpenAI's transcription endpoint, such as vLLM with a Whisper model.

Cues are on the time axis of the recording. No sound is decoded here.

Over silence such models (Whisper above all) repeat a sentence of their training data. Hallucinated segments are dropped
and counted: judged by the model's scores, by loudness and by repetition, never by the meaning of the text.
"""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import openai
from numpy.typing import NDArray

from framelens import Cancelled, Cue, EngineError
from framelens.plugin.chat import EngineRequests
from framelens.plugin.speech import SoundPiece, Spoken
from framelens.plugin.texts import foreign_number

if TYPE_CHECKING:
    pass

_POLL_SECONDS = 0.1
"""Documented delay of cancelling."""
_NOT_THIS_FORMAT = (400, 415, 422, 501)
# Thresholds of OpenAI's whisper program: no_speech_threshold, logprob_threshold, compression_ratio_threshold.
_NO_SPEECH, _UNSURE, _REPETITIVE = 0.6, -1.0, 2.4
_WAV_HEADER_BYTES = 44
_SAMPLES_A_SECOND = 16_000
_NOTHING = 16.0
"""Root mean square, of 32768, below which no voice can be heard: -66 dB."""
_QUIET_SHARE = 0.1
"""Share of the piece's loudest level below which a repeated segment is dropped."""
_LONGEST = 1000
"""Characters of a segment that are kept."""
_MARKS = re.compile(r"<\|[^|<>]{0,20}\|>")


@dataclass(frozen=True)
class SpeechModel:
    """A speech model at an address. `language` is the spoken language (ISO 639-1), "" to detect it."""

    base_url: str
    api_key: str
    model: str
    language: str = ""
    timeout_seconds: float = 600.0


def transcribe(
    pieces: Iterable[SoundPiece],
    model: SpeechModel,
    *,
    cancel: threading.Event | None = None,
    at_once: int = 4,
) -> Iterator[Spoken]:
    """Transcribe the pieces in their order. Closing the iterator aborts running requests.

    Args:
        pieces: In time order.
        model: The speech model.
        cancel: Ends the iteration within 0.1 s of being set.
        at_once: Number of pieces that are requested, and held in memory, at the same time.

    Raises:
        AppError: The engine refuses or doesn't answer.
        EngineError: An answer is not a transcription.
        Cancelled: `cancel` was set.
    """
    requester, hallucinations = _Requester(model), HallucinationFilter()
    waiting: deque[tuple[SoundPiece, Future[Mapping[str, Any]]]] = deque()
    try:
        for piece in pieces:
            waiting.append((piece, EngineRequests.start(requester.request(piece))))
            if len(waiting) >= at_once:
                yield _wait_for(*waiting.popleft(), model, hallucinations, cancel)
        while waiting:
            yield _wait_for(*waiting.popleft(), model, hallucinations, cancel)
    finally:
        for _, task in waiting:
            task.cancel()


def _wait_for(
    piece: SoundPiece,
    task: Future[Mapping[str, Any]],
    model: SpeechModel,
    hallucinations: HallucinationFilter,
    cancel: threading.Event | None,
) -> Spoken:
    try:
        answer = _result(task, cancel)
    finally:
        task.cancel()
    cues, num_dropped = hallucinations.filter(piece, segments_of(answer))
    return Spoken(piece.end_seconds, cues, num_dropped)


def _result(task: Future[Mapping[str, Any]], cancel: threading.Event | None) -> Mapping[str, Any]:
    while not task.done():
        if cancel and cancel.is_set():
            raise Cancelled
        wait([task], timeout=_POLL_SECONDS)
    try:
        return task.result()
    except CancelledError:
        raise Cancelled from None


class _Requester:
    """Sender of requests for segments with times, or for the text alone after a server has refused segments."""

    def __init__(self, model: SpeechModel) -> None:
        self._model = model
        self._engine = EngineRequests(model.base_url, model.api_key, timeout_seconds=model.timeout_seconds)
        self._supports_times: bool | None = None

    async def request(self, piece: SoundPiece) -> Mapping[str, Any]:
        """Request a piece and return the parsed answer."""
        if self._supports_times is False:
            return await self._text(piece)
        answer = await self._answer(piece, "verbose_json", () if self._supports_times else _NOT_THIS_FORMAT)
        if answer is None:
            text = await self._text(piece)
            self._supports_times = False
            return text
        if segments_of(answer):
            self._supports_times = True
        elif self._supports_times is None:
            # A model without timestamps gives no segments, and then vLLM gives no text either.
            return await self._text(piece)
        return answer

    async def _text(self, piece: SoundPiece) -> Mapping[str, Any]:
        answer = await self._answer(piece, "json")
        assert answer  # no refusal is expected
        return answer

    async def _answer(
        self, piece: SoundPiece, form: Literal["json", "verbose_json"], refusable: Collection[int] = ()
    ) -> Mapping[str, Any] | None:
        """Return the answer, None if the form is refused. Raises EngineError if it is no transcription."""
        answer = await self._engine.answer(partial(self._send, piece, form), refusable=refusable)
        if answer is None:
            return None
        if not isinstance(answer.value, dict) or not isinstance(answer.value.get("text"), str):
            raise EngineError("speech_answer_unreadable", base_url=answer.url, answer=answer.quoted)
        return answer.value

    async def _send(self, piece: SoundPiece, form: Literal["json", "verbose_json"], client: Any) -> object:
        return await client.audio.transcriptions.with_raw_response.create(
            file=("sound.wav", piece.wav, "audio/wav"),
            model=self._model.model,
            response_format=form,
            language=self._model.language or openai.omit,
        )


@dataclass(frozen=True)
class Segment:
    """A segment of the model's answer. Times are in seconds from the start of the piece, None for the whole piece."""

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    no_speech_probability: float | None = None
    mean_log_probability: float | None = None
    compression_ratio: float | None = None


def segments_of(answer: Mapping[str, Any]) -> list[Segment]:
    """Parse the segments of an answer, or its text as one segment. Empty segments are left out."""
    listed = answer.get("segments")
    parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    segments = [_parse_segment(part) for part in parts] or [Segment(_clean_text(answer.get("text")))]
    return [segment for segment in segments if segment.text]


def _parse_segment(part: Mapping[str, Any]) -> Segment:
    return Segment(
        _clean_text(part.get("text")),
        _finite_number(part.get("start")),
        _finite_number(part.get("end")),
        _finite_number(part.get("no_speech_prob")),
        _finite_number(part.get("avg_logprob")),
        _finite_number(part.get("compression_ratio")),
    )


def _clean_text(value: object) -> str:
    return " ".join(_MARKS.sub(" ", value).split())[:_LONGEST] if isinstance(value, str) else ""


_finite_number = partial(foreign_number, least=-1e9)


class HallucinationFilter:
    """Filter for the segments of a recording, piece by piece in time order; repeats are of the last kept segment."""

    def __init__(self) -> None:
        self._last = ""

    def filter(self, piece: SoundPiece, segments: list[Segment]) -> tuple[tuple[Cue, ...], int]:
        """Return the credible segments as cues on the recording's time axis, and the number of dropped segments."""
        levels = _levels(piece)
        cues = []
        for segment in segments:
            start, end = _bounds(segment, piece)
            if end > start and not self._is_hallucinated(segment, _level(levels, start, end), levels):
                cues.append(
                    Cue(round(piece.start_seconds + start, 3), round(piece.start_seconds + end, 3), segment.text)
                )
                self._last = segment.text
        return tuple(sorted(cues, key=lambda cue: cue.start_seconds)), len(segments) - len(cues)

    def _is_hallucinated(self, segment: Segment, level: float, levels: NDArray[np.float64]) -> bool:
        if level < _NOTHING:
            return True
        if (segment.no_speech_probability or 0.0) > _NO_SPEECH and (segment.mean_log_probability or 0.0) < _UNSURE:
            return True
        if (segment.compression_ratio or 0.0) > _REPETITIVE:
            return True
        return segment.text == self._last and level < _QUIET_SHARE * float(levels.max())


def _bounds(segment: Segment, piece: SoundPiece) -> tuple[float, float]:
    """Return [start, end) within the piece; empty for a segment in the silence that pads a short piece."""
    length = piece.end_seconds - piece.start_seconds
    start = min(max(segment.start_seconds or 0.0, 0.0), length)
    end = length if segment.end_seconds is None else min(max(segment.end_seconds, 0.0), length)
    if end <= start < length and segment.start_seconds == segment.end_seconds:
        end = length  # the model gave no end
    return start, end


def _levels(piece: SoundPiece) -> NDArray[np.float64]:
    """Compute the root mean square of each tenth of a second, at least one."""
    samples = np.frombuffer(piece.wav[_WAV_HEADER_BYTES:], "<i2").astype(np.float64)
    tenth = _SAMPLES_A_SECOND // 10
    samples = np.pad(samples, (0, -len(samples) % tenth or (0 if len(samples) else tenth)))
    levels: NDArray[np.float64] = np.sqrt((samples.reshape(-1, tenth) ** 2).mean(axis=1))
    return levels


def _level(levels: NDArray[np.float64], start: float, end: float) -> float:
    """Return the highest level in [start, end) seconds."""
    first = min(int(start * 10), len(levels) - 1)
    return float(levels[first : max(first + 1, math.ceil(end * 10))].max())
