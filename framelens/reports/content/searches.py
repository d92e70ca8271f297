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
        found: What was seen, with its intervals.
        looked: How closely the search has looked, and its doubts; empty if its votes prove nothing.
    """

    search: ReportedSearch
    found: Line
    looked: Line

    @property
    def starts(self) -> list[float]:
        """Return the times at which the shown intervals begin."""
        return [interval.first.time_seconds for interval in self.search.moments.intervals[:MOST_SHOWN]]

    @property
    def edges(self) -> set[float]:
        """Return the times of the first and the last frame of each interval, which the text of the search cites."""
        return {one.time_seconds for found in self.search.moments.intervals for one in (found.first, found.last)}


def found_by_search(answer: ReportedAnswer) -> tuple[list[BriefSearch], str]:
    """Return the findings of the searches in an answer, and the rest of its text.

    The rest is the whole text if an answer doesn't begin with the paragraphs of its searches.
    """
    searches = [search for search in answer.searches if search.moments.samples]
    paragraphs = answer.answer.strip().split("\n\n", len(searches))
    said = list(zip(searches, paragraphs, strict=False))
    if len(said) < len(searches) or not all(one.moments.thing in text for one, text in said):
        return [], answer.answer.strip()
    rest = "".join(paragraphs[len(searches) :]).strip()
    return [
        BriefSearch(one, tuple(_result_spans(one, text)), text_line(_looked(one.moments))) for one, text in said
    ], rest


def _result_spans(search: ReportedSearch, text: str) -> Iterator[Span]:
    """Yield the name of the video if there are several, what was seen, and the times and lengths of the intervals."""
    first, *more = text.splitlines()
    has_name = first.endswith(":") and bool(more) and not _FIRST_ITEM.match(more[0])
    yield Span(one_line(labelled(first[:-1], more[0]) if has_name else first), "quoted")
    intervals = search.moments.intervals
    for index, one in enumerate(intervals[:MOST_SHOWN]):
        yield Span(t("facts.list") if index else gap())
        yield Span(one.times, "strong", None if search.video else one.start_seconds)
        yield Span(aside(length_text(one.length_seconds)))
        if read := search.moments.texts.get(one.best.frame_index):
            yield Span(gap() + t("report.search_read", text=one_line(read)), "quoted")
    if len(intervals) > MOST_SHOWN:
        yield Span(gap() + t("report.search_more", n=len(intervals) - MOST_SHOWN))


def _looked(found: Moments) -> str:
    if found.ended in ("says_yes", "says_nothing") or found.by == "speech":
        return ""
    gap = exactly(found.widest_gap_seconds, digits=1 if found.widest_gap_seconds >= 0.1 else 2)
    uncertain = sum(bool(interval.issues) for interval in found.intervals)
    said = [t("report.search_looked", frames=len(found.samples), gap=gap)]
    said += [t("report.search_uncertain", n=uncertain, all=len(found.intervals))] if uncertain else []
    said += [t("report.search_doubted", n=len(found.doubted))] if found.doubted else []
    said += [t("report.search_open")] if found.ended != "complete" else []
    return t("facts.joint").join(said)


def search_table(search: ReportedSearch) -> Iterator[Block]:
    """Yield a table of a search's intervals; the answer says how closely the search has looked."""
    found = search.moments
    if not found.intervals:
        return
    where = aside(single_line(search.video))
    yield Paragraph((Span(f"{t('report.search', thing=single_line(found.thing))}{where}", "strong"),))
    heads = tuple(text_line(t(f"report.search_{name}")) for name in ("visible", "frames", "votes", "certainty"))
    yield Table(heads, tuple(_row(interval, is_own=not search.video) for interval in found.intervals))


def _row(one: Interval, *, is_own: bool) -> tuple[Line, ...]:
    edges = [Span(clock(at), at_seconds=at if is_own else None) for at in (one.start_seconds, one.end_seconds)]
    span = (edges[0], Span("–"), edges[1], Span(aside(length_text(one.length_seconds))))
    votes = t("report.search_vote", yes=one.yes, all=one.yes + one.no)
    return (
        span,
        text_line(f"{one.first.frame_index} – {one.last.frame_index}"),
        text_line(votes),
        text_line(t("facts.list").join(interval_issues(one)) or t("report.search_certain")),
    )


def interval_issues(interval: Interval) -> list[str]:
    """List why an interval is uncertain."""
    alike = single_line(interval.lookalike.thing) if interval.lookalike else ""
    return [t(f"ask.moments.issue_{issue}", alike=alike) for issue in interval.issues]
