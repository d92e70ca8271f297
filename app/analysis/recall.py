"""From a video to the events of its extraction, recalled where the same content was extracted in the same way before.

What identifies a video is its SHA-256, wherever it lies and whatever it is called. What is kept are the events without
the progress; a changed program has changed events, so its version is a part of the key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import cast

from app import video
from app.domain import KeyframeFound, KeyframesChosen, Noticed, Probed, Selection, SurveyProgress, VideoEvent
from app.store.surveys import Surveys, file_state
from app.video.files import check_file
from app.video.wire import receive, send

_log = logging.getLogger(__name__)
_QUICKLY_READ_BYTES = 64 << 20
"""A file up to this size is read through (a tenth of a second) before it is decoded, a larger one only if known."""
_WHOLE = Selection()


class Recall:
    """`extract` and `sha256` as app.video has them, with a memory."""

    def __init__(self, surveys: Surveys) -> None:
        self._surveys = surveys

    def extract(
        self,
        path: Path,
        *,
        frames: int,
        selection: Selection = _WHOLE,
        facts: bool = True,
        cancel: threading.Event | None = None,
    ) -> Iterator[VideoEvent]:
        """The events of app.video.extract, without progress where recalled, and without facts if not `facts`."""
        known = self.find(path, frames=frames, selection=selection, facts=facts, cancel=cancel)
        if known is None:
            yield from self.make(path, frames=frames, selection=selection, facts=facts, cancel=cancel)
        else:
            yield from known

    def make(
        self,
        path: Path,
        *,
        frames: int,
        selection: Selection = _WHOLE,
        facts: bool = True,
        cancel: threading.Event | None = None,
    ) -> Iterator[VideoEvent]:
        """The same, decoded in any case and kept."""
        kept: list[VideoEvent] = []
        state = file_state(path)
        for event in video.extract(path, frames=frames, selection=selection, read_text=facts, cancel=cancel):
            if not isinstance(event, SurveyProgress | KeyframeFound):
                kept.append(event)
            yield event
            if isinstance(event, KeyframesChosen) and not facts:
                break
        self._keep(path, state, _options(frames, selection, facts), kept, cancel)

    def find(
        self,
        path: Path,
        *,
        frames: int,
        selection: Selection = _WHOLE,
        facts: bool = True,
        cancel: threading.Event | None = None,
    ) -> list[VideoEvent] | None:
        """The recalled events, or None where the video must be decoded. Raises what `sha256` raises."""
        check_file(path)
        sha256 = self._surveys.known_sha256(path)
        if sha256 is None and self._is_quickly_read(path):
            sha256 = self.sha256(path, cancel)
        if sha256 is None:
            return None
        for with_facts in dict.fromkeys((facts, True)):
            data = self._surveys.get(_key(sha256, _options(frames, selection, with_facts)))
            if data and (events := _unpacked(data, path)):
                last = None if facts else 1 + [type(event) for event in events].index(KeyframesChosen)
                return events[:last]
        return None

    def sha256(self, path: Path, cancel: threading.Event | None = None) -> str:
        """As app.video.sha256_of, but a file that has not changed is not read again."""
        check_file(path)
        if known := self._surveys.known_sha256(path):
            return known
        state = file_state(path)
        sha256 = video.sha256_of(path, cancel)
        self._surveys.note_sha256(path, sha256, state)
        return sha256

    def _is_quickly_read(self, path: Path) -> bool:
        return path.stat().st_size <= _QUICKLY_READ_BYTES or self._surveys.has_twin(path)

    def _keep(
        self,
        path: Path,
        state: str | None,
        options: dict[str, object],
        events: list[VideoEvent],
        cancel: threading.Event | None,
    ) -> None:
        if any(isinstance(event, Noticed) for event in events):  # a part was missing; the next run may have it
            return
        sha256 = self.sha256(path, cancel)
        if state is None or state != file_state(path):  # it changed while it was decoded
            return
        buffer = BytesIO()
        for event in events:
            send(buffer, event)
        self._surveys.put(_key(sha256, options), buffer.getvalue())


def _options(frames: int, selection: Selection, facts: bool) -> dict[str, object]:
    return {"frames": frames, "selection": asdict(selection), "facts": facts}


def _key(sha256: str, options: dict[str, object]) -> str:
    described = json.dumps([sha256, options, video.version()], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def _unpacked(data: bytes, path: Path) -> list[VideoEvent]:
    """The events, as of the file that `path` names now; none for what is damaged."""
    stream = BytesIO(data)
    events: list[VideoEvent] = []
    try:
        while (event := cast(VideoEvent | None, receive(stream))) is not None:
            if isinstance(event, Probed):
                event = Probed(replace(event.video, path=path, name=path.name))
            events.append(event)
    except (EOFError, ValueError, KeyError, TypeError):
        _log.warning("a kept survey cannot be read", exc_info=True)
        return []
    return events if any(isinstance(event, KeyframesChosen) for event in events) else []
