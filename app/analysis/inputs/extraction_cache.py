"""From a video to the events of its extraction, recalled where the same content was extracted in the same way before.

What identifies a video is its SHA-256, wherever it lies and whatever it is called. What is kept are the events without
the progress; what the survey of a whole video found, with which frames at named times need no other survey; and the
texts on its frames, which are read once.

Each is kept under a key with the version of the program that found it, since a changed program finds other things.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import cast

from app import video
from app.core.domain import (
    FactsMeasured,
    KeyframeFound,
    KeyframesChosen,
    Noticed,
    Probed,
    ScreenText,
    Selection,
    SurveyProgress,
    VideoEvent,
)
from app.core.filenames import readable
from app.store.extraction_cache import Surveys, file_state
from app.video import Known
from app.video.files import check_file
from app.video.keyframes.timestamp_selection import names_times
from app.video.protocol import receive, send

_QUICKLY_READ_BYTES = 64 << 20
"""A file up to this size is read through (a tenth of a second) before it is decoded, a larger one only if known."""
_WHOLE = Selection()
_log = logging.getLogger(__name__)
_MOST_TEXTS = 1024
"""Pictures of one video; their keys fit on the command line of a decoding child."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a video: at most `frames` keyframes, chosen as `selection` says, and with `facts` what can be
    measured on them; with an `opening` those of the beginning at once.
    """

    frames: int
    selection: Selection = _WHOLE
    facts: bool = True
    opening: video.Opening | None = None


class Recall:
    """`extract` and `sha256` as app.video has them, with a memory."""

    def __init__(self, surveys: Surveys) -> None:
        self._surveys = surveys

    def extract(self, path: Path, wanted: Wanted, cancel: threading.Event | None = None) -> Iterator[VideoEvent]:
        """The events of app.video.extract, without progress where recalled, and without facts that are not wanted."""
        known = self.find(path, wanted, cancel)
        yield from self.make(path, wanted, cancel) if known is None else known

    def make(self, path: Path, wanted: Wanted, cancel: threading.Event | None = None) -> Iterator[VideoEvent]:
        """The same, decoded in any case, as far as it must be, and kept."""
        kept: list[VideoEvent] = []
        surveys: list[Known] = []
        state = file_state(path)
        for event in self._decoded(path, wanted, surveys.append, cancel):
            if not isinstance(event, SurveyProgress | KeyframeFound):
                kept.append(event)
            yield event
            if isinstance(event, KeyframesChosen) and not wanted.facts:
                break
        self._keep(path, state, wanted, kept, surveys, cancel)

    def _decoded(
        self, path: Path, wanted: Wanted, on_known: Callable[[Known], None], cancel: threading.Event | None
    ) -> Iterator[VideoEvent]:
        sha256 = self.quick_sha256(path, cancel)
        before = Remembered(self._surveys, sha256) if sha256 else None
        known = before.known() if before and names_times(wanted.selection) else None
        extract = (
            partial(video.extract_named, path, known) if known else partial(video.extract, path, on_known=on_known)
        )
        yield from extract(
            frames=wanted.frames,
            selection=wanted.selection,
            read_text=wanted.facts,
            opening=wanted.opening,
            texts=before.texts() if before and wanted.facts else {},
            cancel=cancel,
        )

    def find(self, path: Path, wanted: Wanted, cancel: threading.Event | None = None) -> list[VideoEvent] | None:
        """The recalled events, or None where the video must be decoded. Raises what `sha256` raises."""
        if (sha256 := self.quick_sha256(path, cancel)) is None:
            return None
        before = Remembered(self._surveys, sha256)
        for with_facts in dict.fromkeys((wanted.facts, True)):
            if events := before.events(asdict(replace(wanted, facts=with_facts))):
                last = None if wanted.facts else 1 + [type(event) for event in events].index(KeyframesChosen)
                return [_renamed(event, path) for event in events[:last]]
        return None

    def is_known(self, path: Path, wanted: Wanted) -> bool:
        """Whether this very wish was fulfilled before, as far as that can be told without reading the file."""
        sha256 = self._surveys.known_sha256(path)
        return sha256 is not None and Remembered(self._surveys, sha256).has_events(asdict(wanted))

    def sha256(self, path: Path, cancel: threading.Event | None = None) -> str:
        """As app.video.sha256_of, but a file that has not changed is not read again."""
        check_file(path)
        if known := self._surveys.known_sha256(path):
            return known
        state = file_state(path)
        sha256 = video.sha256_of(path, cancel)
        self._surveys.note_sha256(path, sha256, state)
        return sha256

    def quick_sha256(self, path: Path, cancel: threading.Event | None = None) -> str | None:
        """The SHA-256 where it is known or quickly worked out, else None. Raises what `sha256` raises."""
        check_file(path)
        if known := self._surveys.known_sha256(path):
            return known
        is_quick = path.stat().st_size <= _QUICKLY_READ_BYTES or self._surveys.has_twin(path)
        return self.sha256(path, cancel) if is_quick else None

    def _keep(
        self,
        path: Path,
        state: str | None,
        wanted: Wanted,
        events: list[VideoEvent],
        surveys: list[Known],
        cancel: threading.Event | None,
    ) -> None:
        sha256 = self.sha256(path, cancel)
        if state is None or state != file_state(path):  # it changed while it was decoded
            return
        after = Remembered(self._surveys, sha256)
        for known in surveys:
            after.keep_known(known)
        if not any(isinstance(event, Noticed) for event in events):  # a part was missing; the next run may have it
            after.keep_events(asdict(wanted), events)
            if wanted.facts:
                after.keep_texts(events)


def open_recall(data_dir: Path) -> Recall:
    """Return the reading of videos with the memory that lies in the data folder."""
    return Recall(Surveys(data_dir / "surveys"))


def _renamed(event: VideoEvent, path: Path) -> VideoEvent:
    """As of the file that `path` names now."""
    return Probed(replace(event.video, path=path, name=readable(path.name))) if isinstance(event, Probed) else event


class Remembered:
    """What `surveys` keeps of the video with this SHA-256. What was damaged on the disk is as good as never kept."""

    def __init__(self, surveys: Surveys, sha256: str) -> None:
        self._surveys = surveys
        self._sha256 = sha256

    def events(self, wanted: object) -> list[VideoEvent]:
        """Those that were kept as an answer to `wanted` (anything that JSON can hold); none where there are none."""
        events = cast(list[VideoEvent], self._get(wanted))
        return events if any(isinstance(event, KeyframesChosen) for event in events) else []

    def has_events(self, wanted: object) -> bool:
        """Whether an answer to `wanted` is kept, without reading it."""
        return self._surveys.has(self._key(wanted))

    def keep_events(self, wanted: object, events: Iterable[VideoEvent]) -> None:
        self._put(wanted, events)

    def known(self) -> video.Known | None:
        """What the survey of the whole video found."""
        known = next(iter(self._get("known")), None)
        return known if isinstance(known, video.Known) else None

    def keep_known(self, known: video.Known) -> None:
        self._put("known", [known])

    def texts(self) -> dict[str, tuple[ScreenText, ...]]:
        """The texts on pictures of this video, by `video.picture_key`."""
        texts = next(iter(self._get("texts")), None)
        return texts if isinstance(texts, dict) else {}

    def keep_texts(self, events: Sequence[VideoEvent]) -> None:
        """Those in the facts among `events`, beside the ones that are kept already."""
        texts = {**self.texts(), **_texts_in(events)}
        self._put("texts", [dict(list(texts.items())[-_MOST_TEXTS:])])

    def _get(self, of: object) -> list[object]:
        data = self._surveys.get(self._key(of))
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

    def _put(self, of: object, values: Iterable[object]) -> None:
        buffer = BytesIO()
        for value in values:
            send(buffer, value)
        self._surveys.put(self._key(of), buffer.getvalue())

    def _key(self, of: object) -> str:
        described = json.dumps([self._sha256, of, video.version()], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()


def _texts_in(events: Sequence[VideoEvent]) -> Mapping[str, tuple[ScreenText, ...]]:
    frames = {one.number: one for event in events if isinstance(event, KeyframesChosen) for one in event.keyframes}
    facts = [event.facts for event in events if isinstance(event, FactsMeasured)]
    return {video.picture_key(frames[one.number].jpeg): one.texts for one in facts}
