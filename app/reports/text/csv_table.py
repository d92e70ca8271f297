"""The findings as a table for spreadsheets: a row for each, in time order, with every field of the template.

A keyframe that no finding rests on has a row without words, so that the table shows all that was looked at; without a
model these are all there is. RFC 4180 in UTF-8, with the byte order mark by which Excel knows that.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from io import StringIO

from app.domain import Analysis, Finding, Language, clock
from app.i18n import t
from app.reports.content.labels import field_names, issues
from app.reports.content.plain_text import one_line
from app.reports.content.request_parts import parts_of, times_of

_BETWEEN = "; "
"""Between numbers of frames. "1,2" would become one number in many a spreadsheet."""
_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@＝＋－＠])")
"""What a spreadsheet may take for the beginning of a formula (OWASP, CSV injection), at the start of a cell or of what
becomes one where semicolons part cells."""
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")

_Row = tuple[object, ...]


def write(analysis: Analysis, language: Language) -> bytes:
    """Seconds are those of the first and the last frame that a finding rests on, and empty where it rests on none."""
    fields = field_names(analysis)
    text = StringIO()
    table = csv.writer(text)
    table.writerow(_heads(fields, language))
    table.writerows(row for _, row in sorted(_rows(analysis, fields, language), key=lambda timed: timed[0]))
    return text.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """Text of anybody as a cell that no spreadsheet computes; a plain number stays one."""
    line = one_line(text)
    return line if _NUMBER.fullmatch(line) else _FORMULA.sub(r"\1\2'", line)


def _heads(fields: Mapping[str, str], language: Language) -> _Row:
    before = ("part_number", "start_seconds", "end_seconds", "frame_numbers", "time")
    after = ("finding", "verified", "doubts", "written_by")
    names = [t(f"report.{key}", language) for key in before]
    return (*names, *map(harmless, fields.values()), *(t(f"report.{key}", language) for key in after))


def _rows(analysis: Analysis, fields: Mapping[str, str], language: Language) -> Iterator[tuple[float, _Row]]:
    """Each with the time that it is sorted by."""
    times = times_of(analysis.keyframes)
    by = t("report.by_model", language, model=analysis.engine.model) if analysis.engine else ""
    parts = parts_of(analysis)
    places = {frame: part.place for part in parts for frame in part.frames}
    used: set[int] = set()
    for part in parts:
        for finding in part.result.findings if part.result else ():
            frames = [number for number in finding.frames if number in times]
            used.update(frames)
            row = (part.place, *_when(frames, times), *_told(finding, fields, language), harmless(by))
            yield times[frames[0]] if frames else part.start_seconds, row
    for number, seconds in times.items():
        if number not in used:
            yield seconds, (places.get(number, ""), *_when([number], times), *[""] * (len(fields) + 4))


def _when(frames: list[int], times: Mapping[int, float]) -> _Row:
    seconds = [times[number] for number in frames]
    edges = (round(min(seconds), 6), round(max(seconds), 6)) if seconds else ("", "")
    return *edges, _BETWEEN.join(map(str, frames)), _BETWEEN.join(map(clock, seconds))


def _told(finding: Finding, fields: Mapping[str, str], language: Language) -> _Row:
    doubts = ", ".join(issues(finding, language))
    verified = t("report.no" if doubts else "report.yes", language)
    values = (harmless(finding.fields.get(key, "")) for key in fields)
    return *values, harmless(finding.text), verified, f"⚠️ {doubts}" if doubts else ""
