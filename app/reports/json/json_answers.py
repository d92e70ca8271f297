"""The answers of an analysis in the form of the JSON report: findings with fields, frames and times, and how asked."""

from __future__ import annotations

from typing import Any

from app.domain import Analysis, ChunkResult, Finding, Language
from app.reports.content.labels import field_names, issues, troubles
from app.reports.content.request_parts import Part, times_of
from app.reports.json.encoding import notice_of
from app.reports.json.schema import AnswerForm, ChunkForm, FieldValueForm, FindingForm, WordedForm


class Answers:
    """Knows the times of the frames and the names of the fields of one analysis; words for people are in `language`."""

    def __init__(self, analysis: Analysis, language: Language) -> None:
        self._times = times_of(analysis.keyframes)
        self._names = field_names(analysis)
        self._language: Language = language

    def findings(self, findings: tuple[Finding, ...]) -> tuple[FindingForm, ...]:
        return tuple(map(self._finding, findings))

    def chunk(self, part: Part) -> ChunkForm:
        """The answer to a part, with its place among the parts and the time that it stands for."""
        assert part.result
        return ChunkForm(
            part=part.place,
            start_seconds=part.start_seconds,
            end_seconds=part.end_seconds,
            **self._values(part.result),
        )

    def answer(self, result: ChunkResult) -> AnswerForm:
        return AnswerForm(**self._values(result))

    def _values(self, result: ChunkResult) -> dict[str, Any]:
        return {
            "number": result.number,
            "frames": result.frames,
            "mode": result.mode,
            "fallback": notice_of(result.fallback, self._language) if result.fallback else None,
            "answer": result.answer,
            "findings": self.findings(result.findings),
            "title": result.title or None,
            "overview": self.findings(result.overview),
            "chapters": result.chapters,
            "reply": self.findings(result.reply),
            "subjects": result.subjects,
            "prompt": result.prompt,
            "finish_reason": result.finish_reason,
            "troubles": _worded(result.troubles, troubles(result, self._language)),
            "attempts": result.attempts,
            "usage": result.usage,
            "recalled": result.recalled,
            "seconds": round(result.seconds, 3),
            "digest": result.key,
        }

    def _finding(self, finding: Finding) -> FindingForm:
        return FindingForm(
            text=finding.text,
            frames=finding.frames,
            times_seconds=tuple(self._times[number] for number in finding.frames),
            fields=tuple(
                FieldValueForm(key=key, name=self._names.get(key, key), value=value)
                for key, value in finding.fields.items()
            ),
            verified=not finding.issues,
            issues=_worded(finding.issues, issues(finding, self._language)),
        )


def _worded(keys: tuple[str, ...], texts: list[str]) -> tuple[WordedForm, ...]:
    return tuple(WordedForm(key=key, text=text) for key, text in zip(keys, texts, strict=True))
