"""Cache of extractions: the events of a video whose content was extracted in the same way before.

A video is identified by its SHA-256, whatever its path and name. The cache holds the events without the progress; the
result of a survey of the whole video, so that frames at named times need no other survey; and the texts on frames. Keys
include the version of the program, since another version may find other things.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import cast

from app import core, video
from app.store import ExtractionStore, file_state
from app.video import ExtractOptions, Known, check_file, names_times, receive, send

_QUICKLY_READ_BYTES = 64 << 20
"""A file up to this size is hashed (a tenth of a second) before it is decoded, a larger one only if known."""
_WHOLE = core.Selection()
_log = logging.getLogger(__name__)
_MOST_TEXTS = 1024
"""Pictures of one video; their keys fit on the command line of a decoder worker."""


class ExtractionCache:
    """Reader of videos, with cached versions of `extract` and `sha256` of app.video."""

    def __init__(self, surveys: ExtractionStore) -> None:
        self._surveys = surveys

    def probe(self, path: Path) -> core.VideoInfo:
        """Return the metadata of a video, see `app.video.probe`."""
        return video.probe(path)

    def extract(
        self, path: Path, options: ExtractOptions, cancel: threading.Event | None = None
    ) -> Iterator[core.VideoEvent]:
        """Yield the events of app.video.extract: without progress if cached, without facts if no text is read."""
        known = self.find(path, options, cancel)
        yield from self.make(path, options, cancel) if known is None else known

    def make(
        self, path: Path, options: ExtractOptions, cancel: threading.Event | None = None
    ) -> Iterator[core.VideoEvent]:
        """Yield the same events, but decode as far as needed without looking for cached ones; then cache them."""
        kept: list[core.VideoEvent] = []
        surveys: list[Known] = []
        state = file_state(path)
        for event in self._decoded(path, options, surveys.append, cancel):
            if not isinstance(event, core.SurveyProgress | core.KeyframeFound):
                kept.append(event)
            yield event
            if isinstance(event, core.KeyframesChosen) and not options.read_text:
                break
        self._keep(path, state, options, kept, surveys, cancel)

    def _decoded(
        self, path: Path, options: ExtractOptions, on_known: Callable[[Known], None], cancel: threading.Event | None
    ) -> Iterator[core.VideoEvent]:
        sha256 = self.quick_sha256(path, cancel)
        before = StoredExtraction(self._surveys, sha256) if sha256 else None
        known = before.known() if before and names_times(options.selection) else None
        extract = (
            partial(video.extract_named, path, known) if known else partial(video.extract, path, on_known=on_known)
        )
        yield from extract(options, texts=before.texts() if before and options.read_text else {}, cancel=cancel)

    def find(
        self, path: Path, options: ExtractOptions, cancel: threading.Event | None = None
    ) -> list[core.VideoEvent] | None:
        """Return the cached events, or None if the video must be decoded. Raises what `sha256` raises."""
        if (sha256 := self.quick_sha256(path, cancel)) is None:
            return None
        before = StoredExtraction(self._surveys, sha256)
        for read_text in dict.fromkeys((options.read_text, True)):
            if events := before.events(replace(options, read_text=read_text).to_json()):
                last = None if options.read_text else 1 + [type(event) for event in events].index(core.KeyframesChosen)
                return [_renamed(event, path) for event in events[:last]]
        return None

    def is_read(self, info: core.VideoInfo, request: core.AnalysisRequest, opening: video.Opening | None) -> bool:
        """Return True if what an analysis needs is cached, as far as known without reading the file."""
        options = ExtractOptions(request.frames, request.selection, opening=opening)
        sha256 = self._surveys.known_sha256(info.path)
        return sha256 is not None and StoredExtraction(self._surveys, sha256).has_events(options.to_json())

    def sha256(self, path: Path, cancel: threading.Event | None = None) -> str:
        """Return the SHA-256 like app.video.sha256_of, but don't read an unchanged file again."""
        check_file(path)
        if known := self._surveys.known_sha256(path):
            return known
        state = file_state(path)
        sha256 = video.sha256_of(path, cancel)
        self._surveys.note_sha256(path, sha256, state)
        return sha256

    def quick_sha256(self, path: Path, cancel: threading.Event | None = None) -> str | None:
        """Return the SHA-256 if it is known or quick to compute, else None. Raises what `sha256` raises."""
        check_file(path)
        if known := self._surveys.known_sha256(path):
            return known
        is_quick = path.stat().st_size <= _QUICKLY_READ_BYTES or self._surveys.has_twin(path)
        return self.sha256(path, cancel) if is_quick else None

    def _keep(
        self,
        path: Path,
        state: str | None,
        options: ExtractOptions,
        events: list[core.VideoEvent],
        surveys: list[Known],
        cancel: threading.Event | None,
    ) -> None:
        sha256 = self.sha256(path, cancel)
        if state is None or state != file_state(path):  # it changed while it was decoded
            return
        after = StoredExtraction(self._surveys, sha256)
        for known in surveys:
            after.keep_known(known)
        if not any(isinstance(event, core.Noticed) for event in events):  # a part was missing; the next run may have it
            after.keep_events(options.to_json(), events)
            if options.read_text:
                after.keep_texts(events)


def open_extraction_cache(data_dir: Path) -> ExtractionCache:
    """Return the cache of extractions in the data folder."""
    return ExtractionCache(ExtractionStore(data_dir / "surveys"))


def _renamed(event: core.VideoEvent, path: Path) -> core.VideoEvent:
    """Return the event with the current path and name of the file."""
    return (
        core.Probed(replace(event.video, path=path, name=core.readable(path.name)))
        if isinstance(event, core.Probed)
        else event
    )


class StoredExtraction:
    """Cached results of the video with this SHA-256; damaged entries count as missing."""

    def __init__(self, surveys: ExtractionStore, sha256: str) -> None:
        self._surveys = surveys
        self._sha256 = sha256

    def events(self, wanted: object) -> list[core.VideoEvent]:
        """Return the cached events for `wanted` (any JSON value); an empty list if there are none."""
        events = cast(list[core.VideoEvent], self._get(wanted))
        return events if any(isinstance(event, core.KeyframesChosen) for event in events) else []

    def has_events(self, wanted: object) -> bool:
        """Return True if events for `wanted` are cached, without reading them."""
        return self._surveys.has(self._key(wanted))

    def keep_events(self, wanted: object, events: Iterable[core.VideoEvent]) -> None:
        """Cache the events for `wanted`."""
        self._put(wanted, events)

    def known(self) -> video.Known | None:
        """Return the result of the survey of the whole video, or None."""
        known = next(iter(self._get("known")), None)
        return known if isinstance(known, video.Known) else None

    def keep_known(self, known: video.Known) -> None:
        """Cache the result of the survey of the whole video."""
        self._put("known", [known])

    def texts(self) -> dict[str, tuple[core.ScreenText, ...]]:
        """Return the texts on pictures of this video, by `video.picture_key`."""
        texts = next(iter(self._get("texts")), None)
        return texts if isinstance(texts, dict) else {}

    def keep_texts(self, events: Sequence[core.VideoEvent]) -> None:
        """Cache the texts in the facts among `events`, in addition to earlier ones."""
        texts = {**self.texts(), **_texts_in(events)}
        self._put("texts", [dict(list(texts.items())[-_MOST_TEXTS:])])

    def _get(self, subject: object) -> list[object]:
        data = self._surveys.get(self._key(subject))
        if data is None:
            return []
        stream = BytesIO(data)
        values: list[object] = []
        try:
            while (value := receive(stream)) is not None:
                values.append(value)
        except (EOFError, ValueError, KeyError, TypeError):
            _log.warning("a kept survey cannot be read", exc_info=True)
            return []
        return values

    def _put(self, subject: object, values: Iterable[object]) -> None:
        buffer = BytesIO()
        for value in values:
            send(buffer, value)
        self._surveys.put(self._key(subject), buffer.getvalue())

    def _key(self, subject: object) -> str:
        described = json.dumps([self._sha256, subject, video.version()], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()


def _texts_in(events: Sequence[core.VideoEvent]) -> Mapping[str, tuple[core.ScreenText, ...]]:
    frames = {one.number: one for event in events if isinstance(event, core.KeyframesChosen) for one in event.keyframes}
    facts = [event.facts for event in events if isinstance(event, core.FactsMeasured)]
    return {video.picture_key(frames[one.number].jpeg): one.texts for one in facts}
