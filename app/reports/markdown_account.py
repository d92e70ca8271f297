"""What is said of a video as Markdown: title, answer to the question, summary, chapters, and the findings by part.

A finding stands in one place of the report: where findings have fields all of them are in tables, and where they have
none, what is said of a single frame stands beside its picture, which app.reports.markdown draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from app.domain import Analysis, Chapter, Finding, Language, clock
from app.i18n import t
from app.reports.markdown_text import escape, table
from app.reports.parts import Part, parts_of, times_of
from app.reports.words import field_names, issues, spoken, troubles


class Account:
    """Writes what is said in one analysis; every time is that of a frame or of a chapter."""

    def __init__(self, analysis: Analysis, language: Language) -> None:
        self._analysis = analysis
        self._language: Language = language
        self._times = times_of(analysis.keyframes)
        self._fields = field_names(analysis)

    def lines(self) -> Iterator[str]:
        """The whole account; empty where no model has answered."""
        whole = self._analysis.whole
        if whole and whole.title:
            yield from (f"**{escape(whole.title)}**", "")
        yield from self._reply(whole.reply if whole else ())
        yield from self._summary()
        yield from self._chapters(whole.chapters if whole else ())
        yield from self._findings()

    def of_frame(self, number: int) -> Iterator[str]:
        """What is said of this frame alone, where it does not stand in a table."""
        for finding in self._beside_frames.get(number, ()):
            yield from (self._said(finding), "")

    @cached_property
    def _beside_frames(self) -> dict[int, list[Finding]]:
        found: dict[int, list[Finding]] = {}
        for finding in (finding for chunk in self._analysis.chunks for finding in chunk.findings):
            if not self._is_listed(finding):
                found.setdefault(finding.frames[0], []).append(finding)
        return found

    def _is_listed(self, finding: Finding) -> bool:
        return bool(self._fields) or len(finding.frames) != 1

    # ---- the whole

    def _reply(self, reply: Sequence[Finding]) -> Iterator[str]:
        if question := self._analysis.request.question.strip():
            yield from (f"**{t('report.question', self._language)}** {escape(question)}", "")
        if reply:
            yield from self._statements("report.reply", reply)

    def _summary(self) -> Iterator[str]:
        if self._analysis.overview:
            yield from self._statements("report.summary", self._analysis.overview)
        for trouble in troubles(self._analysis.summary, self._language) if self._analysis.summary else ():
            yield from (f"⚠️ {escape(trouble)}", "")

    def _statements(self, title: str, findings: Sequence[Finding]) -> Iterator[str]:
        yield from (f"## {t(title, self._language)}", "")
        for finding in findings:
            yield from (self._said(finding, with_times=True), "")

    def _chapters(self, chapters: Sequence[Chapter]) -> Iterator[str]:
        if not chapters:
            return
        yield from (f"## {t('report.chapters', self._language)}", "")
        for chapter in chapters:
            title = f"**{escape(chapter.title)}**" if chapter.title.strip() else ""
            words = (f"{clock(chapter.start_seconds)} – {clock(chapter.end_seconds)}", title, escape(chapter.text))
            yield f"- {' '.join(word for word in words if word)}"
        yield ""

    # ---- the parts

    def _findings(self) -> Iterator[str]:
        parts = parts_of(self._analysis)
        told = [line for part in parts for line in self._part(part, is_only=len(parts) == 1)]
        if told and self._analysis.chunks:
            yield from (f"## {t('report.findings', self._language)}", "", *told)

    def _part(self, part: Part, *, is_only: bool) -> Iterator[str]:
        """A part with its listed findings and what was wrong with its answer; nothing where there is neither."""
        findings = [one for one in part.result.findings if self._is_listed(one)] if part.result else []
        flaws = troubles(part.result, self._language) if part.result else [t("report.not_answered", self._language)]
        if not (findings or flaws):
            return
        if not is_only:
            yield from (f"### {part_name(part, self._language)}", "")
        for flaw in flaws:
            yield from (f"⚠️ {escape(flaw)}", "")
        if self._fields and findings:
            yield from self._table(findings)
        elif findings:
            yield from (f"- {self._said(finding, with_times=True)}" for finding in findings)
            yield ""

    def _table(self, findings: Sequence[Finding]) -> Iterator[str]:
        heads = [t("report.time", self._language), *map(escape, self._fields.values())]
        rows = [
            [
                spoken(finding.frames, self._times),
                *(escape(finding.fields.get(key, "")) for key in self._fields),
                self._said(finding),
            ]
            for finding in findings
        ]
        yield from table([*heads, t("report.finding", self._language)], rows)

    def _said(self, finding: Finding, *, with_times: bool = False) -> str:
        where = spoken(finding.frames, self._times) if with_times else ""
        words = (escape(finding.text), f"({where})" if where else "", self._doubts(finding))
        return " ".join(word for word in words if word)

    def _doubts(self, finding: Finding) -> str:
        doubts = ", ".join(map(escape, issues(finding, self._language)))
        return f"⚠️ *{t('report.unverified', self._language, issues=doubts)}*" if doubts else ""


def part_name(part: Part, language: Language) -> str:
    """ "Part 2 · 00:10.000 – 00:20.000"."""
    span = f"{clock(part.start_seconds)} – {clock(part.end_seconds)}"
    return t("report.part", language, n=part.place, range=span)
