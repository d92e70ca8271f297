"""Items that several videos of a batch have in common, from their reports: nothing is inferred or reworded.

Two texts are the same if they differ in case, width and spaces only.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from framelens.core.domain import Analysis, times_of
from framelens.reports.content.labels import field_names

SharedKind = Literal["screen", "field", "finding", "segment"]
_SHORTEST = 3
"""Characters of a text on the screen that count as a text: shorter texts are mostly misread edges."""


@dataclass(frozen=True)
class Occurrence:
    """The first place in a video; `frame` is 0 where no keyframe shows it.

    Attributes:
        key: SHA-256 of the video.
        time_seconds: The time of the frame, or of the beginning.
    """

    key: str
    frame: int
    time_seconds: float


@dataclass(frozen=True)
class SharedItem:
    """Something that several videos have.

    Attributes:
        kind: A text on the screen, a value of a field of findings, the text of a finding, or a type of segment.
        name: Name of the field, "" for other kinds.
        text: The text, the value or the type, as the first of the videos has it.
        places: The first place in each of the videos, in their order.
    """

    kind: SharedKind
    name: str
    text: str
    places: tuple[Occurrence, ...]


class SharedItems:
    """Collector of what videos have in common; it holds texts, not reports."""

    def __init__(self) -> None:
        self._found: dict[tuple[SharedKind, str, str], tuple[str, dict[str, Occurrence]]] = {}

    def add(self, key: str, analysis: Analysis) -> None:
        """Add the report of the video with this key."""
        for kind, name, text, frame, seconds in _items(analysis):
            _, places = self._found.setdefault((kind, name, _normal(text)), (text, {}))
            places.setdefault(key, Occurrence(key, frame, seconds))

    def all(self) -> tuple[SharedItem, ...]:
        """Return the items that at least two videos have, by kind, the most common item first."""
        items = [
            SharedItem(kind, name, text, tuple(places.values()))
            for (kind, name, _), (text, places) in self._found.items()
            if len(places) > 1
        ]
        return tuple(sorted(items, key=lambda one: (one.kind, -len(one.places), one.name, one.text)))


def _items(analysis: Analysis) -> Iterator[tuple[SharedKind, str, str, int, float]]:
    """Yield kind, name, text, frame and seconds of everything that could be shared, in time order."""
    times = times_of(analysis.keyframes)
    for facts in sorted(analysis.facts, key=lambda one: one.number):
        for line in facts.texts:
            if len(line.text.strip()) >= _SHORTEST:
                yield "screen", "", line.text.strip(), facts.number, times.get(facts.number, 0.0)
    names = field_names(analysis)
    for finding in analysis.findings:
        frame = next((number for number in finding.frames if number in times), 0)
        for field, value in finding.fields.items():
            if value.strip():
                yield "field", names.get(field, field), value.strip(), frame, times.get(frame, 0.0)
        if finding.text.strip():
            yield "finding", "", finding.text.strip(), frame, times.get(frame, 0.0)
    for segment in analysis.decode.stretches:
        yield "segment", "", segment.type, 0, segment.start_seconds


def _normal(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()
