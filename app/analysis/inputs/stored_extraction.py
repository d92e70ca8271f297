"""From the SHA-256 of a video to what was found in it before: events, what is known of the whole, and texts on frames.

Each is kept under a key with the version of the program that found it, since a changed program finds other things.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import cast

from app import video
from app.domain import FactsMeasured, KeyframesChosen, ScreenText, VideoEvent
from app.store.extraction_cache import Surveys
from app.video.wire import receive, send

_log = logging.getLogger(__name__)
_MOST_TEXTS = 1024
"""Pictures of one video; their keys fit on the command line of a decoding child."""


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
