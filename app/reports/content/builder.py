"""Builder of a report's Document from an Analysis: notices, summary, timeline, findings, frames and provenance.

Every time is that of a frame, a cue, a shot or a chapter, never one that a model wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from app.core import Analysis, FrameFacts, Keyframe, Language, Stretch, StretchType, Transcript, clock
from app.i18n import notice_text, t
from app.i18n.formatting import measured, origin
from app.reports.content.document import (
    Block,
    Document,
    DocumentFacts,
    Gallery,
    Heading,
    Line,
    Listing,
    Paragraph,
    PictureBlock,
    Span,
    Table,
    Timeline,
    plain,
)
from app.reports.content.labels import ai_label, headline, span_of
from app.reports.content.provenance import aigc_text, provenance_section
from app.reports.content.summary_section import SummarySection
from app.reports.graphics.chart import chart_of

_WORTH_A_GALLERY = 3
"""The fewest pictures for which a gallery is added; fewer are visible at a glance. Chosen by hand; not tuned."""
MOST_TIMES = 8
"""Segments listed per type: the longest are listed, the others counted. Chosen by hand; not tuned."""


def document(analysis: Analysis, language: Language) -> Document:
    """Build the whole report in `language`; the model's texts stay in the language of the request."""
    return Document(
        headline(analysis, language), language, _facts(analysis, language), tuple(_blocks(analysis, language))
    )


def _facts(analysis: Analysis, language: Language) -> DocumentFacts:
    return DocumentFacts(
        video=analysis.video.name,
        created=analysis.created,
        generator=f"FrameLens {analysis.app_version}",
        model=analysis.answered_by,
        ai_label=ai_label(analysis, language),
        aigc=aigc_text(analysis),
        content_id=analysis.id,
    )


def _blocks(analysis: Analysis, language: Language) -> Iterator[Block]:
    summary = SummarySection(analysis, language)
    yield from _head(analysis, language)
    yield from summary.whole()
    yield from _timeline(analysis, language)
    yield from summary.findings()
    yield from _frames(analysis, summary, language)
    yield from _shots(analysis, language)
    yield from _transcript(analysis.transcript, language)
    yield from provenance_section(analysis, language)


def _head(analysis: Analysis, language: Language) -> Iterator[Block]:
    if analysis.title:  # which is the headline and doesn't name the video
        yield Paragraph(plain(t("report.title", language, name=analysis.video.name)))
    for notice in sorted(analysis.notices, key=lambda notice: notice.level != "error"):
        yield Paragraph(plain(notice_text(notice, language)), notice.level)
    if label := ai_label(analysis, language):
        yield Paragraph(plain(label), "label")


def _timeline(analysis: Analysis, language: Language) -> Iterator[Block]:
    if chart := chart_of(analysis):
        values = {"time": clock(chart.seconds), "shots": len(chart.shots), "frames": len(chart.frames)}
        heading = Heading(2, plain(t("report.timeline", language)), "timeline")
        yield Timeline(heading, chart, t("report.timeline_alt", language, **values))


def _frames(analysis: Analysis, summary: SummarySection, language: Language) -> Iterator[Block]:
    facts = {one.number: one for one in analysis.facts}
    pictures = [_picture(frame, language) for frame in analysis.keyframes]
    words = t("report.frames" if analysis.chunks else "report.frames_measured", language)
    yield Heading(2, plain(words), "frames")
    if len(shown := [picture for picture in pictures if picture.jpeg]) >= _WORTH_A_GALLERY:
        yield Gallery(tuple(shown))
    for frame, picture in zip(analysis.keyframes, pictures, strict=True):
        yield Heading(3, (Span(picture.alt, at_seconds=frame.time_seconds),), picture.anchor)
        if picture.jpeg:  # an imported report may have no pictures
            yield picture
        yield from summary.of_frame(frame.number)
        yield Listing(tuple(_measured(frame, facts.get(frame.number), language)))


def _picture(frame: Keyframe, language: Language) -> PictureBlock:
    alt = t("report.frame", language, number=frame.number, time=clock(frame.time_seconds))
    return PictureBlock(frame.number, frame.time_seconds, frame.width, frame.height, frame.jpeg, alt)


def _measured(frame: Keyframe, facts: FrameFacts | None, language: Language) -> Iterator[Line]:
    yield plain(f"{t('report.measured', language)} {origin(frame, language)}")
    if facts is None:
        return
    yield from map(plain, measured(facts, language))
    numbers = t("report.numbers", language, brightness=f"{facts.brightness:.2f}", sharpness=f"{facts.sharpness:.0f}")
    moved = "" if facts.motion is None else t("report.motion", language, motion=f"{facts.motion:.3f}")
    yield plain(f"{numbers}{moved}")


def _shots(analysis: Analysis, language: Language) -> Iterator[Block]:
    yield Heading(2, plain(t("report.shots", language)), "shots")
    heads = tuple(plain(t(f"report.{column}", language)) for column in ("shot", "start", "end"))
    rows = tuple(
        (plain(str(shot.number)), (_time(shot.start_seconds),), (_time(shot.end_seconds),))
        for shot in analysis.decode.shots
    )
    yield Table(heads, rows, numbers=True)
    if lines := segment_lines(analysis.decode.stretches, language):
        yield Listing(tuple(map(plain, lines)))


def _transcript(transcript: Transcript | None, language: Language) -> Iterator[Block]:
    if transcript is None:
        return
    yield Heading(2, plain(t("report.transcript", language)), "transcript")
    yield Paragraph(plain(t(f"report.transcript_{transcript.source}", language, label=transcript.label)))
    if transcript.cues:
        yield Listing(
            tuple((*span_of(cue.start_seconds, cue.end_seconds), Span(f" {cue.text}")) for cue in transcript.cues)
        )
    else:
        yield Paragraph(plain(t("report.transcript_nothing", language)))


def _time(seconds: float) -> Span:
    return Span(clock(seconds), at_seconds=seconds)


def segment_lines(stretches: Sequence[Stretch], language: Language) -> list[str]:
    """Return one line per type of segment that was found, with its times."""
    by_type = {kind: [one for one in stretches if one.type == kind] for kind in get_args(StretchType)}
    return [
        t(f"report.segment_{kind}", language, ranges=_ranges(found, language))
        for kind, found in by_type.items()
        if found
    ]


def _ranges(found: Sequence[Stretch], language: Language) -> str:
    longest = sorted(found, key=_seconds_of, reverse=True)[:MOST_TIMES]
    named = [f"{clock(one.start_seconds)} – {clock(one.end_seconds)}" for one in found if one in longest]
    times = t("facts.list", language).join(named)
    left = len(found) - len(named)
    return t("report.segments_more", language, ranges=times, count=left) if left else times


def _seconds_of(stretch: Stretch) -> float:
    return stretch.end_seconds - stretch.start_seconds
