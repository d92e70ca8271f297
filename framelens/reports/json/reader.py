"""Reader of JSON reports: rebuilds the Analysis, from which every other format can be generated.

Values that a report doesn't hold stay empty: the folder of the video and the address of the engine.
"""

from __future__ import annotations

import base64
import binascii
import errno
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from framelens.core.codec import build, from_builtins, to_builtins
from framelens.core.corrected_report import corrected
from framelens.core.domain import (
    MOST_FRAMES,
    MOST_SPEAKERS,
    UNKNOWN_PATH,
    Analysis,
    AnalysisRequest,
    ChunkResult,
    Cue,
    DecodeSummary,
    EngineInfo,
    Finding,
    FrameFacts,
    Keyframe,
    Layout,
    Notice,
    ReportedConversation,
    ReportedPicture,
    Transcript,
    VideoInfo,
)
from framelens.core.errors import InputError
from framelens.core.files import single_line
from framelens.i18n import has_notice
from framelens.reports.json import schema
from framelens.reports.json.writer import JPEG_URL

_LATEST_SECONDS = 1e12
"""32,000 years. Damaged timestamps of real files are far below; later times cannot be formatted as hours."""
_MOST_CONDITIONS = 1000
"""Limit for the number of settings and of stages; a report of FrameLens has some 30."""
MOST_TEXT_BYTES = 64 << 20
"""Limit for a report without its pictures. The largest report of FrameLens, 256 frames in as many requests, has some
10 MB."""
MOST_PICTURE_BYTES = 8 << 20
"""Limit for a picture. Pure noise of 1280 x 1280 pixels has 1.5 MB at the quality at which frames are stored."""
_MOST_TEXT_OF_ALL = 1 << 30
_MOST_PICTURES_OF_ALL = 2 << 30
"""Limits for all reports of a file together."""
_MOST_GAIN = 4
"""Bytes of pictures allowed per byte of the file, with a wide margin: JPEGs hardly get smaller in a ZIP, which undoes
the third that Base64 adds."""
_CHUNK = 1 << 20
_PICTURE = re.compile(rb'"picture"\s{0,16}:\s{0,16}"data:image/jpeg;base64,')
_LONGEST_MATCH = 80  # more than the 66 bytes that _PICTURE can match


def read(data: bytes, *, name: str, pictures: Sequence[bytes] = ()) -> Analysis:
    """Return the analysis that a JSON report holds.

    Args:
        data: The JSON, in UTF-8.
        name: The file's name, for errors.
        pictures: The JPEGs for "#0", "#1" …, if framelens.reports.json.reader has split them off.

    Raises:
        InputError: The file is not a FrameLens report, has another version, or is damaged.
    """
    document = _document(data, name)
    try:
        form = from_builtins(document, schema.ReportForm)
        _check(form, name)
        return _analysis(form, pictures)
    except RecursionError as error:
        raise InputError("report_too_deep", name=name) from error
    except ValueError as error:  # a wrong field, inconsistent values, or a picture that is not a JPEG
        reason, _, path = str(error).partition(" - at `$")
        section = ".".join(re.findall(r"\w+", path) + re.findall(r"required field `(\w+)`", reason)) or "keyframes"
        raise InputError("report_damaged", name=name, place=section, reason=reason) from error


def _document(data: bytes, name: str) -> dict[str, object]:
    """Parse the JSON and check that it is a report of the supported version. Raises InputError if not."""
    try:
        document = json.loads(data, parse_constant=_finite, parse_float=_finite)
    except RecursionError as error:
        raise InputError("report_too_deep", name=name) from error
    except UnicodeError as error:  # no text at all
        raise InputError("report_not_json", name=name, reason=os.strerror(errno.EILSEQ)) from error
    except ValueError as error:
        raise InputError("report_not_json", name=name, reason=str(error)) from error
    if not isinstance(document, dict) or document.get("format") != "framelens-report":
        raise InputError("report_not_ours", name=name)
    if (version := document.get("format_version")) not in schema.READABLE_VERSIONS:
        raise InputError("report_version", name=name, version=str(version)[:20], known=schema.FORMAT_VERSION)
    return {**document, "format_version": schema.FORMAT_VERSION}


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no number that JSON can hold")
    return value


def _check(form: schema.ReportForm, name: str) -> None:
    """Raise InputError if a valid form has values that can't be stored or shown."""
    if len(form.keyframes) > MOST_FRAMES:
        raise InputError("report_too_many_frames", name=name, most=MOST_FRAMES)
    for numbers, part in (
        ([frame.number for frame in form.keyframes], "keyframes"),
        ([answer.number for answer in form.chunks], "chunks"),
        ([answer.number for answer in form.joins], "joins"),
    ):
        if doubled := [number for number, count in Counter(numbers).items() if count > 1]:
            raise InputError("report_doubled", name=name, place=part, number=doubled[0])
    for conversation in (*((form.answer,) if form.answer else ()), *(form.conversations or ())):
        _check_conversation(conversation, name)
    for section, part in to_builtins(form).items():
        if late := next((seconds for seconds in _times(part) if not abs(seconds) <= _LATEST_SECONDS), None):
            raise InputError("report_bad_time", name=name, place=section, seconds=late)
    answers = (*form.chunks, *form.joins, *((form.summary,) if form.summary else ()))
    for notice in (*form.notices, *(answer.fallback for answer in answers if answer.fallback)):
        _check_notice(notice, name)
    if max(len(form.conditions), len(form.seconds_by_stage)) > _MOST_CONDITIONS:
        raise InputError("report_too_many_settings", name=name, most=_MOST_CONDITIONS)


def _check_conversation(form: schema.ConversationForm, name: str) -> None:
    numbers = Counter(picture.number for picture in form.pictures)
    if doubled := [number for number, count in numbers.items() if count > 1]:
        raise InputError("report_doubled", name=name, place="conversations", number=doubled[0])
    for answer in form.answers:
        for notice in (*answer.notices, *((answer.why,) if answer.why else ())):
            _check_notice(notice, name)


def _times(value: object, name: str = "") -> Iterator[float]:
    """Yield all times and lengths of the video in a part of the form: the numbers in fields named `…_seconds`."""
    match value:
        case dict():
            for field, inner in value.items():
                yield from _times(inner, field)
        case list() | tuple():
            for inner in value:
                yield from _times(inner, name)
        case int() | float() if name.endswith("_seconds"):
            yield value


def _check_notice(notice: schema.NoticeForm, name: str) -> None:
    if not has_notice(notice.key, notice.table):
        raise InputError("report_unknown_notice", name=name, key=notice.key[:60])
    for value in notice.values.values():
        if isinstance(value, schema.NoticeForm):
            _check_notice(value, name)


def _analysis(form: schema.ReportForm, pictures: Sequence[bytes]) -> Analysis:
    """Return the analysis, with the corrections of its log applied to what the model wrote."""
    layout, corrections = form.layout, form.corrections or None
    if corrections and [entry.number for entry in corrections.log] != list(range(1, len(corrections.log) + 1)):
        raise ValueError("the corrections are not in order")
    originals = {original.number: original for original in corrections.originals} if corrections else {}
    result = partial(_result, originals=originals)
    answers = iter(corrections.answers if corrections else ())
    conversation = partial(_conversation, pictures=pictures, originals=answers)
    written = build(
        Analysis,
        form,
        request=build(AnalysisRequest, form.request, path=UNKNOWN_PATH),
        video=build(VideoInfo, form.source, path=UNKNOWN_PATH),
        sha256=form.source.sha256,
        decode=build(DecodeSummary, form, form.source, notices=()),
        transcript=form.transcript and _transcript(form.transcript),
        keyframes=tuple(
            build(Keyframe, keyframe, jpeg=_jpeg(keyframe.picture, pictures)) for keyframe in form.keyframes
        ),
        facts=tuple(
            build(FrameFacts, keyframe.facts, number=keyframe.number) for keyframe in form.keyframes if keyframe.facts
        ),
        chunks=tuple(map(result, form.chunks)),
        notices=tuple(
            build(Notice, notice) for notice in form.notices if notice.key != "no_usable_answer"
        ),  # it follows
        summary=form.summary and result(form.summary),
        engine=form.engine and build(EngineInfo, form.engine, base_url=""),
        app_version=form.framelens_version,
        layout=layout and build(Layout, layout, parts=tuple(part.frames for part in layout.parts)),
        joins=tuple(map(result, form.joins)),
        field_names={field.key: field.name for field in form.fields},
        answer=conversation(form.answer) if form.answer and form.answer.answers else None,
        conversations=tuple(map(conversation, form.conversations or ())),
        link=form.link or None,
        corrections=None,
    )
    return corrected(written, corrections.log) if corrections else written


def _conversation(
    form: schema.ConversationForm, pictures: Sequence[bytes], originals: Iterator[schema.ConversationAnswerForm]
) -> ReportedConversation:
    """Return a conversation with the answers as the model gave them."""
    shown = (
        build(ReportedPicture, picture, keyframe=picture.keyframe or 0, jpeg=_jpeg(picture.picture, pictures))
        for picture in form.pictures
    )
    answers = tuple(next(originals, answer) if answer.lines else answer for answer in form.answers)
    return build(ReportedConversation, form, answers=answers, pictures=tuple(shown))


def _transcript(form: schema.TranscriptForm) -> Transcript:
    cues = tuple(Cue(cue.start_seconds, cue.end_seconds, cue.text, cue.speaker or 0) for cue in form.cues)
    speakers = tuple(map(single_line, (form.speakers or ())[:MOST_SPEAKERS]))
    return Transcript(form.source, form.label, cues, speakers, bool(form.speakers_guessed))


def _jpeg(url: str | None, pictures: Sequence[bytes]) -> bytes:
    """Return the bytes of a JPEG, empty if the picture was left out. Raises ValueError for anything else."""
    if not url:
        return b""
    encoded = url.removeprefix(JPEG_URL)
    try:
        if encoded.startswith("#"):
            data = pictures[int(encoded[1:])]
        else:
            data = base64.b64decode(encoded, validate=True) if url.startswith(JPEG_URL) else b""
    except (binascii.Error, IndexError) as error:
        raise ValueError(str(error)) from error
    if not data.startswith(b"\xff\xd8"):
        raise ValueError("not a JPEG")
    return data


def _result(form: schema.AnswerForm, originals: Mapping[int, schema.OriginalForm]) -> ChunkResult:
    """Return an answer as the model gave it."""
    original = originals.get(form.number, form)
    return build(
        ChunkResult,
        form,
        findings=tuple(map(_finding, original.findings)),
        overview=tuple(map(_finding, original.overview)),
        title=form.title or "",
        chapters=original.chapters,
        reply=tuple(map(_finding, original.reply)),
        troubles=tuple(trouble.key for trouble in form.troubles),
        key=form.digest,
    )


def _finding(form: schema.FindingForm) -> Finding:
    fields = {field.key: field.value for field in form.fields}
    return Finding(form.text, form.frames, tuple(issue.key for issue in form.issues), fields)


@dataclass
class Budget:
    """Bytes that the reports of a file may still unpack to."""

    text: int
    pictures: int

    @classmethod
    def for_file(cls, num_bytes: int) -> Budget:
        """Return the budget for a file of this size.

        A library exports up to 500 reports of some 10 MB as one ZIP, so the limits for a whole file are wider than
        those for each report in it.
        """
        return cls(_MOST_TEXT_OF_ALL, _MOST_PICTURES_OF_ALL + _MOST_GAIN * num_bytes)

    def take(self, *, text: int = 0, picture: int = 0, name: str) -> None:
        """Spend bytes of the budget.

        Raises:
            InputError: "report_too_large", if the budget is exceeded.
        """
        self.text -= text
        self.pictures -= picture
        if min(self.text, self.pictures) < 0:
            raise too_large(name)


def too_large(name: str) -> InputError:
    """Return the error for a report beyond the limits."""
    return InputError("report_too_large", name=name, megabytes=MOST_TEXT_BYTES >> 20)


def split(stream: IO[bytes], *, name: str, budget: Budget) -> tuple[bytes, list[bytes]]:
    """Return the text of a report and the JPEGs of its keyframes.

    In the text, "#0", "#1" … replace the Base64 of the pictures. Quotation marks within the strings of a report are
    escaped, so the beginning of a picture cannot be part of a string.

    Args:
        stream: The unpacked JSON.
        name: The file's name, for errors.
        budget: The bytes that the file may still unpack to.

    Raises:
        InputError: The text or a picture is too large, there are too many pictures, or a picture is not valid Base64.
    """
    text, pictures = bytearray(), list[bytes]()
    encoded: bytearray | None = None
    pending = b""
    while chunk := stream.read(_CHUNK):
        pending += chunk
        while pending:
            if encoded is not None:
                piece, quote, rest = pending.partition(b'"')
                encoded += piece
                budget.take(picture=len(piece), name=name)
                if len(encoded) > MOST_PICTURE_BYTES * 4 // 3:
                    raise too_large(name)
                pending = quote + rest
                if not quote:
                    break
                pictures.append(_decode_picture(encoded, name))
                text += b"#%d" % (len(pictures) - 1)
                encoded = None
            match = _PICTURE.search(pending)
            if match and len(pictures) == 2 * MOST_FRAMES:  # as many others as keyframes, from conversations
                raise InputError("report_too_many_frames", name=name, most=MOST_FRAMES)
            end = match.end() if match else max(0, len(pending) - _LONGEST_MATCH)
            text += pending[:end]
            budget.take(text=end, name=name)
            pending = pending[end:]
            if len(text) > MOST_TEXT_BYTES:
                raise too_large(name)
            if not match:
                break
            encoded = bytearray()
    text += pending
    return bytes(text), pictures


def _decode_picture(encoded: bytearray, name: str) -> bytes:
    try:
        return base64.b64decode(encoded.replace(b"\\/", b"/"), validate=True)
    except binascii.Error as error:
        raise InputError("report_damaged", name=name, place="keyframes", reason=str(error)) from error
