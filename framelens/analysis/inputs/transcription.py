"""Transcript of a video: its subtitles if it has some, else the output of a speech model.

A failure costs the transcript and adds a notice, but never ends the analysis. Transcripts are cached by the content of
the file, so that nothing is transcribed twice. Frames are not looked at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING

from framelens.core.codec import from_json, to_json
from framelens.core.domain import AnalysisRequest, Cue, Notice, SoundPiece, Transcript, VideoInfo
from framelens.core.errors import AppError, Cancelled
from framelens.core.units import clock
from framelens.i18n import as_notice
from framelens.store.extraction_cache import ExtractionStore
from framelens.video.extractor import may_have_subtitles, sound_pieces, subtitles_of

if TYPE_CHECKING:
    from framelens.engine.base import Endpoint, Engine

log = logging.getLogger(__name__)
_FORM = 2
"""Version of the cached form; another number invalidates all entries."""
Found = tuple[Transcript | None, tuple[Notice, ...]]
OnProgress = Callable[[float, tuple[Cue, ...]], None]


def cues_between(transcript: Transcript | None, start_seconds: float, end_seconds: float) -> tuple[Cue, ...]:
    """Return the cues that overlap [start_seconds, end_seconds), in time order."""
    if transcript is None:
        return ()
    before = bisect_left(transcript.cues, end_seconds, key=lambda cue: cue.start_seconds)
    return tuple(cue for cue in transcript.cues[:before] if cue.end_seconds > start_seconds)


class Transcription:
    """Transcriber, called once per analysis in a thread of its own; several may run at the same time.

    Args:
        engine: Engine of the speech model; None if none is set. It is started when there is sound to transcribe, and
            stopped after the last user.
        surveys: Store of the cached transcripts.
        language: Spoken language (ISO 639-1); "" lets the model detect it.
        timeout_seconds: Longest wait for an answer of the speech model.
    """

    def __init__(
        self, engine: Engine | None, surveys: ExtractionStore, *, language: str = "", timeout_seconds: float = 600.0
    ) -> None:
        self._engine = engine
        self._surveys = surveys
        self._language = language
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._users = 0

    def transcribe(
        self,
        info: VideoInfo,
        request: AnalysisRequest,
        *,
        sha256: Callable[[], str],
        cancel: threading.Event,
        after: Callable[[], object] | None = None,
        on_progress: OnProgress = lambda reached_seconds, cues: None,
    ) -> Found:
        """Return the transcript, or None, and the notices for the report.

        Args:
            info: Metadata of the video.
            request: Request of the analysis.
            sha256: Returns the file's SHA-256; called only if there is sound to transcribe.
            cancel: Event that stops the work.
            after: Called before the engine is started and may block: two engines must not measure the free memory of a
                GPU at the same moment.
            on_progress: Called piece by piece with the second up to which all is transcribed, and the new cues.

        Raises:
            Cancelled: `cancel` was set; nothing else is raised.
        """
        try:
            transcript: Transcript | None = None
            notices: tuple[Notice, ...] = ()
            if request.subtitles or may_have_subtitles(info):
                given = request.subtitles
                transcript, notices = subtitles_of(info.path, request.language, given=given, cancel=cancel)
            if transcript is None and info.has_audio:
                transcript, more = self._speech(info, request, sha256, cancel, after, on_progress)
                notices = (*notices, *more)
            return transcript, notices
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
        on_progress: OnProgress,
    ) -> Found:
        if self._engine is None or not request.use_model:
            key = "sound_not_analysed" if self._engine is None else "sound_not_wanted"
            return None, (Notice(key, {}, "info"),)
        model = self._engine.status().model or self._engine.ensure_ready(lambda progress: None, cancel).model
        content = sha256()
        whole, key = (self._key(content, model, *span) for span in ((0.0, None), _span(request)))
        for known in dict.fromkeys((whole, key)):
            if (kept := _unpacked(self._surveys.get(known))) is not None:
                return kept
        start, end = _span(request)
        pieces = sound_pieces(info.path, start_seconds=start, end_seconds=end, cancel=cancel)
        try:
            first = next(pieces, None)
            if first is None:  # silence: the model is not needed
                return Transcript("speech", model, ()), ()
            with self._ready(cancel, after) as endpoint:
                found, is_whole = self._listen(chain([first], pieces), endpoint, cancel, on_progress)
        finally:
            pieces.close()
        if is_whole:
            self._surveys.put(key, to_json(found).encode())
        return found

    def _listen(
        self, pieces: Iterator[SoundPiece], endpoint: Endpoint, cancel: threading.Event, on_progress: OnProgress
    ) -> tuple[Found, bool]:
        """Transcribe up to the end or a failure; return the result and whether it is complete."""
        from framelens.llm.speech import SpeechModel, transcribe

        model = SpeechModel(endpoint.base_url, endpoint.api_key, endpoint.model, self._language, self._timeout_seconds)
        cues: list[Cue] = []
        notices: list[Notice] = []
        reached, num_dropped = 0.0, 0
        try:
            for spoken in transcribe(pieces, model, cancel=cancel):
                cues += spoken.cues
                reached, num_dropped = spoken.end_seconds, num_dropped + spoken.num_dropped
                on_progress(reached, spoken.cues)
        except Cancelled:
            raise
        except AppError as error:
            if not reached:
                raise
            notices.append(Notice("speech_incomplete", {"until": clock(reached), "reason": as_notice(error)}))
        if num_dropped:
            notices.append(Notice("speech_not_believed", {"count": num_dropped}, "info"))
        is_whole = not any(notice.key == "speech_incomplete" for notice in notices)
        return (Transcript("speech", endpoint.model, tuple(cues)), tuple(notices)), is_whole

    @contextmanager
    def _ready(self, cancel: threading.Event, after: Callable[[], object] | None) -> Iterator[Endpoint]:
        """Yield the endpoint of the started engine; the last user stops it."""
        assert self._engine is not None
        if after is not None:
            with suppress(AppError):
                after()
        with self._lock:
            self._users += 1
        try:
            yield self._engine.ensure_ready(lambda progress: None, cancel)
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._engine.stop()

    def _key(self, sha256: str, model: str, start_seconds: float, end_seconds: float | None) -> str:
        described = ["speech", _FORM, sha256, model, self._language, start_seconds, end_seconds]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _span(request: AnalysisRequest) -> tuple[float, float | None]:
    return request.selection.start_seconds, request.selection.end_seconds


def _unpacked(data: bytes | None) -> Found | None:
    """Parse a cached transcript; return None if it is missing or damaged."""
    try:
        return from_json(data, Found) if data else None  # type: ignore[arg-type]  # mypy takes no tuple as a class
    except ValueError:
        log.warning("a kept transcript cannot be read", exc_info=True)
        return None
