"""Writer of JSON reports, the complete form of an analysis, from which every other format can be generated.

Every `…_seconds` of the video comes from a frame, a cue or a chapter, never from the words of a model. The folder of
the video and the address of the engine are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from app.core import Analysis, ChunkResult, EngineInfo, Finding, FrameFacts, Keyframe, Language, Layout, Transcript
from app.i18n import t
from app.reports.content import (
    RequestPart,
    ai_label,
    aigc,
    field_names,
    issues,
    parts_of,
    shareable_settings,
    times_of,
    troubles,
)
from app.reports.json.encoding import json_text, notice_of, rounded, source_of
from app.reports.json.schema import (
    AnswerForm,
    BoundaryForm,
    ChunkForm,
    EngineForm,
    FactsForm,
    FieldForm,
    FieldValueForm,
    FindingForm,
    KeyframeForm,
    LayoutForm,
    PlannedForm,
    ReportForm,
    RequestForm,
    TranscriptForm,
    WordedForm,
)

JPEG_URL = "data:image/jpeg;base64,"


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the report as indented JSON in UTF-8 with a final newline."""
    return json_text(form_of(analysis, language).model_dump(mode="json"))


def without_pictures(analysis: Analysis, language: Language) -> bytes:
    """Return the same JSON with null in place of the pictures, for programs that read the output."""
    return json_text(form_of(analysis, language, pictures=False).model_dump(mode="json"))


def form_of(analysis: Analysis, language: Language, *, pictures: bool = True) -> ReportForm:
    """Build the report's form, with texts for people in `language`."""
    answers, parts, whole = AnswerWriter(analysis, language), parts_of(analysis), analysis.whole
    decode, request = analysis.decode, analysis.request
    return ReportForm(
        id=analysis.id,
        created=analysis.created,
        language=language,
        ai_label=ai_label(analysis, language),
        aigc=aigc(analysis),
        mode=analysis.mode,
        notices=tuple(notice_of(notice, language) for notice in analysis.notices),
        title=analysis.title or None,
        reply=answers.findings(whole.reply if whole else ()),
        overview=answers.findings(analysis.overview),
        chapters=whole.chapters if whole else (),
        source=source_of(analysis.video, decode, analysis.sha256),
        request=RequestForm(**{name: getattr(request, name) for name in RequestForm.model_fields}),
        shots=decode.shots,
        boundaries=tuple(map(BoundaryForm.from_boundary, decode.boundaries)),
        measures=decode.measures and rounded(decode.measures),
        stretches=decode.stretches,
        keyframes=tuple(_keyframes(analysis, language, pictures=pictures)),
        transcript=_transcript(analysis.transcript) if analysis.transcript else None,
        fields=tuple(FieldForm(key=key, name=name) for key, name in field_names(analysis).items()),
        chunks=tuple(answers.chunk(part) for part in parts if part.result),
        joins=tuple(answers.answer(join) for join in analysis.joins),
        summary=answers.answer(analysis.summary) if analysis.summary else None,
        layout=_layout(analysis.layout, parts) if analysis.layout else None,
        conditions=shareable_settings(analysis),
        engine=_engine(analysis.engine) if analysis.engine else None,
        usage=analysis.usage,
        seconds_by_stage=analysis.seconds_by_stage,
        framelens_version=analysis.app_version,
    )


def _keyframes(analysis: Analysis, language: Language, *, pictures: bool) -> Iterable[KeyframeForm]:
    facts = {one.number: one for one in analysis.facts}
    said: dict[int, list[str]] = {}
    for finding in analysis.findings:
        if len(finding.frames) == 1:
            said.setdefault(finding.frames[0], []).append(finding.text)
    for frame in analysis.keyframes:
        yield KeyframeForm(
            number=frame.number,
            time_seconds=frame.time_seconds,
            frame_index=frame.frame_index,
            shot=frame.shot,
            reason=frame.reason,
            reason_text=t(f"reason.{frame.reason}", language),
            width=frame.width,
            height=frame.height,
            findings=tuple(said.get(frame.number, ())),
            facts=_facts(facts[frame.number]) if frame.number in facts else None,
            picture=_picture(frame) if pictures and frame.jpeg else None,
        )


def _picture(frame: Keyframe) -> str:
    return JPEG_URL + base64.b64encode(frame.jpeg).decode("ascii")


def _facts(facts: FrameFacts) -> FactsForm:
    return FactsForm(**{name: getattr(facts, name) for name in FactsForm.model_fields})


def _transcript(transcript: Transcript) -> TranscriptForm:
    return TranscriptForm(source=transcript.source, label=transcript.label, cues=transcript.cues)


def _layout(layout: Layout, parts: tuple[RequestPart, ...]) -> LayoutForm:
    return LayoutForm(
        side=layout.side,
        per_part=layout.per_part,
        in_flight=layout.in_flight,
        tokens_per_frame=layout.tokens_per_frame,
        is_exact=layout.is_exact,
        parts=tuple(
            PlannedForm(
                part=part.place,
                frames=part.frames,
                start_seconds=part.start_seconds,
                end_seconds=part.end_seconds,
                is_answered=part.result is not None,
            )
            for part in parts
        ),
    )


def _engine(engine: EngineInfo) -> EngineForm:
    return EngineForm(**{name: getattr(engine, name) for name in EngineForm.model_fields})


class AnswerWriter:
    """Builder of the forms of answers and findings of one analysis, with texts for people in `language`."""

    def __init__(self, analysis: Analysis, language: Language) -> None:
        self._times = times_of(analysis.keyframes)
        self._names = field_names(analysis)
        self._language: Language = language

    def findings(self, findings: tuple[Finding, ...]) -> tuple[FindingForm, ...]:
        """Build the forms of findings."""
        return tuple(map(self._finding, findings))

    def chunk(self, part: RequestPart) -> ChunkForm:
        """Build the form of an answered part, with its place among the parts and its time range."""
        assert part.result
        return ChunkForm(
            part=part.place,
            start_seconds=part.start_seconds,
            end_seconds=part.end_seconds,
            **self._values(part.result),
        )

    def answer(self, result: ChunkResult) -> AnswerForm:
        """Build the form of an answer that belongs to no part: a join or the summary."""
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
