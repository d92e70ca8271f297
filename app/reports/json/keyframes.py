"""Chosen keyframes as JSON for programs: times, reasons, shots and measures, without pictures."""

from __future__ import annotations

from app.core import Keyframe, KeyframesChosen, Language, Measures, Reason, Shot, Stretch, VideoInfo
from app.i18n import t
from app.reports.json.encoding import json_text, notice_of, rounded, source_of
from app.reports.json.schema import BoundaryForm, Form, NoticeForm, SourceForm

FORMAT_VERSION = 1


class ChosenForm(Form):
    """A chosen frame."""

    number: int
    time_seconds: float
    frame_index: int
    reason: Reason
    reason_text: str
    shot: int
    width: int
    height: int


class KeyframesForm(Form):
    """Keyframes of a video. `reused` is true if the video was not decoded for them."""

    format_version: int = FORMAT_VERSION
    source: SourceForm
    keyframes: tuple[ChosenForm, ...]
    shots: tuple[Shot, ...]
    boundaries: tuple[BoundaryForm, ...]
    measures: Measures | None
    stretches: tuple[Stretch, ...]
    notices: tuple[NoticeForm, ...]
    reused: bool


def write(video: VideoInfo, sha256: str, chosen: KeyframesChosen, *, reused: bool, language: Language) -> bytes:
    """Return the keyframes as one indented JSON object in UTF-8 with a final newline.

    Seconds count from the first frame of the video.
    """
    decode = chosen.decode
    form = KeyframesForm(
        source=source_of(video, decode, sha256),
        keyframes=tuple(_keyframe(frame, language) for frame in chosen.keyframes),
        shots=decode.shots,
        boundaries=tuple(map(BoundaryForm.from_boundary, decode.boundaries)),
        measures=decode.measures and rounded(decode.measures),
        stretches=decode.stretches,
        notices=tuple(notice_of(notice, language) for notice in decode.notices),
        reused=reused,
    )
    return json_text(form.model_dump(mode="json"))


def _keyframe(frame: Keyframe, language: Language) -> ChosenForm:
    return ChosenForm(
        reason_text=t(f"reason.{frame.reason}", language),
        **{name: getattr(frame, name) for name in ChosenForm.model_fields if name != "reason_text"},
    )
