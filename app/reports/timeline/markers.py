"""Timeline of a video for editing programs: shots as clips, and chapters, findings and keyframes as markers.

A timeline shows one marker per frame, so everything that begins at a frame shares a marker, named after the most
important kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from app.core.domain import Analysis, Language, clock
from app.i18n import sentences, t
from app.i18n.facts import origin
from app.reports.content.labels import finding_text, remarks
from app.reports.content.plain_text import one_line, shortened
from app.reports.content.request_parts import seconds_of, times_of
from app.reports.timeline.chapters import chapters_of, has_model_chapters
from app.reports.timeline.timecode import Rate, first_frame, is_exact, timecode

Kind = Literal["chapter", "doubt", "finding", "frame", "about"]
"""In the order of importance for a marker's name. A "doubt" is a finding that could not be verified; "about" describes
how the markers were made."""
COLOURS: dict[Kind, str] = {
    "chapter": "Green", "doubt": "Yellow", "finding": "Blue", "frame": "Cyan", "about": "Purple",
}  # fmt: skip
"""Names of colours that DaVinci Resolve and OpenTimelineIO share."""
_LONGEST_NAME = 60  # characters; chosen by hand, not tuned


@dataclass(frozen=True)
class Marker:
    """A marker at `frame`, counted from 0. `note` is one line, or empty if the name says everything."""

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
class _Event:
    frame: int
    kind: Kind
    name: str
    text: str


def fits(analysis: Analysis) -> bool:
    """Return whether there is anything to mark or to cut."""
    return bool(analysis.keyframes) and analysis.decode.readable_seconds > 0


def pieces_of(analysis: Analysis, language: Language, rate: Rate) -> tuple[Piece, ...]:
    """Return the whole video cut at the shots, without gaps and with at least one frame."""
    end = max(1, rate.frame(analysis.decode.readable_seconds))
    shots = {rate.frame(shot.start_seconds): shot.number for shot in analysis.decode.shots}
    starts = sorted({0, *(start for start in shots if start < end)})
    names = {start: f"{t('report.shot', language)} {number}" for start, number in shots.items()}
    whole = one_line(analysis.video.name)
    return tuple(
        Piece(names.get(start, whole), start, after) for start, after in zip(starts, [*starts[1:], end], strict=True)
    )


def markers_of(analysis: Analysis, language: Language, rate: Rate) -> tuple[Marker, ...]:
    """Return the markers in time order, at most one per frame.

    A keyframe has a marker of its own if nothing else begins there. The first marker describes how all were made.
    """
    found: dict[int, list[_Event]] = {}
    for one in _events(analysis, language, rate):
        found.setdefault(one.frame, []).append(one)
    for frame in analysis.keyframes:
        name = t("report.frame", language, number=frame.number, time=clock(frame.time_seconds))
        place = rate.frame(frame.time_seconds)
        found.setdefault(place, [_Event(place, "frame", name, origin(frame, language))])
    found.setdefault(0, []).append(_about(analysis, language, rate))
    return tuple(_marker(place, found[place]) for place in sorted(found))


def _events(analysis: Analysis, language: Language, rate: Rate) -> Iterator[_Event]:
    for chapter in chapters_of(analysis, language) if has_model_chapters(analysis) else ():
        yield _Event(rate.frame(chapter.start_seconds), "chapter", chapter.title, chapter.text)
    times = times_of(analysis.keyframes)
    for finding in analysis.findings:
        seconds = seconds_of(finding, times)
        if seconds and (text := finding_text(finding, language)):
            kind: Kind = "doubt" if finding.issues else "finding"
            yield _Event(rate.frame(min(seconds)), kind, shortened(text, _LONGEST_NAME), text)


def _about(analysis: Analysis, language: Language, rate: Rate) -> _Event:
    start = timecode(first_frame(rate), rate)
    timeline = t("report.timeline_rate", language, rate=str(rate), start=start)
    uneven = "" if is_exact(rate, analysis.video, analysis.decode) else t("report.timeline_uneven", language)
    texts = (*remarks(analysis, language), timeline, uneven)
    return _Event(0, "about", f"FrameLens {analysis.app_version}", sentences(texts, language))


def _marker(frame: int, events: list[_Event]) -> Marker:
    order = get_args(Kind)
    first, *others = sorted(events, key=lambda one: order.index(one.kind))
    own = [first.text] if first.text != first.name else []
    texts = [*own, *(one.text or one.name for one in others)]
    return Marker(frame, first.kind, first.name, " / ".join(filter(None, texts)))
