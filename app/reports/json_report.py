"""The analysis as JSON, for programs. Pictures are left out; their times, reasons and facts are in."""

from __future__ import annotations

import json
from typing import Any

from app.domain import (
    Analysis,
    ChunkResult,
    DecodeSummary,
    EngineInfo,
    Finding,
    Keyframe,
    Language,
    Notice,
    Shot,
    VideoInfo,
)
from app.i18n import notice_text, t

FORMAT_VERSION = 1


def write(analysis: Analysis, language: Language) -> bytes:
    """UTF-8 JSON, indented, with a final newline."""
    return (json.dumps(to_dict(analysis, language), ensure_ascii=False, indent=2) + "\n").encode()


def to_dict(analysis: Analysis, language: Language) -> dict[str, Any]:
    """The report as plain values; texts for people are in `language`."""
    times = {frame.number: frame.time_seconds for frame in analysis.keyframes}
    return {
        "format_version": FORMAT_VERSION,
        "id": analysis.id,
        "created": analysis.created,
        "mode": analysis.mode,
        "notices": [notice_of(notice, language) for notice in analysis.notices],
        "overview": [_finding(finding, times, language) for finding in analysis.overview],
        "source": source_of(analysis.video, analysis.decode, analysis.sha256),
        "request": _request(analysis),
        "shots": [shot_of(shot) for shot in analysis.decode.shots],
        "keyframes": [_keyframe(frame, analysis, language) for frame in analysis.keyframes],
        "chunks": [_chunk(chunk, times, language) for chunk in analysis.chunks],
        "summary": _chunk(analysis.summary, times, language) if analysis.summary else None,
        "engine": _engine(analysis.engine),
        "usage": vars(analysis.usage),
        "seconds_by_stage": analysis.seconds_by_stage,
        "framelens_version": analysis.app_version,
    }


def notice_of(notice: Notice, language: Language) -> dict[str, Any]:
    """A notice with its words."""
    return {"key": notice.key, "level": notice.level, "text": notice_text(notice, language)}


def source_of(video: VideoInfo, decode: DecodeSummary, sha256: str) -> dict[str, Any]:
    """The file: what its header says and what was really read."""
    return {
        "name": video.name,
        "sha256": sha256,
        "size_bytes": video.size_bytes,
        "container": video.container,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "width": video.width,
        "height": video.height,
        "rotation_degrees": video.rotation_degrees,
        "frame_rate": video.frame_rate,
        "is_variable_frame_rate": decode.is_variable_frame_rate,
        "duration_seconds_from_header": video.duration_seconds_from_header,
        "readable_seconds": decode.readable_seconds,
        "frames_decoded": decode.frames_decoded,
        "num_frames_from_header": video.num_frames_from_header,
        "start_seconds": video.start_seconds,
        "has_audio": video.has_audio,
        "reader": decode.reader,
    }


def _request(analysis: Analysis) -> dict[str, Any]:
    request = analysis.request
    return {
        "frames": request.frames,
        "template": request.template,
        "question": request.question,
        "language": request.language,
        "use_model": request.use_model,
    }


def shot_of(shot: Shot) -> dict[str, Any]:
    """A shot with its range."""
    return {"number": shot.number, "start_seconds": shot.start_seconds, "end_seconds": shot.end_seconds}


def _keyframe(frame: Keyframe, analysis: Analysis, language: Language) -> dict[str, Any]:
    facts = next((facts for facts in analysis.facts if facts.number == frame.number), None)
    return {
        "number": frame.number,
        "time_seconds": frame.time_seconds,
        "frame_index": frame.frame_index,
        "shot": frame.shot,
        "reason": frame.reason,
        "reason_text": t(f"reason.{frame.reason}", language),
        "width": frame.width,
        "height": frame.height,
        "findings": [
            finding.text for chunk in analysis.chunks for finding in chunk.findings if finding.frames == (frame.number,)
        ],
        "facts": facts
        and {
            "texts": [{"text": x.text, "confidence": x.confidence, "box": x.box} for x in facts.texts],
            "colours": [{"name": c.name, "rgb": c.rgb, "share": c.share, "place": c.place} for c in facts.colours],
            "brightness": facts.brightness,
            "sharpness": facts.sharpness,
            "motion": facts.motion,
        },
    }


def _finding(finding: Finding, times: dict[int, float], language: Language) -> dict[str, Any]:
    return {
        "text": finding.text,
        "frames": list(finding.frames),
        "times_seconds": [times[number] for number in finding.frames],
        "verified": not finding.issues,
        "issues": [{"key": issue, "text": t(f"unverified.{issue}", language)} for issue in finding.issues],
    }


def _chunk(chunk: ChunkResult, times: dict[int, float], language: Language) -> dict[str, Any]:
    return {
        "number": chunk.number,
        "frames": list(chunk.frames),
        "mode": chunk.mode,
        "fallback": notice_of(chunk.fallback, language) if chunk.fallback else None,
        "answer": chunk.answer,
        "findings": [_finding(finding, times, language) for finding in chunk.findings],
        "overview": [_finding(finding, times, language) for finding in chunk.overview],
        "prompt": chunk.prompt,
        "finish_reason": chunk.finish_reason,
        "usage": vars(chunk.usage),
        "recalled": chunk.recalled,
        "seconds": round(chunk.seconds, 3),
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
