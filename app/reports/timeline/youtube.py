"""Chapters as lines for the description of a video on YouTube, as its help describes them: at least three, the first at
0:00, each at least ten seconds long. What is shorter is joined with what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.domain import Analysis, Chapter, Language
from app.reports.content.labels import ai_label
from app.reports.content.single_line_text import one_line, shortened
from app.reports.timeline.chapters import are_told, chapters_of

_FEWEST, _SHORTEST_SECONDS, _LONGEST_TITLE = 3, 10, 100
_REFUSED = str.maketrans({"<": "‹", ">": "›"})
"""A description with angle brackets is not saved."""


def fits(analysis: Analysis) -> bool:
    """Whether there are enough chapters that are long enough."""
    return len(_lines(analysis, "en")) >= _FEWEST


def write(analysis: Analysis, language: Language) -> bytes:
    """A line for each, and behind them that a model made them, if so."""
    label = one_line(ai_label(analysis, language)) if are_told(analysis) else ""
    lines = [*_lines(analysis, language), *(["", label] if label else [])]
    return "".join(f"{line}\n" for line in lines).translate(_REFUSED).encode()


def _lines(analysis: Analysis, language: Language) -> list[str]:
    chapters = chapters_of(analysis, language)
    starts = [int(chapter.start_seconds) for chapter in chapters]
    if starts and starts[0] < _SHORTEST_SECONDS:
        starts[0] = 0
    titles = [chapter.title for chapter in chapters]
    if starts and starts[0]:  # only a part of the video was looked at
        starts, titles = [0, *starts], [_title(analysis), *titles]
    groups = _grouped(starts, _end(analysis, chapters))
    return [f"{_stamp(starts[group[0]])} {_joined([titles[place] for place in group])}" for group in groups]


def _grouped(starts: Sequence[int], end: float) -> list[list[int]]:
    """The places of those that make one chapter."""
    groups: list[list[int]] = []
    for place, start in enumerate(starts):
        if groups and start - starts[groups[-1][0]] < _SHORTEST_SECONDS:
            groups[-1].append(place)
        else:
            groups.append([place])
    if len(groups) > 1 and end - starts[groups[-1][0]] < _SHORTEST_SECONDS:
        last = groups.pop()
        groups[-1] += last
    return groups


def _joined(titles: Sequence[str]) -> str:
    """Of more than two the first and the last."""
    named = " · ".join(titles) if len(titles) < 3 else f"{titles[0]} … {titles[-1]}"
    return shortened(named, _LONGEST_TITLE)


def _title(analysis: Analysis) -> str:
    return shortened(analysis.title or analysis.video.name, _LONGEST_TITLE)


def _end(analysis: Analysis, chapters: Iterable[Chapter]) -> float:
    return max([analysis.decode.readable_seconds, *(chapter.end_seconds for chapter in chapters)])


def _stamp(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"
