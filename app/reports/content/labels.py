"""Texts of reports in the reader's language, and the sanitizer of untrusted text.

A key without a text, which a report of another version may hold, is shown unchanged. Characters that a file format may
refuse or misread are shown as code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from urllib.parse import quote

from app.core import BREAKS, Analysis, ChunkResult, Finding, Language, base_name, clock, shown_name
from app.i18n import catalogue, notice_text, t
from app.reports.content.document import Line, Span
from app.reports.content.request_parts import RequestPart

_QUOTED = 200
"""Characters quoted from an answer that repeats itself: about two lines, enough to see the repetition."""
_IS_PATH = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|\.{1,2}[/\\]")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML 1.0 (section 2.2) forbids, and the control characters that it discourages."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Marks that change the direction of the text after them, even beyond the end of a sentence or a cell."""


def named(table: str, key: str, language: Language) -> str:
    """Return the text of `key` in a table of i18n such as "trouble" or "condition", or the key itself."""
    return catalogue(language).get(f"{table}.{key}", key)


def shareable_settings(analysis: Analysis) -> dict[str, str]:
    """Return the settings that the answers depend on, without private values.

    The address of an engine becomes "remote", and a path on this machine its last component.
    """
    return {key: _without_private_values(value) for key, value in analysis.conditions.items()}


def _without_private_values(value: str) -> str:
    if value.startswith(("http://", "https://")):
        return "remote"
    path, note, rest = value.partition(" (")
    return f"{base_name(path)}{note}{rest}" if _IS_PATH.match(path) else value


def headline(analysis: Analysis, language: Language) -> str:
    """Return the headline of a report: the model's title, or one that names the video."""
    return analysis.title or t("report.title", language, name=analysis.video.name)


def title_and_details(
    name: str, *, title: str = "", question: str = "", part: str = "", model: str = ""
) -> tuple[str, str]:
    """Return a headline for an analysis and a line that distinguishes it from others on the same video.

    The headline is the model's title, or else the video's name. The line has the rest of name, question, range of the
    video and model.
    """
    asked = f"“{question}”" if question else ""
    rest = (name if title else "", asked, part, base_name(model))
    return title or name, " · ".join(filter(None, rest))


def ai_label(analysis: Analysis, language: Language) -> str:
    """Return the statement that a model generated the texts, with its name; empty if no model was asked."""
    model = analysis.answered_by
    return t("report.ai_label", language, model=model) if model else ""


def troubles(result: ChunkResult, language: Language) -> list[str]:
    """List the problems of an answer."""
    return [named("trouble", key, language) for key in result.troubles]


def unusable(analysis: Analysis, language: Language) -> str:
    """Return why the model's answer is unusable or incomplete, or "" if it is neither."""
    broken = analysis.broken_answer
    if broken is None:
        return ""
    is_part_usable = "repeats" not in broken.troubles and bool(broken.findings or broken.overview)
    key = "report.answer_incomplete" if is_part_usable else "report.answer_unusable"
    return t(key, language, why=named("trouble", next(key for key in broken.troubles if key in BREAKS), language))


def repeated_text(analysis: Analysis) -> str:
    """Return the beginning of an answer on the whole video that only repeats itself, or "" for any other answer.

    It is quoted in the report in place of a summary.
    """
    broken = analysis.broken_answer
    if broken is None or "repeats" not in broken.troubles:
        return ""
    return broken.answer if len(broken.answer) <= _QUOTED else f"{broken.answer[:_QUOTED]}…"


def issues(finding: Finding, language: Language) -> list[str]:
    """List the claims of a finding that could not be verified."""
    return [named("unverified", key, language) for key in finding.issues]


def field_names(analysis: Analysis) -> dict[str, str]:
    """Map the keys of the fields that findings have to their names, in the order of the template."""
    used = {key: None for finding in analysis.findings for key in finding.fields}
    known = [key for key in analysis.field_names if key in used]
    return {key: analysis.field_names.get(key, key) for key in dict.fromkeys([*known, *used])}


def part_name(part: RequestPart, language: Language) -> str:
    """Return the name of a part, such as "Part 2 · 00:10.000 – 00:20.000"."""
    span = f"{clock(part.start_seconds)} – {clock(part.end_seconds)}"
    return t("report.part", language, n=part.place, range=span)


def span_of(start_seconds: float, end_seconds: float) -> Line:
    """Return a linked time range, such as "00:01.000 – 00:04.000"."""
    return (_at(start_seconds), Span(" – "), _at(end_seconds))


def format_times(frames: Sequence[int], times: Mapping[int, float]) -> Line:
    """Return the times of frames, with three or more in a row as a range: "00:01.000 – 00:04.000, 00:09.000"."""
    spans: list[Span] = []
    for run in _runs([number for number in frames if number in times]):
        named = [span_of(times[run[0]], times[run[-1]])] if len(run) > 2 else [(_at(times[number]),) for number in run]
        for line in named:
            spans += [*([Span(", ")] if spans else []), *line]
    return tuple(spans)


def _at(seconds: float) -> Span:
    return Span(clock(seconds), at_seconds=seconds)


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def finding_text(finding: Finding, language: Language) -> str:
    """Return a finding on one line, followed by what could not be verified."""
    text = one_line(finding.text)
    doubts = ", ".join(issues(finding, language))
    return f"{text} ⚠️ {t('report.unverified', language, issues=doubts)}".strip() if doubts else text


def remarks(analysis: Analysis, language: Language) -> tuple[str, ...]:
    """List the warnings of an analysis and the statement that a model generated the texts, one line each."""
    warnings = [notice for notice in analysis.notices if notice.level != "info"]
    texts = [notice_text(notice, language) for notice in warnings]
    return tuple(one_line(text) for text in (*texts, ai_label(analysis, language)) if text)


def moment_address(video_name: str, seconds: float) -> str:
    """Return a relative URL that opens the video at a time if it is in the report's folder: "./clip.mp4#t=1.500".

    The fragment is a media fragment (W3C Media Fragments URI 1.0, section 4.2.1).
    """
    return f"./{quote(printable(shown_name(video_name)))}#t={seconds:.3f}"


def date_of(created: str) -> datetime | None:
    """Parse an ISO time, in UTC if it has no time zone. Return None if it is not a time."""
    try:
        made = datetime.fromisoformat(created)
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def local_minute(created: str, zone: tzinfo | None = None) -> str:
    """Format a stored time for people, such as "2026-11-21 23:03".

    Args:
        created: An ISO time, in UTC if it has no time zone. Any other text is returned unchanged.
        zone: The reader's time zone; None for this machine's.
    """
    made = date_of(created)
    try:
        return f"{made.astimezone(zone):%Y-%m-%d %H:%M}" if made else created
    except (OverflowError, ValueError, OSError):  # beyond the first or the last day of the calendar
        return created


def printable(text: str) -> str:
    """Replace control characters and direction marks by code points such as "[U+202E]"; keep line breaks and tabs."""
    return _TURNING.sub(_named, _UNFIT.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"


def one_line(text: str) -> str:
    """Return printable text with all white space collapsed to single spaces."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """Return the text on one line of at most `most` characters, with "…" at the end if it was cut."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
