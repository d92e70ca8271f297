"""Results of searches for moments: in brief, as an answer shows them, and as a table for the record.

A search writes one paragraph of an answer for each video; the model's text follows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from framelens.core.domain import ReportedAnswer, ReportedSearch
from framelens.core.evidence import Interval, Moments
from framelens.core.files import single_line
from framelens.core.units import clock
from framelens.i18n import aside, gap, labelled, t
from framelens.i18n.formatting import exactly, length_text
from framelens.reports.content.document import Block, Line, Paragraph, Span, Table, text_line
from framelens.reports.content.labels import one_line

MOST_SHOWN = 12
"""Most intervals in a brief result, as many as have pictures."""
_FIRST_ITEM = re.compile(r"1\. ")


@dataclass(frozen=True)
class BriefSearch:
    """Findings of a search, in brief.

    Attributes:
        search: The search.
        summary: What was seen, with its intervals.
        looked: How closely the search has looked, and its doubts; empty if its votes prove nothing.
    """

    search: ReportedSearch
    summary: Line
    looked: Line

    @property
    def starts(self) -> list[float]:
        """Return the times at which the shown intervals begin."""
        return [interval.first.time_seconds for interval in self.search.moments.intervals[:MOST_SHOWN]]

    @property
    def edges(self) -> set[float]:
        """Return the times of the first and the last frame of each interval, which the text of the search cites."""
        return {
            point.time_seconds
            for interval in self.search.moments.intervals
            for point in (interval.first, interval.last)
        }


def found_by_search(answer: ReportedAnswer) -> tuple[list[BriefSearch], str]:
    """Return the findings of the searches in an answer, and the rest of its text.

    The rest is the whole text if an answer doesn't begin with the paragraphs of its searches, or if people changed it.
    """
    searches = [search for search in answer.searches if search.moments.samples and not answer.lines]
    paragraphs = answer.answer.strip().split("\n\n", len(searches))
    pairs = list(zip(searches, paragraphs, strict=False))
    if len(pairs) < len(searches) or not all(search.moments.thing in text for search, text in pairs):
        return [], answer.answer.strip()
    rest = "".join(paragraphs[len(searches) :]).strip()
    return [
        BriefSearch(search, tuple(_result_spans(search, text)), text_line(_look_text(search.moments)))
        for search, text in pairs
    ], rest


def _result_spans(search: ReportedSearch, text: str) -> Iterator[Span]:
    """Yield the name of the video if there are several, what was seen, and the times and lengths of the intervals."""
    first, *rest = text.splitlines()
    has_name = first.endswith(":") and bool(rest) and not _FIRST_ITEM.match(rest[0])
    yield Span(one_line(labelled(first[:-1], rest[0]) if has_name else first), "quoted")
    intervals = search.moments.intervals
    for index, interval in enumerate(intervals[:MOST_SHOWN]):
        yield Span(t("facts.list") if index else gap())
        yield Span(interval.times, "strong", None if search.video else interval.start_seconds)
        yield Span(aside(length_text(interval.length_seconds)))
        if read := search.moments.texts.get(interval.best.frame_index):
            yield Span(gap() + t("report.search_read", text=one_line(read)), "quoted")
    if len(intervals) > MOST_SHOWN:
        yield Span(gap() + t("report.search_more", n=len(intervals) - MOST_SHOWN))


def _look_text(moments: Moments) -> str:
    if moments.ended in ("says_yes", "says_nothing") or moments.by == "speech":
        return ""
    gap = exactly(moments.widest_gap_seconds, digits=1 if moments.widest_gap_seconds >= 0.1 else 2)
    uncertain = sum(bool(interval.issues) for interval in moments.intervals)
    sentences = [t("report.search_looked", frames=len(moments.samples), gap=gap)]
    sentences += [t("report.search_uncertain", n=uncertain, all=len(moments.intervals))] if uncertain else []
    sentences += [t("report.search_doubted", n=len(moments.doubted))] if moments.doubted else []
    sentences += [t("report.search_open")] if moments.ended != "complete" else []
    return t("facts.joint").join(sentences)


def search_table(search: ReportedSearch) -> Iterator[Block]:
    """Yield a table of a search's intervals; the answer says how closely the search has looked."""
    moments = search.moments
    if not moments.intervals:
        return
    where = aside(single_line(search.video))
    yield Paragraph((Span(f"{t('report.search', thing=single_line(moments.thing))}{where}", "strong"),))
    heads = tuple(text_line(t(f"report.search_{name}")) for name in ("visible", "frames", "votes", "certainty"))
    yield Table(heads, tuple(_row(interval, is_own=not search.video) for interval in moments.intervals))


def _row(interval: Interval, *, is_own: bool) -> tuple[Line, ...]:
    edges = [
        Span(clock(at), at_seconds=at if is_own else None) for at in (interval.start_seconds, interval.end_seconds)
    ]
    span = (edges[0], Span("–"), edges[1], Span(aside(length_text(interval.length_seconds))))
    votes = t("report.search_vote", yes=interval.yes, all=interval.yes + interval.no)
    return (
        span,
        text_line(f"{interval.first.frame_index} – {interval.last.frame_index}"),
        text_line(votes),
        text_line(t("facts.list").join(interval_issues(interval)) or t("report.search_certain")),
    )


def interval_issues(interval: Interval) -> list[str]:
    """List why an interval is uncertain."""
    lookalike = single_line(interval.lookalike.thing) if interval.lookalike else ""
    return [t(f"ask.moments.issue_{issue}", alike=lookalike) for issue in interval.issues]
