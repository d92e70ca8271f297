"""Summary section of a report: answer to the question, summary, chapters, and the findings by part, as blocks.

Each finding appears once in the report. If findings have fields, all of them are in tables; if not, a finding that
cites a single frame is beside its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from app.core import Analysis, Chapter, Finding, Language
from app.i18n import t
from app.reports.content.document import Block, Heading, Line, Listing, Paragraph, Span, Table, plain
from app.reports.content.labels import (
    field_names,
    format_times,
    issues,
    part_name,
    repeated_text,
    span_of,
    troubles,
    unusable,
)
from app.reports.content.request_parts import RequestPart, parts_of, times_of


class SummarySection:
    """Builder of the blocks with the model's statements; every time is that of a frame or a chapter."""

    def __init__(self, analysis: Analysis, language: Language) -> None:
        self._analysis = analysis
        self._language: Language = language
        self._times = times_of(analysis.keyframes)
        self._fields = field_names(analysis)

    def whole(self) -> Iterator[Block]:
        """Yield the statements on the whole video; none if no model has answered."""
        whole = self._analysis.whole
        if words := unusable(self._analysis, self._language):
            yield Paragraph(plain(words), "error")
        if text := repeated_text(self._analysis):
            yield Heading(2, plain(t("report.model_wrote", self._language)), "wrote")
            yield Paragraph(plain(text))
            return
        yield from self._reply(whole.reply if whole else ())
        yield from self._summary()
        yield from self._chapters(whole.chapters if whole else ())

    def findings(self) -> Iterator[Block]:
        """Yield the findings by part, without those beside a picture."""
        parts = parts_of(self._analysis)
        blocks = [block for part in parts for block in self._part(part, is_only=len(parts) == 1)]
        if blocks and self._analysis.chunks:
            yield Heading(2, plain(t("report.findings", self._language)), "findings")
            yield from blocks

    def of_frame(self, number: int) -> Iterator[Block]:
        """Yield the findings that cite this frame alone and are not in a table."""
        for finding in self._beside_frames.get(number, ()):
            yield Paragraph(self._statement(finding))

    @cached_property
    def _beside_frames(self) -> dict[int, list[Finding]]:
        found: dict[int, list[Finding]] = {}
        for finding in self._analysis.findings:
            if not self._is_listed(finding):
                found.setdefault(finding.frames[0], []).append(finding)
        return found

    def _is_listed(self, finding: Finding) -> bool:
        return bool(self._fields) or len(finding.frames) != 1

    # ---- the whole

    def _reply(self, reply: Sequence[Finding]) -> Iterator[Block]:
        if question := self._analysis.request.question.strip():
            yield Paragraph((Span(t("report.question", self._language), "strong"), Span(f" {question}")))
        if reply:
            yield from self._statements("reply", reply)

    def _summary(self) -> Iterator[Block]:
        if self._analysis.overview:
            yield from self._statements("summary", self._analysis.overview)
        for trouble in troubles(self._analysis.summary, self._language) if self._analysis.summary else ():
            yield Paragraph(plain(trouble), "warning")

    def _statements(self, name: str, findings: Sequence[Finding]) -> Iterator[Block]:
        yield Heading(2, plain(t(f"report.{name}", self._language)), name)
        for finding in findings:
            yield Paragraph(self._statement(finding, with_times=True))

    def _chapters(self, chapters: Sequence[Chapter]) -> Iterator[Block]:
        if not chapters:
            return
        yield Heading(2, plain(t("report.chapters", self._language)), "chapters")
        yield Listing(tuple(map(_chapter, chapters)))

    # ---- the parts

    def _part(self, part: RequestPart, *, is_only: bool) -> Iterator[Block]:
        """Yield a part with its listed findings and the problems of its answer; nothing if there are neither."""
        findings = [one for one in part.result.findings if self._is_listed(one)] if part.result else []
        flaws = troubles(part.result, self._language) if part.result else [t("report.not_answered", self._language)]
        if not (findings or flaws):
            return
        if not is_only:
            name = Span(part_name(part, self._language), at_seconds=part.start_seconds)
            yield Heading(3, (name,), f"part-{part.place}")
        yield from (Paragraph(plain(flaw), "warning") for flaw in flaws)
        if self._fields and findings:
            yield self._table(findings)
        elif findings:
            yield Listing(tuple(self._statement(finding, with_times=True) for finding in findings))

    def _table(self, findings: Sequence[Finding]) -> Table:
        heads = (t("report.time", self._language), *self._fields.values(), t("report.finding", self._language))
        rows = (
            (
                format_times(finding.frames, self._times),
                *(plain(finding.fields.get(key, "")) for key in self._fields),
                self._statement(finding),
            )
            for finding in findings
        )
        return Table(tuple(map(plain, heads)), tuple(rows))

    def _statement(self, finding: Finding, *, with_times: bool = False) -> Line:
        where = format_times(finding.frames, self._times) if with_times else ()
        within = (Span(" ("), *where, Span(")")) if where else ()
        doubts = ", ".join(issues(finding, self._language))
        doubt = (Span(" "), Span(t("report.unverified", self._language, issues=doubts), "doubt")) if doubts else ()
        return (Span(finding.text), *within, *doubt)


def _chapter(chapter: Chapter) -> Line:
    title = (Span(" "), Span(chapter.title, "strong")) if chapter.title.strip() else ()
    text = (Span(f" {chapter.text}"),) if chapter.text.strip() else ()
    return (*span_of(chapter.start_seconds, chapter.end_seconds), *title, *text)
