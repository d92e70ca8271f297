"""Encoders shared by the analysis report and the keyframes report: source file, measures, notices, JSON text.

Seconds count from the first frame of the video track; ranges are half-open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from app.core import DecodeSummary, Language, Measures, Notice, VideoInfo
from app.i18n import notice_text
from app.reports.json.schema import NoticeForm, SourceForm

_DIGITS, _SHARPNESS_DIGITS = 4, 1
_NUMBERS = re.compile(r"\[\n\s*([-+.\deE]+(?:,\n\s*[-+.\deE]+)*)\n\s*\]")
"""Lists of numbers as json.dumps indents them. No string matches, since a JSON string has no line break."""


def notice_of(notice: Notice, language: Language) -> NoticeForm:
    """Build the form of a notice with its text in `language`."""
    return NoticeForm(
        key=notice.key,
        level=notice.level,
        text=notice_text(notice, language),
        table=notice.table,
        values={
            name: notice_of(value, language) if isinstance(value, Notice) else value
            for name, value in notice.values.items()
        },
    )


def source_of(video: VideoInfo, decode: DecodeSummary, sha256: str) -> SourceForm:
    """Build the form of the video file, without the folder it is in."""
    names = SourceForm.model_fields.keys()
    values = {**vars(video), **vars(decode), "sha256": sha256}
    return SourceForm(**{name: values[name] for name in names})


def rounded(measures: Measures) -> Measures:
    """Round measures to the decimals that are more than noise."""
    return replace(
        measures,
        change=_rounded(measures.change),
        motion=_rounded(measures.motion),
        brightness=_rounded(measures.brightness),
        sharpness=_rounded(measures.sharpness, _SHARPNESS_DIGITS),
        colourfulness=_rounded(measures.colourfulness),
    )


def _rounded(values: tuple[float, ...], digits: int = _DIGITS) -> tuple[float, ...]:
    return tuple(round(value, digits) for value in values)


def json_text(document: Mapping[str, object]) -> bytes:
    """Format indented JSON as UTF-8 with a final newline. Bytes of file names that are not UTF-8 are escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return (_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode(
        errors="backslashreplace"
    )
