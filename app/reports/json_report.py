"""The analysis as JSON, for programs. Pictures are left out; their times, reasons and facts are in.

Every `…_seconds` of the video comes from a frame, a cue or a chapter, never from the words of a model.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.domain import Analysis, EngineInfo, FrameFacts, Keyframe, Language, Layout, Transcript
from app.i18n import t
from app.reports.decoded import found_in, notice_of, source_of
from app.reports.json_answers import Answers, chapters
from app.reports.json_text import json_text
from app.reports.parts import Part, parts_of
from app.reports.words import field_names

FORMAT_VERSION = 2


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 JSON, indented, with a final newline."""
    return json_text(to_dict(analysis, language))


def to_dict(analysis: Analysis, language: Language) -> dict[str, Any]:
    """The report as plain values; texts for people are in `language`. What there is none of is null or empty."""
    answers, parts, whole = Answers(analysis, language), parts_of(analysis), analysis.whole
    return {
        "format_version": FORMAT_VERSION,
        "id": analysis.id,
        "created": analysis.created,
        "mode": analysis.mode,
        "notices": [notice_of(notice, language) for notice in analysis.notices],
        "title": (whole and whole.title) or None,
        "reply": [answers.finding(finding) for finding in whole.reply] if whole else [],
        "overview": [answers.finding(finding) for finding in analysis.overview],
        "chapters": chapters(whole) if whole else [],
        "source": source_of(analysis.video, analysis.decode, analysis.sha256),
        "request": _request(analysis),
        **found_in(analysis.decode),
        "keyframes": _keyframes(analysis, language),
        "transcript": _transcript(analysis.transcript) if analysis.transcript else None,
        "fields": [{"key": key, "name": name} for key, name in field_names(analysis).items()],
        "chunks": [answers.chunk(part) for part in parts if part.result],
        "joins": [answers.answer(join) for join in analysis.joins],
        "summary": answers.answer(analysis.summary) if analysis.summary else None,
        "layout": _layout(analysis.layout, parts) if analysis.layout else None,
        "conditions": dict(analysis.conditions),
        "engine": _engine(analysis.engine),
        "usage": vars(analysis.usage),
        "seconds_by_stage": analysis.seconds_by_stage,
        "framelens_version": analysis.app_version,
    }


def _request(analysis: Analysis) -> dict[str, Any]:
    request = analysis.request
    return {
        "frames": request.frames,
        "side": request.side,
        "template": request.template,
        "question": request.question,
        "language": request.language,
        "use_model": request.use_model,
        "selection": asdict(request.selection),
    }


def _keyframes(analysis: Analysis, language: Language) -> list[dict[str, Any]]:
    facts = {one.number: one for one in analysis.facts}
    said: dict[int, list[str]] = {}
    for finding in (finding for chunk in analysis.chunks for finding in chunk.findings):
        if len(finding.frames) == 1:
            said.setdefault(finding.frames[0], []).append(finding.text)
    return [
        {
            **_keyframe(frame, language),
            "findings": said.get(frame.number, []),
            "facts": _facts(facts[frame.number]) if frame.number in facts else None,
        }
        for frame in analysis.keyframes
    ]


def _keyframe(frame: Keyframe, language: Language) -> dict[str, Any]:
    return {
        "number": frame.number,
        "time_seconds": frame.time_seconds,
        "frame_index": frame.frame_index,
        "shot": frame.shot,
        "reason": frame.reason,
        "reason_text": t(f"reason.{frame.reason}", language),
        "width": frame.width,
        "height": frame.height,
    }


def _facts(facts: FrameFacts) -> dict[str, Any]:
    return {
        "texts": [{"text": x.text, "confidence": x.confidence, "box": x.box} for x in facts.texts],
        "colours": [{"name": c.name, "rgb": c.rgb, "share": c.share, "place": c.place} for c in facts.colours],
        "brightness": facts.brightness,
        "sharpness": facts.sharpness,
        "motion": facts.motion,
    }


def _transcript(transcript: Transcript) -> dict[str, Any]:
    return {
        "source": transcript.source,
        "label": transcript.label,
        "cues": [vars(cue) for cue in transcript.cues],
    }


def _layout(layout: Layout, parts: tuple[Part, ...]) -> dict[str, Any]:
    return {
        "side": layout.side,
        "per_part": layout.per_part,
        "in_flight": layout.in_flight,
        "tokens_per_frame": layout.tokens_per_frame,
        "is_exact": layout.is_exact,
        "parts": [
            {
                "part": part.place,
                "frames": list(part.frames),
                "start_seconds": part.start_seconds,
                "end_seconds": part.end_seconds,
                "is_answered": part.result is not None,
            }
            for part in parts
        ],
    }


def _engine(engine: EngineInfo | None) -> dict[str, Any] | None:
    if engine is None:
        return None
    return {
        "kind": engine.kind,
        "model": engine.model,
        "version": engine.version,
        "max_model_len": engine.max_model_len,
        "sees": engine.sees,
    }
