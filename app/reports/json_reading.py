"""From a JSON report back to its Analysis, so that every report can be made of it again, here or on another machine.

What is not in a report is empty afterwards: the folder of the video, the address of the engine.
"""

from __future__ import annotations

import base64
import binascii
import json

from pydantic import ValidationError

from app.domain import (
    NOWHERE,
    Analysis,
    AnalysisRequest,
    Boundary,
    ChunkResult,
    DecodeSummary,
    EngineInfo,
    Finding,
    FrameFacts,
    Keyframe,
    Layout,
    Notice,
    Transcript,
    VideoInfo,
)
from app.errors import InputError
from app.reports.json_form import (
    FORMAT_VERSION,
    AnswerForm,
    FindingForm,
    KeyframeForm,
    LayoutForm,
    NoticeForm,
    ReportForm,
    SourceForm,
)
from app.reports.json_report import JPEG_URL


def read(data: bytes, *, name: str) -> Analysis:
    """The analysis that a JSON report tells of; `name` is that of the file, for errors.

    Raises InputError: not a report of ours, of another version, or damaged.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InputError("report_not_json", name=name, reason=str(error)) from error
    if not isinstance(document, dict) or document.get("format") != "framelens-report":
        raise InputError("report_not_ours", name=name)
    if (version := document.get("format_version")) != FORMAT_VERSION:
        raise InputError("report_version", name=name, version=str(version), known=FORMAT_VERSION)
    try:
        return _analysis(ReportForm.model_validate_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError("report_damaged", name=name, place=place, reason=first["msg"]) from error
    except ValueError as error:  # values that do not go together, or a picture that is none
        raise InputError("report_damaged", name=name, place="keyframes", reason=str(error)) from error


def _analysis(form: ReportForm) -> Analysis:
    request = form.request
    return Analysis(
        id=form.id,
        created=form.created,
        request=AnalysisRequest(NOWHERE, **{name: getattr(request, name) for name in type(request).model_fields}),
        video=_video(form.source),
        sha256=form.source.sha256,
        decode=_decode(form),
        keyframes=tuple(map(_keyframe, form.keyframes)),
        facts=tuple(FrameFacts(one.number, **vars(one.facts)) for one in form.keyframes if one.facts),
        chunks=tuple(map(_result, form.chunks)),
        summary=_result(form.summary) if form.summary else None,
        engine=EngineInfo(base_url="", **vars(form.engine)) if form.engine else None,
        notices=tuple(map(_notice, form.notices)),
        seconds_by_stage=form.seconds_by_stage,
        app_version=form.framelens_version,
        layout=_layout(form.layout) if form.layout else None,
        joins=tuple(map(_result, form.joins)),
        transcript=Transcript(**vars(form.transcript)) if form.transcript else None,
        conditions=form.conditions,
        field_names={field.key: field.name for field in form.fields},
    )


def _video(source: SourceForm) -> VideoInfo:
    return VideoInfo(
        path=NOWHERE,
        name=source.name,
        size_bytes=source.size_bytes,
        container=source.container,
        codec=source.codec,
        pixel_format=source.pixel_format,
        width=source.width,
        height=source.height,
        rotation_degrees=source.rotation_degrees,
        duration_seconds_from_header=source.duration_seconds_from_header,
        frame_rate=source.frame_rate,
        num_frames_from_header=source.num_frames_from_header,
        start_seconds=source.start_seconds,
        has_audio=source.has_audio,
    )


def _decode(form: ReportForm) -> DecodeSummary:
    source = form.source
    return DecodeSummary(
        frames_decoded=source.frames_decoded,
        readable_seconds=source.readable_seconds,
        is_variable_frame_rate=source.is_variable_frame_rate,
        reader=source.reader,
        shots=form.shots,
        boundaries=tuple(Boundary(one.start_seconds, one.end_seconds, one.type) for one in form.boundaries),
        measures=form.measures,
        stretches=form.stretches,
    )


def _keyframe(form: KeyframeForm) -> Keyframe:
    return Keyframe(
        number=form.number,
        frame_index=form.frame_index,
        time_seconds=form.time_seconds,
        reason=form.reason,
        shot=form.shot,
        width=form.width,
        height=form.height,
        jpeg=_jpeg(form.picture),
    )


def _jpeg(url: str | None) -> bytes:
    """The bytes of a JPEG; none where the picture was left out. Raises ValueError for anything else."""
    if not url:
        return b""
    try:
        data = base64.b64decode(url.removeprefix(JPEG_URL), validate=True) if url.startswith(JPEG_URL) else b""
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if not data.startswith(b"\xff\xd8"):
        raise ValueError("not a JPEG")
    return data


def _result(form: AnswerForm) -> ChunkResult:
    return ChunkResult(
        number=form.number,
        frames=form.frames,
        mode=form.mode,
        answer=form.answer,
        findings=tuple(map(_finding, form.findings)),
        overview=tuple(map(_finding, form.overview)),
        prompt=form.prompt,
        finish_reason=form.finish_reason,
        usage=form.usage,
        seconds=form.seconds,
        fallback=_notice(form.fallback) if form.fallback else None,
        recalled=form.recalled,
        subjects=form.subjects,
        title=form.title or "",
        chapters=form.chapters,
        reply=tuple(map(_finding, form.reply)),
        troubles=tuple(one.key for one in form.troubles),
        attempts=form.attempts,
        key=form.digest,
    )


def _finding(form: FindingForm) -> Finding:
    fields = {field.key: field.value for field in form.fields}
    return Finding(form.text, form.frames, tuple(one.key for one in form.issues), fields)


def _notice(form: NoticeForm) -> Notice:
    values = {name: _notice(value) if isinstance(value, NoticeForm) else value for name, value in form.values.items()}
    return Notice(form.key, values, form.level, form.table)


def _layout(form: LayoutForm) -> Layout:
    parts = tuple(part.frames for part in form.parts)
    return Layout(form.side, form.per_part, form.in_flight, form.tokens_per_frame, form.is_exact, parts)
