"""Findings as a CSV table for spreadsheets: one row per finding in time order, with every field of the template.

Answers to questions follow, each with its question in a column that other tables don't have, and the intervals that
were found for them.

A keyframe that no finding cites has a row with the text of its page, or without text, so that the table lists every
analysed frame; without a model there are only such rows. The format is RFC 4180 in UTF-8, with the byte order mark by
which Excel detects UTF-8.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO

from framelens.core.domain import Analysis, Finding, Language, ReportedAnswer, ReportedConversation, times_of
from framelens.core.files import single_line
from framelens.core.outline import outline_of
from framelens.core.units import clock, rounded_time
from framelens.i18n import in_language, t
from framelens.reports.content.document import plain_text
from framelens.reports.content.labels import field_names, finding_seconds, issues, parts_of, written_by
from framelens.reports.content.questions import cited, doubts, why_incomplete
from framelens.reports.content.searches import interval_issues

_BETWEEN = "; "
"""Separator of frame numbers. Many spreadsheets would read "1,2" as one number."""

_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@＝＋－＠])")
"""The beginning of a formula (OWASP, CSV injection), at the start of a cell or after a semicolon, which some locales
use to separate cells."""
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_Row = tuple[object, ...]


def write(analysis: Analysis, language: Language) -> bytes:
    """Return the table as CSV in UTF-8 with a byte order mark.

    The seconds are the times of the first and the last frame that a finding cites, and empty if it cites no frame.
    """
    with in_language(language):
        fields = field_names(analysis)
        question_head = (t("report.question"),) if analysis.all_conversations else ()
        rows: list[_Row] = [(*_header(fields), *question_head)]
        rows += (row for _, row in sorted(_rows(analysis, fields), key=lambda timed: timed[0]))
        for conversation in analysis.all_conversations:
            for answer in conversation.answers:
                rows += (_answer_row(answer, conversation, len(fields)), *_interval_rows(answer, len(fields)))
    return csv_table(rows)


def _header(fields: Mapping[str, str]) -> _Row:
    before = ("part_number", "start_seconds", "end_seconds", "frame_numbers", "time")
    after = ("finding", "verified", "doubts", "written_by")
    names = [t(f"report.{key}") for key in before]
    return (*names, *fields.values(), *(t(f"report.{key}") for key in after))


def _rows(analysis: Analysis, fields: Mapping[str, str]) -> Iterator[tuple[float, _Row]]:
    """Yield each row with the time it is sorted by."""
    times = times_of(analysis.keyframes)
    by = t("report.by_model", model=analysis.answered_by) if analysis.answered_by else ""
    parts = parts_of(analysis)
    places = {frame: part.position for part in parts for frame in part.frames}
    used: set[int] = set()
    pages = {page.frame: page.text for page in outline_of(analysis).pages}
    of_parts = ((part, finding) for part in parts if part.result for finding in part.result.findings)
    for part, finding in (*of_parts, *((None, finding) for finding in analysis.added)):
        frames = [number for number in finding.frames if number in times]
        used.update(frames)
        cited_seconds = finding_seconds(finding, times)
        author = plain_text(written_by(finding.person)).strip() or by
        cells = (*_time_cells(frames, cited_seconds), *_finding_cells(finding, fields), author)
        start = cited_seconds[0] if cited_seconds else part.start_seconds if part else 0.0
        yield start, (part.position if part else "", *cells)
    for number, seconds in times.items():
        if number not in used:
            cells = (places.get(number, ""), *_time_cells([number], [seconds]))
            yield seconds, (*cells, *[""] * len(fields), pages.get(number, ""), "", "", "")


def _answer_row(answer: ReportedAnswer, conversation: ReportedConversation, num_fields: int) -> _Row:
    shown = [picture for picture in cited(conversation, answer) if not (picture.video or picture.name)]
    keyframes = [picture.keyframe for picture in shown if picture.keyframe]
    intervals = [interval for search in answer.searches if not search.video for interval in search.moments.intervals]
    ends = {
        interval.last.time_seconds: interval.end_seconds for interval in intervals if interval.last != interval.first
    }
    cells = _time_cells(keyframes, [ends.get(picture.time_seconds, picture.time_seconds) for picture in shown])
    of_lines = dict.fromkeys(issue for line in answer.lines for issue in issues(line))
    against = [*why_incomplete(answer), *doubts(answer.unknown_frames, answer.own_times), *of_lines]
    verified = t("report.no" if against or not answer.cited else "report.yes")
    authors = (plain_text(written_by(line.person)).strip() for line in answer.lines)
    by = " ".join(
        dict.fromkeys(filter(None, (t("report.by_model", model=answer.model) if answer.model else "", *authors)))
    )
    answer_cells = (answer.answer, verified, "; ".join(f"⚠️ {reason}" for reason in against), by, answer.question)
    return ("", *cells, *[""] * num_fields, *answer_cells)


def _interval_rows(answer: ReportedAnswer, num_fields: int) -> Iterator[_Row]:
    """Yield a row for each interval that was found for an answer in the report's own video.

    The model's votes don't verify anything, so they are named and an interval is never called verified.
    """
    by = t("report.by_model", model=answer.model) if answer.model else ""
    for search in answer.searches:
        for interval in search.moments.intervals if not search.video else ():
            issues = interval_issues(interval)
            cells = _time_cells([], [interval.start_seconds, interval.end_seconds])
            against = "; ".join(f"⚠️ {issue}" for issue in issues)
            votes = t("report.search_vote", yes=interval.yes, all=interval.yes + interval.no)
            vote_cells = (
                f"{search.moments.thing} · {votes}",
                t("report.no") if issues else "",
                against,
                by,
                answer.question,
            )
            yield ("", *cells, *[""] * num_fields, *vote_cells)


def _time_cells(frames: list[int], seconds: list[float]) -> _Row:
    edges = (rounded_time(min(seconds)), rounded_time(max(seconds))) if seconds else ("", "")
    return *edges, _BETWEEN.join(map(str, frames)), _BETWEEN.join(map(clock, seconds))


def _finding_cells(finding: Finding, fields: Mapping[str, str]) -> _Row:
    against = t("facts.list").join(issues(finding))
    verified = t("report.no" if against else "report.yes")
    values = (finding.fields.get(key, "") for key in fields)
    return *values, finding.text, verified, f"⚠️ {against}" if against else ""


def csv_table(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8 with a byte order mark; no text is evaluated as a formula."""
    text = StringIO()
    csv.writer(text).writerows(
        [escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue().encode("utf-8-sig")


def escape_formula(text: str) -> str:
    """Escape text so that no spreadsheet evaluates it as a formula; plain numbers are unchanged."""
    line = single_line(text)
    return line if _NUMBER.fullmatch(line) else _FORMULA.sub(r"\1\2'", line)
