"""The answers of an analysis as plain values for JSON: findings with fields, frames and times, and how it was asked."""

from __future__ import annotations

from typing import Any

from app.domain import Analysis, ChunkResult, Finding, Language
from app.reports.decoded import notice_of
from app.reports.parts import Part, times_of
from app.reports.words import field_names, issues, troubles


class Answers:
    """Knows the times of the frames and the names of the fields of one analysis; words for people are in `language`."""

    def __init__(self, analysis: Analysis, language: Language) -> None:
        self._times = times_of(analysis.keyframes)
        self._names = field_names(analysis)
        self._language: Language = language

    def finding(self, finding: Finding) -> dict[str, Any]:
        """`times_seconds` are those of `frames`; `verified` is false where `issues` says why."""
        return {
            "text": finding.text,
            "frames": list(finding.frames),
            "times_seconds": [self._times[number] for number in finding.frames],
            "fields": [
                {"key": key, "name": self._names.get(key, key), "value": value} for key, value in finding.fields.items()
            ],
            "verified": not finding.issues,
            "issues": _worded(finding.issues, issues(finding, self._language)),
        }

    def chunk(self, part: Part) -> dict[str, Any]:
        """The answer to a part, with its place among the parts and the time that it stands for."""
        assert part.result
        place = {"part": part.place, "start_seconds": part.start_seconds, "end_seconds": part.end_seconds}
        return {**place, **self.answer(part.result)}

    def answer(self, result: ChunkResult) -> dict[str, Any]:
        """One request and its answer. `number` is that of a part's first frame, 0 for the summary, below it a join."""
        return {
            "number": result.number,
            "frames": list(result.frames),
            "mode": result.mode,
            "fallback": notice_of(result.fallback, self._language) if result.fallback else None,
            "answer": result.answer,
            "findings": [self.finding(finding) for finding in result.findings],
            "title": result.title or None,
            "overview": [self.finding(finding) for finding in result.overview],
            "chapters": chapters(result),
            "reply": [self.finding(finding) for finding in result.reply],
            "subjects": [vars(subject) for subject in result.subjects],
            "prompt": result.prompt,
            "finish_reason": result.finish_reason,
            "troubles": _worded(result.troubles, troubles(result, self._language)),
            "attempts": result.attempts,
            "usage": vars(result.usage),
            "recalled": result.recalled,
            "seconds": round(result.seconds, 3),
        }


def chapters(result: ChunkResult) -> list[dict[str, Any]]:
    """The chapters of an answer about the whole; they follow one another without a gap."""
    return [vars(chapter) for chapter in result.chapters]


def _worded(keys: tuple[str, ...], texts: list[str]) -> list[dict[str, str]]:
    return [{"key": key, "text": text} for key, text in zip(keys, texts, strict=True)]
