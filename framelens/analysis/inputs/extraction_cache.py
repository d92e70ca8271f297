"""Cache of extractions: the events of a video whose content was extracted in the same way before.

A video is identified by its SHA-256, whatever its path and name. The cache holds the state after the events; the
result of a survey of the whole video, so that frames at named times need no other survey; small pictures of what was
surveyed; the texts on frames; and what an interrupted extraction had chosen and measured. Keys include the version of
the program, since another version may find other things.
"""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TypeVar

from framelens.core.codec import receive, send, to_builtins
from framelens.core.domain import FrameFacts, Keyframe, ScreenText, Selection, VideoInfo
from framelens.core.errors import DecodeError
from framelens.core.events import (
    FactsMeasured,
    HashProgress,
    KeyframesChosen,
    Noticed,
    OpeningChosen,
    Probed,
    SilenceMeasured,
    SurveyProgress,
    VideoEvent,
    value_of,
)
from framelens.core.files import readable
from framelens.store.extraction_cache import ExtractionStore, file_state, open_extractions
from framelens.video.extractor import extract, extract_named, probe, remaining_facts
from framelens.video.files import check_file, hashed, picture_key, version
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import SurveyResult, Thumbnails, names_times

T = TypeVar("T")
Texts = dict[str, tuple[ScreenText, ...]]
_FRAMES = 16
"""Number of keyframes that a survey for thumbnails also chooses, the default of the command keyframes."""
_QUICKLY_READ_BYTES = 64 << 20
"""A file up to this size is hashed (a tenth of a second) before it is decoded, a larger file only if a file of the same
size, start and end was recorded."""
_PIECE_SECONDS = 1.0
"""Time between two writes of facts, all that a kill can lose."""
_FACTS_EVENTS = (FactsMeasured, SilenceMeasured)
_REPLAYED = (Probed, OpeningChosen, KeyframesChosen, *_FACTS_EVENTS)
_log = logging.getLogger(__name__)
_MOST_TEXTS = 1024
"""Most pictures of a video: each request to a decoder worker names all their keys."""


class _Extraction:
    """What an extraction has made so far.

    Attributes:
        events: The events that are cached and replayed: video, frames and facts.
        sound_until: End of the sound whose silence isn't measured yet; None without such sound.
    """

    def __init__(self, events: Iterable[VideoEvent] = ()) -> None:
        self.events: list[VideoEvent] = []
        self.keyframes: tuple[Keyframe, ...] = ()
        self.facts: list[FrameFacts] = []
        self.sound_until: float | None = None
        self._has_sound = False
        self._has_chosen = self._is_partial = False
        for event in events:
            self.add(event)

    @property
    def is_complete(self) -> bool:
        """Return whether the frames are chosen, and no part of what was measured is missing."""
        return self._has_chosen and not self._is_partial

    @property
    def lacks_facts(self) -> bool:
        """Return whether the frames are chosen, but not all of them and the sound are measured."""
        return self._has_chosen and (len(self.facts) < len(self.keyframes) or self.sound_until is not None)

    def add(self, event: VideoEvent) -> None:
        """Add the next event."""
        match event:
            case Noticed():
                self._is_partial = True
            case Probed(video):
                self._has_sound = video.has_audio
            case KeyframesChosen(keyframes, decode):
                self.keyframes, self._has_chosen = keyframes, True
                self.sound_until = decode.readable_seconds if self._has_sound else None
            case FactsMeasured(facts):
                self.facts.append(facts)
            case SilenceMeasured():
                self.sound_until = None
        if isinstance(event, _REPLAYED):
            self.events.append(event)

    def rest(
        self,
        path: Path,
        options: ExtractOptions,
        *,
        texts: Mapping[str, tuple[ScreenText, ...]] | None = None,
        cancel: threading.Event | None,
    ) -> Iterator[VideoEvent]:
        """Return the events of measuring what is missing."""
        until = self.sound_until
        return remaining_facts(
            path, self.keyframes, self.facts, options, texts=texts or {}, sound_until=until, cancel=cancel
        )


class ExtractionCache:
    """Reader of videos, with cached versions of `extract` and `sha256` of framelens.video."""

    def __init__(self, surveys: ExtractionStore) -> None:
        self._surveys = surveys
        self._counted: dict[str, int] = {}  # frames by key, since a page asks at each of its runs

    def probe(self, path: Path) -> VideoInfo:
        """Return the metadata of a video, see `framelens.video.probe`."""
        return probe(path)

    def extract(
        self, path: Path, options: ExtractOptions, cancel: threading.Event | None = None
    ) -> Iterator[VideoEvent]:
        """Return the events of `video.extractor.extract`: no progress if cached, no facts if no text is read."""
        cached = self.find(path, options, cancel)
        return self.make(path, options, cancel) if cached is None else iter(cached)

    def make(
        self,
        path: Path,
        options: ExtractOptions,
        cancel: threading.Event | None = None,
        surveys: list[SurveyResult | Thumbnails] | None = None,
    ) -> Iterator[VideoEvent]:
        """Yield the same events, decoding as far as needed without looking in the cache; then cache them.

        The results of a survey are added to `surveys`. A decoder that dies while it measures facts is replaced once, by
        a decoder that continues: measuring doesn't read the file, so the cause is not the file but perhaps a lack of
        memory.
        """
        surveys = [] if surveys is None else surveys
        extraction, file = _Extraction(), file_state(path)
        checkpoint = _Checkpoint(self._surveys, path, file, options)
        events, is_second_try = self._decode(path, options, surveys.append, cancel), False
        while True:
            try:
                event = next(events, None)
            except DecodeError as error:
                if is_second_try or not (options.read_text and extraction.lacks_facts):
                    raise
                _log.warning("the decoder ended while facts were measured: %s", error)
                events = extraction.rest(path, options, cancel=cancel)
                is_second_try = True
                continue
            if event is None:
                break
            extraction.add(event)
            yield event
            if isinstance(event, KeyframesChosen) and not options.read_text:
                break
            checkpoint.keep(extraction, surveys)
        del events  # ends the decoder
        yield from self._keep(path, file, options, extraction, surveys, cancel)

    def _decode(
        self,
        path: Path,
        options: ExtractOptions,
        keep: Callable[[SurveyResult | Thumbnails], None],
        cancel: threading.Event | None,
    ) -> Iterator[VideoEvent]:
        """Return the events of decoding as far as needed: what an interrupted run has measured isn't measured again."""
        sha256 = self.quick_sha256(path, cancel)
        before = StoredExtraction(self._surveys, sha256) if sha256 else None
        texts = before.texts() if before and options.read_text else {}
        if before and options.read_text and (interrupted := before.interrupted(options)):
            extraction = _Extraction(_with_path(interrupted, path))
            return chain(extraction.events, extraction.rest(path, options, texts=texts, cancel=cancel))
        selection = options.selection
        survey = before.get(_survey_of(selection), SurveyResult) if before and names_times(selection) else None
        if survey:
            return extract_named(path, survey, options, texts=texts, cancel=cancel)
        return extract(
            path,
            options,
            texts=texts,
            only_frames=not options.read_text,
            on_result=keep,
            on_thumbnails=keep,
            cancel=cancel,
        )

    def find(
        self, path: Path, options: ExtractOptions, cancel: threading.Event | None = None
    ) -> list[VideoEvent] | None:
        """Return the cached events, or None if the video must be decoded. Raises what `sha256` raises."""
        if (sha256 := self.quick_sha256(path, cancel)) is None:
            return None
        before = StoredExtraction(self._surveys, sha256)
        for read_text in dict.fromkeys((options.read_text, True)):
            if events := before.events(replace(options, read_text=read_text)):
                return _with_path(events if options.read_text else _without_facts(events), path)
        return None

    def thumbnails(
        self, path: Path, selection: Selection, cancel: threading.Event | None = None
    ) -> Generator[SurveyProgress, None, tuple[Keyframe, ...]]:
        """Return small pictures of the video in a selection's range, as the generator's value.

        They were made when the range was surveyed. If they are no longer cached it is surveyed again, and the progress
        of that is yielded.

        Raises:
            AppError: The file can't be read.
            Cancelled: `cancel` was set.
        """
        stored = StoredExtraction(self._surveys, self.sha256(path, cancel))
        range_seconds = Selection(start_seconds=selection.start_seconds, end_seconds=selection.end_seconds)
        if thumbnails := stored.get(_thumbnails_of(range_seconds), Thumbnails):
            return thumbnails.keyframes
        surveys: list[SurveyResult | Thumbnails] = []
        for event in self.make(path, ExtractOptions(_FRAMES, range_seconds, read_text=False), cancel, surveys):
            if isinstance(event, SurveyProgress):
                yield event
        return next(survey.keyframes for survey in surveys if isinstance(survey, Thumbnails))

    def num_cached(self, path: Path, options: ExtractOptions) -> int | None:
        """Return how many frames are cached for these options, None if that is unknown without decoding."""
        if (sha256 := self._surveys.known_sha256(path)) is None:
            return None
        stored = StoredExtraction(self._surveys, sha256)
        key = stored.key(options)
        if not self._surveys.has(key):
            return None
        if key not in self._counted and (events := stored.events(options)):
            self._counted[key] = len(_Extraction(events).keyframes)
        return self._counted.get(key)

    def sha256(self, path: Path, cancel: threading.Event | None = None) -> str:
        """Return the SHA-256 like framelens.video.sha256_of, but don't read an unchanged file again."""
        return value_of(self.hashed(path, cancel))

    def hashed(self, path: Path, cancel: threading.Event | None = None) -> Generator[HashProgress, None, str]:
        """Return the SHA-256 like `sha256`, and yield the progress of reading a large file."""
        check_file(path)
        if stored := self._surveys.known_sha256(path):
            return stored
        state = file_state(path)
        sha256 = yield from hashed(path, cancel)
        self._surveys.note_sha256(path, sha256, state)
        return sha256

    def quick_sha256(self, path: Path, cancel: threading.Event | None = None) -> str | None:
        """Return the SHA-256 if it is known or quick to compute, else None. Raises what `sha256` raises."""
        check_file(path)
        if stored := self._surveys.known_sha256(path):
            return stored
        is_quick = path.stat().st_size <= _QUICKLY_READ_BYTES or self._surveys.has_twin(path)
        return self.sha256(path, cancel) if is_quick else None

    def _keep(
        self,
        path: Path,
        file: str | None,
        options: ExtractOptions,
        extraction: _Extraction,
        surveys: list[SurveyResult | Thumbnails],
        cancel: threading.Event | None,
    ) -> Iterator[HashProgress]:
        sha256 = yield from self.hashed(path, cancel)
        if file is None or file != file_state(path):  # it changed while it was decoded
            return
        after = StoredExtraction(self._surveys, sha256)
        after.keep_surveys(surveys, options)
        if extraction.is_complete:  # else a part was missing; the next run may have it
            after.keep(options, *extraction.events)
            if options.read_text:
                after.keep_texts(extraction)
                after.drop(_without_text(options))
                after.drop((_FACTS, options))


def open_extraction_cache(data_dir: Path) -> ExtractionCache:
    """Return the cache of extractions in the data folder."""
    return ExtractionCache(open_extractions(data_dir))


def _survey_of(selection: Selection) -> tuple[object, ...]:
    """Return the subject of the survey of a whole video."""
    return "survey", selection.pace, selection.limit_seconds


def _thumbnails_of(selection: Selection) -> tuple[object, ...]:
    """Return the subject of the thumbnails of a selection's range."""
    return "thumbnails", selection.start_seconds, selection.end_seconds


def _with_path(events: Iterable[VideoEvent], path: Path) -> list[VideoEvent]:
    """Return the events with the current path and name of the file."""
    name = readable(path.name)
    return [
        Probed(replace(event.video, path=path, name=name)) if isinstance(event, Probed) else event for event in events
    ]


def _without_facts(events: Iterable[VideoEvent]) -> list[VideoEvent]:
    return [event for event in events if not isinstance(event, _FACTS_EVENTS)]


_TEXTS, _FACTS = "texts", "facts"


def _without_text(options: ExtractOptions) -> ExtractOptions:
    return replace(options, read_text=False)


class _Checkpoint:
    """Progress of an extraction that reads text, kept so that it survives a kill."""

    def __init__(self, surveys: ExtractionStore, path: Path, file: str | None, options: ExtractOptions) -> None:
        self._surveys = surveys
        self._path = path
        self._file = file
        self._options = options
        self._kept_at = float("-inf")
        self._has_keyframes = False

    def keep(self, extraction: _Extraction, surveys: list[SurveyResult | Thumbnails]) -> None:
        """Cache the keyframes once, and the facts so far; nothing while the digest of the file isn't known."""
        if not extraction.is_complete:  # a missing part isn't measured later
            return
        if time.monotonic() - self._kept_at < _PIECE_SECONDS:
            return
        self._kept_at = time.monotonic()
        sha256 = self._surveys.known_sha256(self._path)
        if sha256 is None or self._file is None or self._file != file_state(self._path):
            return
        stored = StoredExtraction(self._surveys, sha256)
        if not self._has_keyframes:
            stored.keep_surveys(surveys, self._options)
            stored.keep(_without_text(self._options), *_without_facts(extraction.events))
            self._has_keyframes = True
        if extraction.facts:
            stored.keep((_FACTS, self._options), tuple(extraction.facts))


class StoredExtraction:
    """Cached results of the video with this SHA-256, by their subject; damaged entries count as missing.

    Subjects are options, with their events; subjects from `_survey_at`, with the result of a survey of the whole video;
    from `_thumbnails_of`, with the small pictures of a range (2 to 6 MB); `_TEXTS`, with the texts on pictures by
    `video.picture_key`; and `_FACTS` with options, with the facts that an interrupted extraction had measured.
    """

    def __init__(self, surveys: ExtractionStore, sha256: str) -> None:
        self._surveys = surveys
        self._sha256 = sha256

    def get(self, subject: object, kind: type[T]) -> T | None:
        """Return the cached value, or None."""
        return next(iter(self._read_messages(subject, kind)), None)

    def events(self, options: ExtractOptions) -> list[VideoEvent]:
        """Return the cached events, or an empty list."""
        return self._read_messages(options, *_REPLAYED)

    def _read_messages(self, subject: object, kind: type[T], *others: type[T]) -> list[T]:
        stream = BytesIO(self._surveys.get(self.key(subject)) or b"")
        try:
            return list(iter(partial(receive, stream, kind, *others), None))
        except (EOFError, ValueError):
            _log.warning("a kept survey cannot be read", exc_info=True)
            return []

    def keep(self, subject: object, *values: object) -> None:
        """Cache values."""
        buffer = BytesIO()
        for value in values:
            send(buffer, value)
        self._surveys.put(self.key(subject), buffer.getvalue())

    def drop(self, subject: object) -> None:
        """Drop the cached value."""
        self._surveys.drop(self.key(subject))

    def keep_surveys(self, surveys: list[SurveyResult | Thumbnails], options: ExtractOptions) -> None:
        """Cache the results of a survey."""
        for survey in surveys:
            is_result, selection = isinstance(survey, SurveyResult), options.selection
            self.keep(_survey_of(selection) if is_result else _thumbnails_of(selection), survey)

    def interrupted(self, options: ExtractOptions) -> list[VideoEvent]:
        """Return the events of an extraction that reads text and was interrupted, with the facts it had measured."""
        events = self.events(_without_text(options))
        measured = self.get((_FACTS, options), tuple[FrameFacts, ...]) if events else None
        return [*events, *map(FactsMeasured, measured or ())]

    def texts(self) -> Texts:
        """Return the texts on pictures of this video."""
        return self.get(_TEXTS, Texts) or {}

    def keep_texts(self, extraction: _Extraction) -> None:
        """Cache the texts in the facts, in addition to earlier texts."""
        keys = {keyframe.number: picture_key(keyframe.jpeg) for keyframe in extraction.keyframes}
        texts = {**self.texts(), **{keys[fact.number]: fact.texts for fact in extraction.facts}}
        self.keep(_TEXTS, dict(list(texts.items())[-_MOST_TEXTS:]))

    def key(self, subject: object) -> str:
        """Return the key under which a subject is stored."""
        content = json.dumps([self._sha256, to_builtins(subject), version()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()
