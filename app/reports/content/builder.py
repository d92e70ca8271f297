"""Builder of a report's blocks from an Analysis: notices, summary, timeline, findings, frames and others.

Every time is that of a frame, a cue, a shot or a chapter, never one that a model wrote. Each finding appears once. If
findings have fields, all of them are in tables; if not, a finding that cites a single frame is beside its picture.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from typing import get_args

from app import core
from app.i18n import language, notice_text, t
from app.i18n.formatting import measured, origin
from app.reports.content import document as blocks
from app.reports.content import labels
from app.reports.content.document import Block, Document, Heading, Line, Listing, Paragraph, Span, Table, plain
from app.reports.content.provenance import aigc_text, provenance_section
from app.reports.content.questions import questions_section
from app.reports.graphics.chart import chart_of

Section = Callable[[], Iterator[Block]]
_WORTH_A_GALLERY = 3
"""The fewest pictures for which a gallery is added; fewer are visible at a glance. Chosen by hand; not tuned."""
MOST_TIMES = 8
"""Segments listed per type: the longest are listed, the others counted. Chosen by hand; not tuned."""
_LEVELS = ("error", "warning", "info")


def document(analysis: core.Analysis) -> Document:
    """Build the whole report; the model's texts stay in the language of the request."""
    facts = blocks.DocumentFacts(
        video=analysis.video.name,
        video_start_seconds=analysis.video.browser_start_seconds,
        created=analysis.created,
        generator=f"FrameLens {analysis.app_version}",
        model=labels.models(analysis),
        ai_label=labels.ai_label(analysis),
        aigc=aigc_text(analysis),
        content_id=analysis.id,
    )
    whole = chain.from_iterable(section() for section in sections(analysis).values())
    return Document(labels.headline(analysis), language(), facts, tuple(whole))


def sections(analysis: core.Analysis, *, is_shared: bool = True) -> dict[str, Section]:
    """Map the names of all sections to functions that yield their blocks, in reading order.

    Args:
        analysis: The analysis.
        is_shared: Leave out private values of this machine, such as the folder of a model.
    """
    return {
        "head": partial(_head, analysis),
        "broken": partial(_broken, analysis),
        "whole": partial(_whole, analysis),
        "timeline": partial(_timeline, analysis),
        "findings": partial(_findings, analysis),
        "questions": partial(questions_section, analysis),
        "frames": partial(_frames, analysis),
        "shots": partial(_shots, analysis),
        "transcript": partial(_transcript, analysis),
        "how": partial(provenance_section, analysis, is_shared=is_shared),
    }


def _head(analysis: core.Analysis) -> Iterator[Block]:
    if analysis.title:  # which is the headline and doesn't name the video
        yield Paragraph(plain(t("report.title", name=analysis.video.name)))
    for notice in sorted(labels.shown_notices(analysis), key=lambda notice: _LEVELS.index(notice.level)):
        yield Paragraph(plain(notice_text(notice)), notice.level)
    if label := labels.ai_label(analysis):
        yield Paragraph(plain(label), "label")


def _broken(analysis: core.Analysis) -> Iterator[Block]:
    if words := labels.unusable(analysis):
        yield Paragraph(plain(words), "error")


# ---- the model's statements


def _whole(analysis: core.Analysis) -> Iterator[Block]:
    """Yield the statements on the whole video; none if no model has answered."""
    if text := labels.repeated_text(analysis):
        yield Heading(2, plain(t("report.model_wrote")), "wrote")
        yield Paragraph(plain(text))
        return
    if question := analysis.request.question.strip():
        yield Paragraph((Span(t("report.question"), "strong"), Span(f" {question}")))
    times = labels.times_of(analysis.keyframes)
    for name, findings in (("reply", analysis.reply), ("summary", analysis.overview)):
        if findings:
            yield Heading(2, plain(t(f"report.{name}")), name)
        yield from (Paragraph(statement(finding, times)) for finding in findings)
    if analysis.summary:
        yield from _troubles(analysis.summary)
    if analysis.whole and analysis.whole.chapters:
        yield Heading(2, plain(t("report.chapters")), "chapters")
        yield Listing(tuple(map(_chapter, analysis.whole.chapters)))


def _findings(analysis: core.Analysis) -> Iterator[Block]:
    """Yield the findings by part, without those beside a picture."""
    parts, fields, times = labels.parts_of(analysis), labels.field_names(analysis), labels.times_of(analysis.keyframes)
    found: list[Block] = []
    for part in parts:
        made = list(_part(part.result, fields, times))
        if made and len(parts) > 1:
            name = Span(labels.part_name(part), at_seconds=part.start_seconds)
            found.append(Heading(3, (name,), f"part-{part.place}"))
        found += made
    if found and analysis.chunks:
        yield Heading(2, plain(t("report.findings")), "findings")
        yield from found


def _part(result: core.ChunkResult | None, fields: Mapping[str, str], times: Mapping[int, float]) -> Iterator[Block]:
    if result is None:
        yield Paragraph(plain(t("report.not_answered")), "warning")
        return
    yield from _troubles(result)
    yield from _listed([one for one in result.findings if _is_listed(one, fields)], fields, times)


def _is_listed(finding: core.Finding, fields: Mapping[str, str]) -> bool:
    return bool(fields) or len(finding.frames) != 1


def answer(result: core.ChunkResult, times: Mapping[int, float]) -> Iterator[Block]:
    """Yield everything that one answer says, for a report that isn't complete yet.

    Args:
        result: The answer.
        times: Seconds by frame number.
    """
    yield from _troubles(result)
    yield from (Paragraph(statement(finding, times)) for finding in result.overview)
    fields = {key: key for finding in result.findings for key in finding.fields}
    yield from _listed(result.findings, fields, times)


def _troubles(result: core.ChunkResult) -> Iterator[Block]:
    yield from (Paragraph(plain(trouble), "warning") for trouble in labels.troubles(result))


def _listed(findings: Sequence[core.Finding], fields: Mapping[str, str], times: Mapping[int, float]) -> Iterator[Block]:
    if fields and findings:
        heads = (t("report.time"), *fields.values(), t("report.finding"))
        # Thousands of findings cite the same few frames and have the same few values: each is made once.
        cited, value = cache(partial(labels.format_times, times=times)), cache(plain)
        rows = (
            (
                cited(finding.frames),
                *(value(finding.fields.get(key, "")) for key in fields),
                statement(finding),
            )
            for finding in findings
        )
        yield Table(tuple(map(plain, heads)), tuple(rows))
    elif findings:
        yield Listing(tuple(statement(finding, times) for finding in findings))


def statement(finding: core.Finding, times: Mapping[int, float] | None = None) -> Line:
    """Return a finding with what could not be verified of it, and with the times of its frames if they are given."""
    where = labels.format_times(finding.frames, times) if times else ()
    within = (Span(" ("), *where, Span(")")) if where else ()
    doubts = ", ".join(labels.issues(finding))
    doubt = (Span(" "), Span(t("report.unverified", issues=doubts), "doubt")) if doubts else ()
    return (Span(finding.text, "said"), *within, *doubt)


def _chapter(chapter: core.Chapter) -> Line:
    title = (Span(" "), Span(chapter.title, "strong")) if chapter.title.strip() else ()
    text = (Span(f" {chapter.text}", "said"),) if chapter.text.strip() else ()
    return (*labels.span_of(chapter.start_seconds, chapter.end_seconds), *title, *text)


# ---- what was measured


def _timeline(analysis: core.Analysis) -> Iterator[Block]:
    if chart := chart_of(analysis):
        values = {"time": core.clock(chart.seconds), "shots": len(chart.shots), "frames": len(chart.frames)}
        heading = Heading(2, plain(t("report.timeline")), "timeline")
        yield blocks.Timeline(heading, chart, t("report.timeline_alt", **values))


def _frames(analysis: core.Analysis) -> Iterator[Block]:
    fields = labels.field_names(analysis)
    beside: dict[int, list[core.Finding]] = {}
    for finding in analysis.findings:
        if not _is_listed(finding, fields):
            beside.setdefault(finding.frames[0], []).append(finding)
    yield Heading(2, plain(t("report.frames" if analysis.chunks else "report.frames_measured")), "frames")
    yield from frames(analysis.keyframes, analysis.facts, beside)


def frames(
    keyframes: Sequence[core.Keyframe],
    facts: Iterable[core.FrameFacts],
    beside: Mapping[int, Sequence[core.Finding]] | None = None,
) -> Iterator[Block]:
    """Yield a gallery of the frames, and each frame with its findings and measurements.

    Args:
        keyframes: The frames.
        facts: What is measured of them so far.
        beside: The findings by the number of the frame that they are shown beside.
    """
    known = {one.number: one for one in facts}
    pictures = [_picture(frame) for frame in keyframes]
    if len(shown := [picture for picture in pictures if picture.jpeg]) >= _WORTH_A_GALLERY:
        yield blocks.Gallery(tuple(shown))
    for frame, picture in zip(keyframes, pictures, strict=True):
        yield Heading(3, (Span(picture.alt, at_seconds=frame.time_seconds),), picture.anchor)
        if picture.jpeg:  # an imported report may have no pictures
            yield picture
        yield from (Paragraph(statement(finding)) for finding in (beside or {}).get(frame.number, ()))
        yield Listing(tuple(_measured(frame, known.get(frame.number))))


def _picture(frame: core.Keyframe) -> blocks.PictureBlock:
    alt = t("report.frame", number=frame.number, time=core.clock(frame.time_seconds))
    return blocks.PictureBlock(frame.number, frame.time_seconds, frame.width, frame.height, frame.jpeg, alt)


def _measured(frame: core.Keyframe, facts: core.FrameFacts | None) -> Iterator[Line]:
    yield plain(t("report.measured", origin=origin(frame)))
    if facts is None:
        return
    yield from map(plain, measured(facts))
    brightness = f"{100 * facts.brightness:.0f}"
    numbers = t("report.numbers", brightness=brightness, sharpness=f"{facts.sharpness:.0f}")
    moved = "" if facts.motion is None else t("report.motion", motion=f"{100 * facts.motion:.1f}")
    yield plain(f"{numbers}{moved}")


def _shots(analysis: core.Analysis) -> Iterator[Block]:
    yield Heading(2, plain(t("report.shots")), "shots")
    heads = tuple(plain(t(f"report.{column}")) for column in ("shot", "start", "end"))
    rows = tuple(
        (plain(str(shot.number)), (labels.moment(shot.start_seconds),), (labels.moment(shot.end_seconds),))
        for shot in analysis.decode.shots
    )
    yield Table(heads, rows, numbers=True)
    if lines := segment_lines(analysis.decode.stretches):
        yield Listing(tuple(map(plain, lines)))


def segment_lines(stretches: Sequence[core.Stretch]) -> list[str]:
    """Return one line per type of segment that was found, with its times."""
    by_type = {kind: [one for one in stretches if one.type == kind] for kind in get_args(core.StretchType)}
    return [t(f"report.segment_{kind}", ranges=_ranges(found)) for kind, found in by_type.items() if found]


def _ranges(found: Sequence[core.Stretch]) -> str:
    longest = sorted(found, key=_seconds_of, reverse=True)[:MOST_TIMES]
    named = [f"{core.clock(one.start_seconds)} – {core.clock(one.end_seconds)}" for one in found if one in longest]
    times = t("facts.list").join(named)
    left = len(found) - len(named)
    return t("report.segments_more", ranges=times, count=left) if left else times


def _seconds_of(stretch: core.Stretch) -> float:
    return stretch.end_seconds - stretch.start_seconds


def _transcript(analysis: core.Analysis) -> Iterator[Block]:
    transcript = analysis.transcript
    if transcript is None:
        return
    yield Heading(2, plain(t("report.transcript")), "transcript")
    source = t(f"report.transcript_{transcript.source}", label=transcript.label)
    if transcript.cues:
        yield Paragraph(plain(f"{source} · {t('report.transcript_cues', n=len(transcript.cues))}"))
        yield Listing(
            tuple(
                (*labels.span_of(cue.start_seconds, cue.end_seconds), Span(f" {cue.text}")) for cue in transcript.cues
            )
        )
    else:
        yield Paragraph(plain(source))
        yield Paragraph(plain(t("report.transcript_nothing")))
