"""Sections with the model's statements: answer, summary, chapters and findings, and all of them as a record.

Every time is the time of a frame or a chapter, never a time that a model wrote. Each finding appears once in a section.
A failure is stated once, in the answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

from framelens.core.domain import BREAKS, Analysis, Chapter, ChunkResult, Finding, times_of
from framelens.core.files import single_line
from framelens.i18n import gap, labelled, t
from framelens.reports.content import document as blocks
from framelens.reports.content import labels
from framelens.reports.content.document import Block, Heading, Line, Listing, Paragraph, Span, Table, text_line
from framelens.reports.content.measurements import picture_of
from framelens.reports.content.questions import answer_to_question

T = TypeVar("T")
_MOST_ANSWER_PICTURES = 4
"""Most pictures beside an answer: a row."""


@dataclass(frozen=True)
class Extent:
    """Limits of the sections; None is no limit.

    Attributes:
        sentences: Most sentences of the answer, and of the summary.
        chapters: Most chapters.
        findings: Most findings, which are then spread over the video and not headed by parts.
        characters: Most characters of a sentence.
        has_appendix: Whether the same document has an appendix with the left-out statements.
    """

    sentences: int | None = None
    chapters: int | None = None
    findings: int | None = None
    characters: int | None = None
    has_appendix: bool = False

    def cut(self, text: str) -> str:
        """Return a text on one line of at most `characters`; without a limit the text itself."""
        return text if self.characters is None else labels.shortened(text, self.characters)

    def remainder(self, left_out: Sequence[object]) -> Iterator[Block]:
        """Yield a sentence with the number of left-out statements, and of those that could not be verified."""
        if not left_out:
            return
        doubtful = sum(bool(item.issues) for item in left_out if isinstance(item, Finding))
        unverified = t("report.more_unverified", n=doubtful) if doubtful else ""
        where = "report.more_appendix" if self.has_appendix else "report.more"
        yield Paragraph(text_line(t(where, n=len(left_out), unverified=unverified)), "quiet")


WHOLE = Extent()


# ---- the sections ----------------------------------------------------------------------------------------------------


def answer(analysis: Analysis, extent: Extent = WHOLE) -> Iterator[Block]:
    """Yield the question, a problem with the answer, and the answer with the pictures that prove it.

    The question is left out if it is the headline. An unusable or incomplete answer is stated without a question, too.
    """
    question = single_line(analysis.request.question)
    if question and labels.headline(analysis) != labels.one_line(question):
        yield Paragraph((Span(t("report.question"), "strong"), Span(f" {question}")))
    if analysis.question_answer:
        yield from answer_to_question(analysis.answer, analysis.keyframes, is_brief=True)
    if reason := labels.unusable(analysis):
        yield Paragraph(text_line(reason), "error" if analysis.outcome == "no_usable_answer" else "warning")
    elif analysis.question_answer:
        return
    elif question and analysis.is_measured_only:
        yield Paragraph(text_line(t("report.needs_model")), "quiet")
    elif question and analysis.chunks and not analysis.reply:
        yield Paragraph(text_line(t("report.no_reply")), "warning")
    if analysis.reply and not labels.repeated_text(analysis):
        yield Heading(2, text_line(t("report.reply")), "reply")
        yield from _sentences(analysis.reply, analysis, extent)
        cited = dict.fromkeys(number for finding in analysis.reply for number in finding.frames)
        frames = {frame.number: frame for frame in analysis.keyframes if frame.jpeg}
        if shown := [picture_of(frames[number]) for number in cited if number in frames]:
            yield blocks.ThumbnailRow(tuple(shown[:_MOST_ANSWER_PICTURES]))


def summary(analysis: Analysis, extent: Extent = WHOLE) -> Iterator[Block]:
    """Yield the sentences on the whole video; nothing if no model has answered, or if the answer repeats itself."""
    if labels.repeated_text(analysis):
        return
    if analysis.overview:
        yield Heading(2, text_line(t("report.summary")), "summary")
        if analysis.title and labels.headline(analysis) != analysis.title:
            yield Paragraph((Span(analysis.title, "strong"),))
        yield from _sentences(analysis.overview, analysis, extent)
    if analysis.summary and extent.characters is None:
        yield from _troubles(analysis.summary, stated=_stated_troubles(analysis))


def chapters(analysis: Analysis, extent: Extent = WHOLE) -> Iterator[Block]:
    """Yield the chapters, each with the first keyframe in it."""
    chapter_list = _chapters_of(analysis)
    if chapter_list:
        yield Heading(2, text_line(t("report.chapters")), "chapters")
        yield blocks.Chapters(tuple(_card(chapter, analysis, extent) for chapter in chapter_list[: extent.chapters]))
        yield from extent.remainder(chapter_list[len(chapter_list[: extent.chapters]) :])


def findings(analysis: Analysis, extent: Extent = WHOLE) -> Iterator[Block]:
    """Yield the findings with their evidence, by part if there are several."""
    content = list(
        _by_part(analysis) if extent.findings is None else _spread_findings(analysis, extent, extent.findings)
    )
    if content and (analysis.chunks or analysis.added):
        yield Heading(2, text_line(t("report.findings")), "findings")
        yield from content


def note(analysis: Analysis) -> Iterator[Block]:
    """Yield the note to the reader of the person who corrected the report, and who gave it its title."""
    if analysis.corrections and (title := analysis.corrections.title):
        mark = labels.written_by(title.person)[1:]
        yield Paragraph((Span(t("report.title_of_person") + gap()), *mark), "quiet")
    if analysis.corrections and (note := analysis.corrections.note):
        head = Span(labelled(t("report.note_to_reader"), ""), "strong")
        yield Paragraph((head, Span(note.text, "quoted"), *labels.marks(note)), "info")


def record(analysis: Analysis) -> Iterator[Block]:
    """Yield everything that the model said, with exact times and without pictures."""
    if text := labels.repeated_text(analysis):
        yield Heading(2, text_line(t("report.model_wrote")), "record-wrote")
        yield Paragraph(text_line(text))
    yield from answer_to_question(analysis.answer, analysis.keyframes, "record-reply")
    times = times_of(analysis.keyframes)
    for name, statements in (("reply", analysis.reply), ("summary", analysis.overview)) if not text else ():
        if statements:
            yield Heading(2, text_line(t(f"report.{name}")), f"record-{name}")
        yield from (Paragraph(statement(finding, times, is_exact=True)) for finding in statements)
    if chapter_list := _chapters_of(analysis):
        yield Heading(2, text_line(t("report.chapters")), "record-chapters")
        yield Listing(tuple(map(_chapter_line, chapter_list)))
    if recorded := list(_recorded_findings(analysis, times)):
        yield Heading(2, text_line(t("report.findings")), "record-findings")
        yield from recorded


def unfinished(result: ChunkResult, times: Mapping[int, float]) -> Iterator[Block]:
    """Yield everything that an answer says, for a report that isn't complete yet.

    Args:
        result: The answer.
        times: Seconds by frame number.
    """
    yield from _troubles(result)
    yield from (Paragraph(statement(finding, times)) for finding in result.overview)
    fields = {key: key for finding in result.findings for key in finding.fields}
    yield from _finding_blocks(result.findings, fields, times, is_exact=False)


def statement(finding: Finding, times: Mapping[int, float] | None = None, *, is_exact: bool = False) -> Line:
    """Return a finding with the times of its frames, if they are given, and its unverified claims."""
    where = labels.finding_times(finding, times, is_exact=is_exact) if times else ()
    return (Span(finding.text, "said"), *labels.in_parentheses(where), *labels.marks(finding))


# ---- sentences and chapters ------------------------------------------------------------------------------------------


def _sentences(statements: Sequence[Finding], analysis: Analysis, extent: Extent) -> Iterator[Block]:
    times = times_of(analysis.keyframes)
    for finding in statements[: extent.sentences]:
        where = labels.finding_times(finding, times)
        yield Paragraph((Span(extent.cut(finding.text), "said"), *labels.in_parentheses(where), *labels.marks(finding)))
    yield from extent.remainder(statements[len(statements[: extent.sentences]) :])


def _chapters_of(analysis: Analysis) -> tuple[Chapter, ...]:
    return analysis.whole.chapters if analysis.whole else ()


def _card(chapter: Chapter, analysis: Analysis, extent: Extent) -> blocks.ChapterCard:
    within = [
        frame
        for frame in analysis.keyframes
        if frame.jpeg
        and (frame.number == chapter.first_frame or chapter.start_seconds <= frame.time_seconds < chapter.end_seconds)
    ]
    text, mark = chapter.text.strip(), blocks.plain_text(labels.written_by(chapter.person))
    about = extent.cut(text) if chapter.title.strip() else ""
    return blocks.ChapterCard(
        labels.span_of(chapter.start_seconds, chapter.end_seconds, is_exact=False),
        extent.cut(chapter.title.strip() or text),
        f"{about}{mark}".strip(),
        picture_of(within[0]) if within else None,
    )


def _chapter_line(chapter: Chapter) -> Line:
    title = (Span(" "), Span(chapter.title, "strong")) if chapter.title.strip() else ()
    text = (Span(f" {chapter.text}", "said"),) if chapter.text.strip() else ()
    times = labels.span_of(chapter.start_seconds, chapter.end_seconds)
    return (*times, *title, *text, *labels.written_by(chapter.person))


# ---- findings --------------------------------------------------------------------------------------------------------


def _by_part(analysis: Analysis) -> Iterator[Block]:
    """Yield all findings, with a heading for each part and its problems."""
    parts, stated, item = labels.parts_of(analysis), _stated_troubles(analysis), _item_of(analysis)
    for part in parts:
        content = [*_problems(part.result, stated)]
        if part.result and part.result.findings:
            content.append(blocks.Findings(tuple(map(item, part.result.findings))))
        if content and len(parts) > 1:
            name = Span(labels.part_name(part, is_exact=False), at_seconds=part.start_seconds)
            yield Heading(3, (name,), f"part-{part.position}")
        yield from content
    if analysis.added:
        if any(part.result and part.result.findings for part in parts):
            yield Heading(3, text_line(t("report.added")), "added")
        yield blocks.Findings(tuple(map(item, analysis.added)))


def _spread_findings(analysis: Analysis, extent: Extent, most: int) -> Iterator[Block]:
    """Yield at most `most` findings, spread over the video, and the number of left-out findings."""
    parts = [part for part in labels.parts_of(analysis) if part.result]
    broken_parts = [part for part in parts if part.result and part.result.is_broken]
    if broken_parts and not _stated_troubles(analysis):
        yield Paragraph(text_line(t("report.parts_broken", n=len(broken_parts), parts=len(parts))), "warning")
    findings = [finding for part in analysis.chunks for finding in part.findings]
    chosen = (
        {index * (len(findings) - 1) // max(1, most - 1) for index in range(most)} if len(findings) > most else None
    )
    shown = [finding for index, finding in enumerate(findings) if chosen is None or index in chosen]
    shown += analysis.added
    if shown:
        yield blocks.Findings(tuple(map(_item_of(analysis, extent), shown)))
    yield from extent.remainder([finding for index, finding in enumerate(findings) if chosen and index not in chosen])


def _item_of(analysis: Analysis, extent: Extent = WHOLE) -> partial[blocks.FindingItem]:
    """Return a function that makes the item of a finding; items share pictures and lists of times."""
    times, fields = times_of(analysis.keyframes), labels.field_names(analysis)
    pictures = {frame.number: picture_of(frame) for frame in analysis.keyframes if frame.jpeg}
    cited = cache(partial(labels.format_times, times=times))

    def item(finding: Finding) -> blocks.FindingItem:
        frames = tuple(number for number in finding.frames if number in times)
        values = ((fields[key], extent.cut(finding.fields.get(key, ""))) for key in fields)
        return blocks.FindingItem(
            (Span(extent.cut(finding.text), "said"), *labels.marks(finding)),
            cited(frames) or labels.finding_times(finding, times),
            frames,
            tuple((label, value) for label, value in values if value),
            next((pictures[number] for number in frames if number in pictures), None),
        )

    return partial(item)


def _recorded_findings(analysis: Analysis, times: Mapping[int, float]) -> Iterator[Block]:
    parts, stated, fields = labels.parts_of(analysis), _stated_troubles(analysis), labels.field_names(analysis)
    for part in parts if analysis.chunks else ():
        findings = part.result.findings if part.result else ()
        content = [*_problems(part.result, stated), *_finding_blocks(findings, fields, times, is_exact=True)]
        if content and len(parts) > 1:
            name = Span(labels.part_name(part), at_seconds=part.start_seconds)
            yield Heading(3, (name,), f"record-part-{part.position}")
        yield from content
    yield from _finding_blocks(analysis.added, fields, times, is_exact=True)


def _finding_blocks(
    findings: Sequence[Finding], fields: Mapping[str, str], times: Mapping[int, float], *, is_exact: bool
) -> Iterator[Block]:
    if fields and findings:
        heads = (t("report.time"), *fields.values(), t("report.finding"))
        # Thousands of findings cite the same few frames and have the same few values, which are made once.
        cited = cache(partial(labels.format_times, times=times, is_exact=is_exact))
        value = cache(text_line)
        rows = (
            (
                cited(finding.frames) or labels.finding_times(finding, times, is_exact=is_exact),
                *(value(finding.fields.get(key, "")) for key in fields),
                statement(finding),
            )
            for finding in findings
        )
        yield Table(tuple(map(text_line, heads)), tuple(rows))
    elif findings:
        yield Listing(tuple(statement(finding, times, is_exact=is_exact) for finding in findings))


# ---- what went wrong -------------------------------------------------------------------------------------------------


def _stated_troubles(analysis: Analysis) -> frozenset[str]:
    """Return the troubles that the answer has stated already."""
    return BREAKS if analysis.broken_answer else frozenset()


def _problems(result: ChunkResult | None, stated: frozenset[str]) -> Iterator[Block]:
    """Yield why a part has no findings or fewer than it might."""
    if result is None:
        yield Paragraph(text_line(t("report.not_answered")), "warning")
    else:
        yield from _troubles(result, stated=stated)


def _troubles(result: ChunkResult, *, stated: Iterable[str] = ()) -> Iterator[Block]:
    shown = frozenset(stated)
    yield from (
        Paragraph(text_line(labels.named("trouble", key)), "warning") for key in result.troubles if key not in shown
    )
