"""Pieces of a video that a report is about: findings, chapters and intervals that were found, each to be cut out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from framelens import Analysis, ConfigError, InputError
from framelens.plugin import t
from framelens.plugin.reports import ranges_of

PieceKind = Literal["finding", "chapter", "interval"]
MARGIN_SECONDS = 2.0
"""Before and after what a report names by single pictures, so that a clip of it can be understood."""
_MOST_NUMBERS = 10_000
T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """A range of a video with a name.

    Attributes:
        kind: What it is in the report, "" for a range that a user has chosen.
        number: Its place among the pieces of its kind, from 1; findings are counted as in the report.
        name: One line: the finding, the title of the chapter, or what was searched for.
        start_seconds: Its start, from the first picture of the video.
        end_seconds: Its end, None for the end of the video; a finding ends at its last picture's time.
        doubts: What could not be verified.
        video: The video, None for the video given with the piece.
    """

    kind: PieceKind | Literal[""]
    number: int
    name: str
    start_seconds: float
    end_seconds: float | None
    doubts: str = ""
    video: Path | None = None

    @property
    def label(self) -> str:
        """Return its name, and what could not be verified."""
        return f"{self.name} ⚠️ {self.doubts}".strip() if self.doubts else self.name


def pieces_of(analysis: Analysis, margin_seconds: float = 0.0) -> Iterator[Piece]:
    """Yield the chapters, the intervals that were found, and the findings with a time.

    Args:
        analysis: The report.
        margin_seconds: Time added before and after findings, within the video.
    """
    video_seconds = max(analysis.decode.readable_seconds, analysis.video.duration_seconds_from_header or 0.0)
    for part in ranges_of(analysis):
        start, end = part.first_seconds, part.end_seconds
        if part.kind == "finding":
            start, end = max(0.0, start - margin_seconds), max(end, min(end + margin_seconds, video_seconds))
        yield Piece(part.kind, part.number, part.name, start, end, part.doubts)


def moved(items: Iterable[tuple[int, int, T]]) -> list[T]:
    """Return items, each with its place and the place that it is moved to, in their new order.

    An item that is moved up comes before the item at the new place, an item that is moved down after it.
    """

    def new_place(item: tuple[int, int, T]) -> tuple[int, int]:
        old, new, _ = item
        return new, (new > old) - (new < old)

    return [item for *_, item in sorted(items, key=new_place)]


def parse_numbers(text: str) -> tuple[int, ...]:
    """Parse numbers and ranges separated by commas, such as "1,4-6", in their order and each once.

    Raises:
        ConfigError: The text is something else, or has more than 10,000 numbers.
    """
    numbers: list[int] = []
    for word in text.split(","):
        first, _, last = (part.strip() for part in word.partition("-"))
        edges = (first, last or first)
        if not all(edge.isascii() and edge.isdecimal() and len(edge) < 8 for edge in edges):
            raise ConfigError("clip_numbers", given=text[:80])
        span = range(int(edges[0]), int(edges[1]) + 1)
        if not span or not span[0] or len(numbers) + len(span) > _MOST_NUMBERS:
            raise ConfigError("clip_numbers", given=text[:80])
        numbers += span
    return tuple(dict.fromkeys(numbers))


def chosen(pieces: Iterable[Piece], kind: PieceKind, numbers: Sequence[int] | None, video: str) -> list[Piece]:
    """Return the pieces of a kind with these numbers, or all of them by time.

    Args:
        pieces: All pieces of a report.
        kind: The kind.
        numbers: Their numbers, None for all.
        video: Name of the video, for messages.

    Raises:
        InputError: The report has no piece of this kind, or not all of these numbers.
    """
    by_number = {piece.number: piece for piece in pieces if piece.kind == kind}
    if not by_number:
        raise InputError("clip_none_of_kind", kind=t(f"clip.kind_{kind}"), name=video)
    if numbers is None:
        return sorted(by_number.values(), key=lambda piece: (piece.start_seconds, piece.number))
    if missing := [number for number in numbers if number not in by_number]:
        values = {"kind": t(f"clip.kind_{kind}"), "number": missing[0], "last": max(by_number), "name": video}
        raise InputError("clip_number_unknown", **values)
    return [by_number[number] for number in numbers]
