"""Keyframes as JSON for programs, without pictures, and the encoders that they share with the analysis report.

Seconds count from the first frame of the video track; ranges are half-open.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from framelens.core.codec import build, to_document
from framelens.core.domain import DecodeSummary, Measures, Notice, VideoInfo
from framelens.core.events import KeyframesChosen
from framelens.i18n import notice_text, t
from framelens.reports.content.labels import shareable_notice
from framelens.reports.json.schema import BoundaryForm, ChosenForm, KeyframesForm, NoticeForm, SourceForm

_DIGITS, _SHARPNESS_DIGITS = 4, 1
_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+)*)\n\s*\]")
"""Lists of numbers as json.dumps indents them. No string matches, since a JSON string has no line break."""


def keyframes_json(video: VideoInfo, sha256: str, chosen: KeyframesChosen, *, reused: bool) -> bytes:
    """Return the keyframes as one indented JSON object in UTF-8 with a final newline."""
    keyframes = (
        build(ChosenForm, keyframe, reason_text=t(f"reason.{keyframe.reason}")) for keyframe in chosen.keyframes
    )
    measured = measured_parts(video, chosen.decode, sha256)
    notices = notices_of(chosen.decode.notices)
    return json_text(KeyframesForm(**measured, keyframes=tuple(keyframes), notices=notices, reused=reused))


def measured_parts(video: VideoInfo, decode: DecodeSummary, sha256: str) -> dict[str, Any]:
    """Build the parts of a report about the video file, without the folder it is in, and about its decoding."""
    return {
        "source": build(SourceForm, video, decode, sha256=sha256),
        "shots": decode.shots,
        "boundaries": tuple(
            build(BoundaryForm, boundary, time_seconds=round(boundary.time_seconds, 9))
            for boundary in decode.boundaries
        ),
        "measures": decode.measures and _round_measures(decode.measures),
        "stretches": decode.stretches,
    }


def notices_of(notices: Iterable[Notice]) -> tuple[NoticeForm, ...]:
    """Build the forms of notices with their texts."""
    return tuple(notice_of(notice) for notice in notices)


def notice_of(notice: Notice) -> NoticeForm:
    """Build the form of a notice, without private values, with its text."""
    notice = shareable_notice(notice)
    values = {name: notice_of(value) if isinstance(value, Notice) else value for name, value in notice.values.items()}
    return build(NoticeForm, notice, text=notice_text(notice), values=values)


def _round_measures(measures: Measures) -> Measures:
    """Round measures to the decimals that are more than noise."""
    rounded: dict[str, Any] = {
        name: tuple(round(value, _SHARPNESS_DIGITS if name == "sharpness" else _DIGITS) for value in values)
        for name, values in vars(measures).items()
        if isinstance(values, tuple)
    }
    return replace(measures, **rounded)


def json_text(document: object) -> bytes:
    """Format indented JSON as UTF-8 with a final newline. Bytes of file names that are not UTF-8 are escaped."""
    text = json.dumps(to_document(document), ensure_ascii=False, indent=2)
    return (_NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text) + "\n").encode(
        errors="backslashreplace"
    )
