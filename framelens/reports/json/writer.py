"""Writer of JSON reports, the complete form of an analysis, from which every other format can be generated.

Every `…_seconds` of the video comes from a frame, a cue or a chapter, never from the words of a model. The folder of
the video and the address of the engine are left out.
"""

import base64
from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import UNSET, structs

from framelens.core.codec import build
from framelens.core.domain import (
    Analysis,
    ChunkResult,
    Corrections,
    Finding,
    Language,
    ReportedAnswer,
    ReportedConversation,
    Transcript,
    times_of,
)
from framelens.core.outline import chapters_of, outline_of, title_of
from framelens.i18n import in_language, language, t
from framelens.reports.content.footage import activities, footage_of, light_changes, picture_at
from framelens.reports.content.labels import (
    RequestPart,
    ai_label,
    field_names,
    finding_seconds,
    issues,
    parts_of,
    shareable_settings,
    stated_notices,
    troubles,
)
from framelens.reports.content.provenance import aigc
from framelens.reports.json import schema
from framelens.reports.json.encoding import json_text, measured_parts, notice_of, notices_of

JPEG_URL = "data:image/jpeg;base64,"
Answer = TypeVar("Answer", schema.AnswerForm, schema.ChunkForm)


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the report as indented JSON in UTF-8 with a final newline."""
    with in_language(language):
        return json_text(form_of(analysis))


def without_pictures(analysis: Analysis, language: Language, *, offers: Sequence[dict[str, str | int]] = ()) -> bytes:
    """Return the same JSON with null in place of the pictures, for programs that read the output."""
    with in_language(language):
        return json_text(structs.replace(form_of(analysis, pictures=False), offers=tuple(offers) or UNSET))


def form_of(analysis: Analysis, *, pictures: bool = True) -> schema.ReportForm:
    """Build the report's form."""
    answers, parts, whole = AnswerWriter(analysis), parts_of(analysis), analysis.whole
    layout, names = analysis.layout, field_names(analysis)
    form = build(
        schema.ReportForm,
        analysis,
        **measured_parts(analysis.video, analysis.decode, analysis.sha256),
        language=language(),
        ai_label=ai_label(analysis),
        aigc=aigc(analysis),
        state=analysis.outcome,
        notices=notices_of(stated_notices(analysis)),
        title=title_of(analysis) or None,
        reply=answers.findings(whole.reply if whole else ()),
        overview=answers.findings(analysis.overview),
        chapters=chapters_of(analysis),
        outline=build(schema.OutlineForm, outline_of(analysis)),
        transcript=analysis.transcript and _transcript(analysis.transcript),
        footage=_footage(analysis),
        keyframes=tuple(_keyframes(analysis, pictures=pictures)),
        fields=tuple(schema.FieldForm(key, name) for key, name in names.items()),
        chunks=tuple(answers.answer(schema.ChunkForm, part.result, part) for part in parts if part.result),
        joins=tuple(answers.answer(schema.AnswerForm, join) for join in analysis.joins),
        summary=analysis.summary and answers.answer(schema.AnswerForm, analysis.summary),
        layout=layout and build(schema.LayoutForm, layout, parts=tuple(map(_planned_form, parts))),
        conditions=shareable_settings(analysis),
        framelens_version=analysis.app_version,
        answer=analysis.answer and _conversation(analysis.answer, pictures=pictures),
        conversations=(),
        corrections=None,
    )
    conversations = tuple(_conversation(conversation, pictures=pictures) for conversation in analysis.conversations)
    changed = [answer for conversation in analysis.all_conversations for answer in conversation.answers if answer.lines]
    corrections = analysis.corrections and _corrections(analysis.corrections, answers, len(changed))
    optional = {"conversations": conversations, "link": analysis.link, "corrections": corrections}
    return structs.replace(form, **{name: value or UNSET for name, value in optional.items()})


def _footage(analysis: Analysis) -> schema.FootageForm:
    decode = analysis.decode
    forms = []
    for activity in activities(decode.measures, decode.readable_seconds):
        frame = picture_at(analysis.keyframes, activity)
        forms.append(build(schema.ActivityForm, activity, keyframe=frame and frame.number))
    kind = footage_of(decode)
    return schema.FootageForm(kind, tuple(forms), light_changes(decode.measures) if kind == "camera" else ())


def _conversation(conversation: ReportedConversation, *, pictures: bool) -> schema.ConversationForm:
    shown = (
        build(
            schema.ConversationPictureForm,
            picture,
            keyframe=picture.keyframe or None,
            picture=_picture(picture.jpeg) if pictures and picture.jpeg else None,
        )
        for picture in conversation.pictures
    )
    answers = tuple(map(_conversation_answer, conversation.answers))
    return build(schema.ConversationForm, conversation, answers=answers, pictures=tuple(shown))


def _conversation_answer(answer: ReportedAnswer) -> schema.ConversationAnswerForm:
    why = answer.why and notice_of(answer.why)
    return build(schema.ConversationAnswerForm, answer, why=why, notices=notices_of(answer.notices))


def _transcript(transcript: Transcript) -> schema.TranscriptForm:
    if transcript.speakers:
        return build(schema.TranscriptForm, transcript)
    cues = tuple(schema.CueForm(cue.start_seconds, cue.end_seconds, cue.text) for cue in transcript.cues)
    return schema.TranscriptForm(transcript.source, transcript.label, cues)


def _planned_form(part: RequestPart) -> schema.PlannedForm:
    return build(schema.PlannedForm, part, part=part.position, is_answered=part.result is not None)


def _keyframes(analysis: Analysis, *, pictures: bool) -> Iterable[schema.KeyframeForm]:
    facts = {fact.number: fact for fact in analysis.facts}
    texts: dict[int, list[str]] = {}
    for finding in analysis.findings:
        if len(finding.frames) == 1:
            texts.setdefault(finding.frames[0], []).append(finding.text)
    for frame in analysis.keyframes:
        yield build(
            schema.KeyframeForm,
            frame,
            reason_text=t(f"reason.{frame.reason}"),
            findings=texts.get(frame.number, ()),
            facts=facts.get(frame.number),
            picture=_picture(frame.jpeg) if pictures and frame.jpeg else None,
        )


def _picture(jpeg: bytes) -> str:
    return JPEG_URL + base64.b64encode(jpeg).decode("ascii")


class AnswerWriter:
    """Builder of the forms of answers and findings of an analysis."""

    def __init__(self, analysis: Analysis) -> None:
        self._times = times_of(analysis.keyframes)
        self._names = field_names(analysis)

    def findings(self, findings: tuple[Finding, ...]) -> tuple[schema.FindingForm, ...]:
        """Build the forms of findings."""
        return tuple(map(self._finding, findings))

    def answer(self, kind: type[Answer], result: ChunkResult, part: RequestPart | None = None) -> Answer:
        """Build the form of an answer, with its place among the parts and its time range if it is about a part."""
        return build(
            kind,
            part,
            result,
            part=part and part.position,
            fallback=result.fallback and notice_of(result.fallback),
            findings=self.findings(result.findings),
            title=result.title or None,
            overview=self.findings(result.overview),
            reply=self.findings(result.reply),
            troubles=_worded_forms(result.troubles, troubles(result)),
            seconds=round(result.seconds, 3),
            digest=result.key,
        )

    def _finding(self, finding: Finding) -> schema.FindingForm:
        fields = finding.fields.items()
        return build(
            schema.FindingForm,
            finding,
            times_seconds=tuple(finding_seconds(finding, self._times)),
            fields=tuple(schema.FieldValueForm(key, self._names.get(key, key), value) for key, value in fields),
            verified=not finding.issues,
            issues=_worded_forms(finding.issues, issues(finding)),
        )


def _worded_forms(keys: tuple[str, ...], texts: list[str]) -> tuple[schema.WordedForm, ...]:
    return tuple(schema.WordedForm(key, text) for key, text in zip(keys, texts, strict=True))


def _corrections(corrections: Corrections, answers: AnswerWriter, num_answers: int) -> schema.CorrectionsForm:
    originals = (
        schema.OriginalForm(
            result.number,
            answers.findings(result.findings),
            answers.findings(result.overview),
            answers.findings(result.reply),
            result.chapters,
        )
        for result in corrections.originals
    )
    title, note = (answers.findings((item,))[0] if item else None for item in (corrections.title, corrections.note))
    return schema.CorrectionsForm(
        corrections.log,
        tuple(originals),
        title,
        note,
        tuple(map(_conversation_answer, corrections.answers[:num_answers])),  # without those that are left out
        answers.findings(corrections.added),
        corrections.unmatched,
    )
