"""What an editor finds on the timeline: the shots as cuts, and chapters, findings and keyframes as markers.

A timeline shows one marker a frame; so all that begins at one stands in one marker, named after what matters most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from app.domain import Analysis, Language, clock
from app.i18n import sentences, t
from app.i18n.facts import origin
from app.reports.content.labels import remarks, said
from app.reports.content.plain_text import one_line, shortened
from app.reports.content.request_parts import seconds_of, times_of
from app.reports.timeline.chapters import are_told, chapters_of
from app.reports.timeline.timecode import Rate, first_frame, is_exact, timecode

Kind = Literal["chapter", "doubt", "finding", "frame", "about"]
"""In the order in which they name a marker. A "doubt" is a finding that could not be verified; "about" says how the
markers were made."""
COLOURS: dict[Kind, str] = {
    "chapter": "Green", "doubt": "Yellow", "finding": "Blue", "frame": "Cyan", "about": "Purple",
}  # fmt: skip
"""Names that DaVinci Resolve and OpenTimelineIO both have."""
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Marker:
    """At `frame`, counted from the beginning of the video. `note` is one line, or empty where the name says it all."""

    frame: int
    kind: Kind
    name: str
    note: str


@dataclass(frozen=True)
class Piece:
    """A shot as a clip: the frames [start, end) of the video, at the same place on the timeline."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class _Said:
    frame: int
    kind: Kind
    name: str
    text: str


def fits(analysis: Analysis) -> bool:
    """Whether there is anything to mark or to cut."""
    return bool(analysis.keyframes) and analysis.decode.readable_seconds > 0


def pieces_of(analysis: Analysis, language: Language, rate: Rate) -> tuple[Piece, ...]:
    """The whole video without a gap, cut where shots begin. It has at least one frame."""
    end = max(1, rate.frame(analysis.decode.readable_seconds))
    shots = {rate.frame(shot.start_seconds): shot.number for shot in analysis.decode.shots}
    starts = sorted({0, *(start for start in shots if start < end)})
    names = {start: f"{t('report.shot', language)} {number}" for start, number in shots.items()}
    whole = one_line(analysis.video.name)
    return tuple(
        Piece(names.get(start, whole), start, after) for start, after in zip(starts, [*starts[1:], end], strict=True)
    )


def markers_of(analysis: Analysis, language: Language, rate: Rate) -> tuple[Marker, ...]:
    """In time order, one a frame. A keyframe has one where nothing else begins; the first one says how all was made."""
    found: dict[int, list[_Said]] = {}
    for one in _told(analysis, language, rate):
        found.setdefault(one.frame, []).append(one)
    for frame in analysis.keyframes:
        name = t("report.frame", language, number=frame.number, time=clock(frame.time_seconds))
        place = rate.frame(frame.time_seconds)
        found.setdefault(place, [_Said(place, "frame", name, origin(frame, language))])
    found.setdefault(0, []).append(_about(analysis, language, rate))
    return tuple(_marker(place, found[place]) for place in sorted(found))


def _told(analysis: Analysis, language: Language, rate: Rate) -> Iterator[_Said]:
    for chapter in chapters_of(analysis, language) if are_told(analysis) else ():
        yield _Said(rate.frame(chapter.start_seconds), "chapter", chapter.title, chapter.text)
    times = times_of(analysis.keyframes)
    for finding in analysis.findings:
        seconds = seconds_of(finding, times)
        if seconds and (text := said(finding, language)):
            kind: Kind = "doubt" if finding.issues else "finding"
            yield _Said(rate.frame(min(seconds)), kind, shortened(text, _LONGEST_NAME), text)


def _about(analysis: Analysis, language: Language, rate: Rate) -> _Said:
    start = timecode(first_frame(rate), rate)
    timeline = t("report.timeline_rate", language, rate=str(rate), start=start)
    uneven = "" if is_exact(rate, analysis.video, analysis.decode) else t("report.timeline_uneven", language)
    texts = (*remarks(analysis, language), timeline, uneven)
    return _Said(0, "about", f"FrameLens {analysis.app_version}", sentences(texts, language))


def _marker(frame: int, told: list[_Said]) -> Marker:
    order = get_args(Kind)
    first, *others = sorted(told, key=lambda one: order.index(one.kind))
    own = [first.text] if first.text != first.name else []
    texts = [*own, *(one.text or one.name for one in others)]
    return Marker(frame, first.kind, first.name, " / ".join(filter(None, texts)))
