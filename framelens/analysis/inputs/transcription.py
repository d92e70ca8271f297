"""Transcript of a video: its subtitles if it has some, else the output of a speech model.

A failure costs the transcript and adds a notice, but never ends the analysis. Transcripts are cached by the content of
the file, piece by piece, so that nothing is transcribed twice, not even after a crash. Frames are not looked at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from framelens.analysis.inputs.speakers import Names, names_key, with_speakers
from framelens.core.codec import from_json, to_json
from framelens.core.domain import (
    AnalysisRequest,
    Cue,
    Notice,
    SoundPiece,
    SpeakerTurn,
    SpeechSpans,
    Spoken,
    Transcript,
    VideoInfo,
)
from framelens.core.errors import AppError, Cancelled, ConfigError
from framelens.core.units import clock
from framelens.engine.recognisers import Diariser, Pieces, Recogniser, SpeechModelName, has_recogniser
from framelens.i18n import as_notice
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import may_have_subtitles, sound_pieces, subtitles_of

log = logging.getLogger(__name__)
_FORM = 2
"""Version of the cached form; another number invalidates all entries."""
Found = tuple[Transcript | None, tuple[Notice, ...]]
OnStart = Callable[[float, float | None, SpeechSpans | None], object]
OnProgress = Callable[[float, tuple[Cue, ...]], None]
OnShare = Callable[[float], object]
T = TypeVar("T")


@dataclass(frozen=True)
class PartlyHeard:
    """Transcript of a recording up to `reached_seconds`, as it is cached before the end."""

    reached_seconds: float
    cues: tuple[Cue, ...] = ()
    num_dropped: int = 0


def cues_between(transcript: Transcript | None, start_seconds: float, end_seconds: float) -> tuple[Cue, ...]:
    """Return the cues that overlap [start_seconds, end_seconds), in time order."""
    if transcript is None:
        return ()
    before = bisect_left(transcript.cues, end_seconds, key=lambda cue: cue.start_seconds)
    return tuple(cue for cue in transcript.cues[:before] if cue.end_seconds > start_seconds)


class Transcription:
    """Transcriber, called once per analysis in a thread of its own; several may run at the same time.

    Args:
        recogniser: The speech model, or None; made ready when there is sound to transcribe.
        surveys: Store of the cached transcripts.
        language: Spoken language (ISO 639-1); "" lets the model detect it.
        diariser: Returns the diariser, or None; called when speakers are asked for.
    """

    def __init__(
        self,
        recogniser: Recogniser | None,
        surveys: ExtractionStore,
        *,
        language: str = "",
        diariser: Callable[[], Diariser | None] = lambda: None,
    ) -> None:
        self.recogniser = recogniser
        self._diariser = diariser
        self._surveys = surveys
        self._language = language

    def transcribe(
        self,
        info: VideoInfo,
        request: AnalysisRequest,
        *,
        sha256: Callable[[], str],
        cancel: threading.Event,
        after: Callable[[], object] | None = None,
        on_start: OnStart = lambda start_seconds, pace, speech: None,
        on_progress: OnProgress = lambda reached_seconds, cues: None,
        on_share: OnShare = lambda share: None,
    ) -> Found:
        """Return the transcript, or None, and the notices for the report.

        Args:
            info: Metadata of the video.
            request: Request of the analysis.
            sha256: Returns the file's SHA-256; called only if there is sound to transcribe.
            cancel: Event that stops the work.
            after: Called before an engine is started, see Recogniser.
            on_start: See `hear`.
            on_progress: Called piece by piece with the second up to which all is transcribed, and the new cues.
            on_share: See `separate_speakers`.

        Raises:
            Cancelled: `cancel` was set; nothing else is raised.
        """
        try:
            transcript: Transcript | None = None
            notices: tuple[Notice, ...] = ()
            if request.subtitles or may_have_subtitles(info):
                transcript, notices = subtitles_of(
                    info.path, request.language, subtitles=request.subtitles, cancel=cancel
                )
            if transcript is None and info.has_audio:
                transcript, added = self._speech(info, request, sha256, cancel, after, on_start, on_progress)
                notices = (*notices, *added)
            if transcript is None or request.speakers is None:
                return transcript, notices
            span = request.selection.start_seconds, request.selection.end_seconds
            separated, added = self.separate_speakers(
                info, transcript, span, request.speakers, sha256=sha256, cancel=cancel, on_share=on_share
            )
            return separated, (*notices, *added)
        except Cancelled:
            raise
        except AppError as error:
            return None, (Notice("speech_failed", {"reason": as_notice(error)}),)
        except Exception as error:
            log.exception("the sound of a video could not be read")
            return None, (Notice("speech_failed", {"reason": f"{type(error).__name__}: {error}"}),)

    def _speech(
        self,
        info: VideoInfo,
        request: AnalysisRequest,
        sha256: Callable[[], str],
        cancel: threading.Event,
        after: Callable[[], object] | None,
        on_start: OnStart,
        on_progress: OnProgress,
    ) -> Found:
        if self.recogniser is None and not has_recogniser():
            reason = as_notice(ConfigError("speech_without_plugin"))
            return None, (Notice("speech_failed", {"reason": reason}, "info"),)
        if self.recogniser is None or not request.use_model:
            key = "sound_not_analysed" if self.recogniser is None else "sound_not_wanted"
            return None, (Notice(key, {}, "info"),)
        selection = request.selection
        span = selection.start_seconds, selection.end_seconds
        return self.hear(
            info, span, sha256=sha256, cancel=cancel, after=after, on_start=on_start, on_progress=on_progress
        )

    def hear(
        self,
        info: VideoInfo,
        span: tuple[float, float | None],
        *,
        sha256: Callable[[], str],
        cancel: threading.Event,
        after: Callable[[], object] | None = None,
        on_start: OnStart = lambda start_seconds, pace, speech: None,
        on_progress: OnProgress = lambda reached_seconds, cues: None,
    ) -> Found:
        """Transcribe the sound in [start, end) seconds, from where an earlier run of any process has stopped.

        Args:
            info: Metadata of the video.
            span: Start, and end, or None for the end of the video.
            sha256: See `transcribe`.
            cancel: See `transcribe`.
            after: See `transcribe`.
            on_start: Called if there is sound that isn't transcribed, with the second where the work begins, the
                expected seconds of work for a second of speech (None if unknown), and None for the speech. If the model
                finds the speech first, `on_start` is called again with the speech when its transcription begins.
            on_progress: See `transcribe`; the first call has what earlier runs have transcribed.

        Raises:
            AppError: There is no model, it can't be used, or the sound can't be decoded.
            Cancelled: `cancel` was set.
        """
        assert self.recogniser is not None
        model, content = self.recogniser.model(cancel), sha256()
        whole, key = (self._key(content, model, *bounds) for bounds in ((0.0, None), span))
        for span_key in dict.fromkeys((whole, key)):
            if (transcript := self._cached(span_key, Found)) is not None:  # type: ignore[arg-type]  # mypy takes no tuple as a class
                return transcript
        part_key = self._key(content, model, *span, "part")
        spans_key = self._key(content, model, *span, "speech")
        before = self._cached(part_key, PartlyHeard) or PartlyHeard(span[0])
        pieces = self._pieces(info, before.reached_seconds, span[1], cancel)

        def note(part: PartlyHeard, new: tuple[Cue, ...]) -> None:
            self._surveys.put(part_key, to_json(part).encode())
            on_progress(part.reached_seconds, new)

        try:
            first = next(pieces, None)
            if first is None:  # silence: the model is not needed
                result, is_whole = _transcript_of(before, model.label), True
            else:
                pace = self.recogniser.pace()
                on_start(before.reached_seconds, pace, None)
                if before.cues:
                    on_progress(before.reached_seconds, before.cues)
                with self.recogniser.ready(self._language, cancel, after) as listener:
                    sound: Pieces = chain([first], pieces)
                    speech: SpeechSpans = ()
                    if listener.find:
                        speech = self._speech_found(spans_key, listener.find, sound)
                        pieces.close()
                        sound = pieces = self._pieces(info, before.reached_seconds, span[1], cancel)
                        on_start(before.reached_seconds, pace, speech)
                    is_spoken = bool(speech) or listener.find is None
                    heard = listener.listen(sound, speech, cancel) if is_spoken else iter(())
                    result, is_whole = _collect(heard, before, listener.label, note)
        finally:
            pieces.close()
        if is_whole:
            self._surveys.put(key, to_json(result).encode())
            for done in (part_key, spans_key):
                self._surveys.drop(done)
        return result

    def _pieces(
        self, info: VideoInfo, start_seconds: float, end_seconds: float | None, cancel: threading.Event
    ) -> Generator[SoundPiece, None, None]:
        return sound_pieces(
            info.path, start_seconds=start_seconds, end_seconds=end_seconds, language=self._language, cancel=cancel
        )

    def _speech_found(self, key: str, find: Callable[[Pieces], SpeechSpans], sound: Pieces) -> SpeechSpans:
        """Return the speech in a recording, from the cache if an earlier run has looked for it."""
        if (spans := self._cached(key, SpeechSpans)) is None:
            spans = find(sound)
            self._surveys.put(key, to_json(spans).encode())
        return spans

    def separate_speakers(
        self,
        info: VideoInfo,
        transcript: Transcript,
        span: tuple[float, float | None],
        num_speakers: int,
        *,
        sha256: Callable[[], str],
        cancel: threading.Event,
        on_share: OnShare = lambda share: None,
    ) -> tuple[Transcript, tuple[Notice, ...]]:
        """Return the transcript with its speakers, and the names that people gave them; unchanged on failure.

        Args:
            info: Metadata of the video.
            transcript: Its transcript.
            span: Start, and end, or None for the end of the video.
            num_speakers: Number of speakers, 0 to guess it.
            sha256: See `transcribe`.
            cancel: See `transcribe`.
            on_share: Called with how much is done, 0 to 1, if that isn't cached.

        Raises:
            Cancelled: `cancel` was set.
        """
        if not (transcript.cues and info.has_audio):
            return transcript, ()
        try:
            if (diariser := self._diariser()) is None:
                return transcript, (Notice("speakers_without_plugin"),)
            turns = self._turns(diariser, info, span, num_speakers, sha256(), cancel, on_share)
        except Cancelled:
            raise
        except AppError as error:
            return transcript, (Notice("speakers_failed", {"reason": as_notice(error)}),)
        separated = with_speakers(transcript, turns, is_guess=not num_speakers)
        return separated.with_names(self.names_of(sha256(), len(separated.speakers))), ()

    def names_of(self, sha256: str, num_speakers: int) -> Names:
        """Return the names that were kept for a video with so many speakers; empty without."""
        return self._cached(names_key(sha256, num_speakers), Names) or ()

    def _turns(
        self,
        diariser: Diariser,
        info: VideoInfo,
        span: tuple[float, float | None],
        num_speakers: int,
        sha256: str,
        cancel: threading.Event,
        on_share: OnShare,
    ) -> tuple[SpeakerTurn, ...]:
        """Return who speaks when, from the cache or from the models. Raises AppErrors."""
        content = ["speakers", _FORM, sha256, diariser.model().key, num_speakers, *span]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        if (cached := self._cached(key, tuple[SpeakerTurn, ...])) is not None:
            return cached
        on_share(0.0)
        start, end = span
        pieces = self._pieces(info, start, end, cancel)
        end = end if end is not None else info.duration_seconds_from_header or 0.0
        try:
            turns = diariser.turns(pieces, num_speakers, end, cancel, on_share)
        finally:
            pieces.close()
        self._surveys.put(key, to_json(turns).encode())
        return turns

    def _key(
        self, sha256: str, model: SpeechModelName, start_seconds: float, end_seconds: float | None, *extra: str
    ) -> str:
        content = ["speech", _FORM, sha256, model.key, self._language, start_seconds, end_seconds, *extra]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _cached(self, key: str, kind: type[T]) -> T | None:
        """Return the cached value, or None if it is missing or damaged."""
        data = self._surveys.get(key)
        try:
            return from_json(data, kind) if data else None
        except ValueError:
            log.warning("a kept transcript cannot be read", exc_info=True)
            return None


def _collect(
    heard: Iterator[Spoken], before: PartlyHeard, label: str, note: Callable[[PartlyHeard, tuple[Cue, ...]], None]
) -> tuple[Found, bool]:
    """Collect the transcribed speech up to the end or a failure; return the result and whether it is complete."""
    part, failure = before, None
    try:
        for spoken in heard:
            part = PartlyHeard(spoken.end_seconds, (*part.cues, *spoken.cues), part.num_dropped + spoken.num_dropped)
            note(part, spoken.cues)
    except Cancelled:
        raise
    except AppError as error:
        if part is before:
            raise
        failure = Notice("speech_incomplete", {"until": clock(part.reached_seconds), "reason": as_notice(error)})
    transcript, notices = _transcript_of(part, label)
    return (transcript, (failure, *notices) if failure else notices), failure is None


def _transcript_of(part: PartlyHeard, label: str) -> Found:
    dropped = Notice("speech_not_believed", {"count": part.num_dropped}, "info")
    return Transcript("speech", label, part.cues), (dropped,) if part.num_dropped else ()
