"""Ranges of a video that a report names: chapters, intervals that a search found, and findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from framelens.core.domain import Analysis, times_of
from framelens.core.outline import chapters_of
from framelens.i18n import t
from framelens.reports.content.document import plain_text
from framelens.reports.content.labels import finding_seconds, finding_text, issues, one_line, shortened, written_by
from framelens.reports.content.searches import interval_issues

_LONGEST_TITLE = 100  # characters


@dataclass(frozen=True)
class ReportRange:
    """A range; all its texts are on one line.

    Attributes:
        number: Its place among those of its kind, from 1; findings are counted as in the report.
        name: The title of the chapter, what was searched for, or the finding.
        start_seconds: Its start, from the first picture of the video.
        end_seconds: Its end; a finding ends at its last picture's time.
        first_seconds: Time of the first picture that shows it.
        note: The text of the chapter, the question with the votes, or the finding with what could not be verified.
        doubts: What could not be verified.
    """

    kind: Literal["chapter", "interval", "finding"]
    number: int
    name: str
    start_seconds: float
    end_seconds: float
    first_seconds: float
    note: str
    doubts: str = ""


def ranges_of(analysis: Analysis) -> Iterator[ReportRange]:
    """Yield the chapters by time, the intervals in this video, and the findings that have a time."""
    yield from _chapters(analysis)
    yield from _intervals(analysis)
    times, comma = times_of(analysis.keyframes), t("facts.list")
    for number, finding in enumerate(analysis.findings, start=1):
        if (seconds := finding_seconds(finding, times)) and (text := one_line(finding.text)):
            start, end = min(seconds), max(seconds)
            doubts = t("report.unverified", issues=comma.join(issues(finding))) if finding.issues else ""
            yield ReportRange("finding", number, text, start, end, start, finding_text(finding), doubts)


def _chapters(analysis: Analysis) -> Iterator[ReportRange]:
    chapters = sorted(chapters_of(analysis), key=lambda chapter: chapter.start_seconds)
    for number, chapter in enumerate(chapters, start=1):
        text, start = one_line(chapter.text), chapter.start_seconds
        title = shortened(one_line(chapter.title) or text or t("report.chapter", n=number), _LONGEST_TITLE)
        note = f"{text}{plain_text(written_by(chapter.person))}".strip()
        yield ReportRange("chapter", number, title, start, chapter.end_seconds, start, note)


def _intervals(analysis: Analysis) -> Iterator[ReportRange]:
    numbers = count(1)
    answers = (answer for conversation in analysis.all_conversations for answer in conversation.answers)
    searches = ((answer, search.moments) for answer in answers for search in answer.searches if not search.video)
    for answer, moments in searches:
        for interval in moments.intervals:
            doubts = t("facts.list").join(interval_issues(interval))
            votes = t("report.search_vote", yes=interval.yes, all=interval.yes + interval.no)
            note = " · ".join(filter(None, (one_line(answer.question), votes, doubts and f"⚠️ {doubts}")))
            edges = interval.start_seconds, interval.end_seconds, interval.first.time_seconds
            yield ReportRange("interval", next(numbers), one_line(moments.thing), *edges, note, doubts)
