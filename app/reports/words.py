"""What the reports say of an answer in words of the reader's language: its fields, its flaws, its settings, its times.

A key that this version of FrameLens has no words for, as a report of another version may hold, stands for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from app.domain import Analysis, ChunkResult, Finding, Language, clock
from app.i18n import catalogue, t
from app.reports.document import Line, Span
from app.reports.parts import Part


def named(table: str, key: str, language: Language) -> str:
    """The words of `key` in one of the tables of i18n, such as "trouble" or "condition"."""
    return catalogue(language).get(f"{table}.{key}", key)


def troubles(result: ChunkResult, language: Language) -> list[str]:
    """What was wrong with an answer."""
    return [named("trouble", key, language) for key in result.troubles]


def issues(finding: Finding, language: Language) -> list[str]:
    """What could not be verified of a finding."""
    return [named("unverified", key, language) for key in finding.issues]


def field_names(analysis: Analysis) -> dict[str, str]:
    """The keys of the fields that findings have, in the order of the template, and what they are called."""
    used = {key: None for chunk in analysis.chunks for finding in chunk.findings for key in finding.fields}
    known = [key for key in analysis.field_names if key in used]
    return {key: analysis.field_names.get(key, key) for key in dict.fromkeys([*known, *used])}


def part_name(part: Part, language: Language) -> str:
    """ "Part 2 · 00:10.000 – 00:20.000"."""
    span = f"{clock(part.start_seconds)} – {clock(part.end_seconds)}"
    return t("report.part", language, n=part.place, range=span)


def span_of(start_seconds: float, end_seconds: float) -> Line:
    """ "00:01.000 – 00:04.000"."""
    return (_at(start_seconds), Span(" – "), _at(end_seconds))


def times_spoken(frames: Sequence[int], times: Mapping[int, float]) -> Line:
    """The times of frames; of three and more in a row the first and the last: "00:01.000 – 00:04.000, 00:09.000"."""
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
