"""Chapters of a video for YouTube and FFmpeg: those of the model, or else the shots.

YouTube's help asks for at least three chapters in the description, the first at 0:00, each at least ten seconds long. A
shorter chapter is merged with the one before it.

The FFmpeg metadata file adds the chapters to a copy of the video:

    ffmpeg -i VIDEO -i FILE -map 0 -map_metadata 0 -map_chapters 1 -codec copy OUTPUT
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from app.core import Analysis, Chapter, Language, clock
from app.i18n import t
from app.reports.content import ai_label, aigc_text, one_line, remarks, shortened

_LONGEST_TITLE = 100  # characters; chosen by hand, not tuned
_FEWEST, _SHORTEST_SECONDS, _LONGEST_YOUTUBE_TITLE = 3, 10, 100
_REFUSED = str.maketrans({"<": "‹", ">": "›"})
"""YouTube doesn't save a description with angle brackets."""
_SPECIAL = re.compile(r"([=;#\\\n])")
_UNITS = 1_000_000
"""Time units per second, fine enough that no chapter begins before its frame."""


def chapters_of(analysis: Analysis, language: Language) -> tuple[Chapter, ...]:
    """Return the chapters in time order, or the shots if there are no chapters and more than one shot.

    Each has a title on one line; if the model gave none, the beginning of its text.
    """
    given = analysis.whole.chapters if analysis.whole else ()
    chapters = sorted(given, key=lambda chapter: chapter.start_seconds) or _shots(analysis, language)
    return tuple(_titled(chapter, place, language) for place, chapter in enumerate(chapters, start=1))


def has_model_chapters(analysis: Analysis) -> bool:
    """Return whether the chapters come from a model."""
    return bool(analysis.whole and analysis.whole.chapters)


def _shots(analysis: Analysis, language: Language) -> list[Chapter]:
    shots = analysis.decode.shots
    named = ((shot, f"{t('report.shot', language)} {shot.number}") for shot in shots if len(shots) > 1)
    return [Chapter(name, "", 0, shot.start_seconds, shot.end_seconds) for shot, name in named]


def _titled(chapter: Chapter, place: int, language: Language) -> Chapter:
    title = one_line(chapter.title) or one_line(chapter.text) or t("report.chapter", language, n=place)
    text = one_line(chapter.text)
    return Chapter(
        shortened(title, _LONGEST_TITLE), text, chapter.first_frame, chapter.start_seconds, chapter.end_seconds
    )


def fits_youtube(analysis: Analysis) -> bool:
    """Return whether enough chapters are long enough for YouTube."""
    return len(_lines(analysis, "en")) >= _FEWEST


def write_youtube(analysis: Analysis, language: Language) -> bytes:
    """Return one line per chapter, followed by the label of generated texts if a model made them."""
    label = one_line(ai_label(analysis, language)) if has_model_chapters(analysis) else ""
    lines = [*_lines(analysis, language), *(["", label] if label else [])]
    return "".join(f"{line}\n" for line in lines).translate(_REFUSED).encode()


def _lines(analysis: Analysis, language: Language) -> list[str]:
    chapters = chapters_of(analysis, language)
    starts = [int(chapter.start_seconds) for chapter in chapters]
    if starts and starts[0] < _SHORTEST_SECONDS:
        starts[0] = 0
    titles = [chapter.title for chapter in chapters]
    if starts and starts[0]:  # only a part of the video was analysed
        starts, titles = [0, *starts], [_title(analysis), *titles]
    groups = _grouped(starts, _end(analysis, chapters))
    return [
        f"{clock(starts[group[0]], digits=0, form='m')} {_joined([titles[place] for place in group])}"
        for group in groups
    ]


def _grouped(starts: Sequence[int], end: float) -> list[list[int]]:
    """Group the indices of chapters that are merged into one."""
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
    """Join titles; of more than two only the first and the last."""
    named = " · ".join(titles) if len(titles) < 3 else f"{titles[0]} … {titles[-1]}"
    return shortened(named, _LONGEST_YOUTUBE_TITLE)


def _title(analysis: Analysis) -> str:
    return shortened(analysis.title or analysis.video.name, _LONGEST_YOUTUBE_TITLE)


def _end(analysis: Analysis, chapters: Iterable[Chapter]) -> float:
    return max([analysis.decode.readable_seconds, *(chapter.end_seconds for chapter in chapters)])


def fits_ffmetadata(analysis: Analysis) -> bool:
    """Return whether there are chapters."""
    return bool(chapters_of(analysis, "en"))


def write_ffmetadata(analysis: Analysis, language: Language) -> bytes:
    """Return an FFmpeg metadata file in UTF-8.

    Remarks are comments, which FFmpeg doesn't copy into the video: the texts are generated, not the video.
    """
    notes = (*remarks(analysis, language), aigc_text(analysis)) if has_model_chapters(analysis) else ()
    lines = [
        ";FFMETADATA1",
        *(f"; {note} " for note in notes if note),
    ]  # a backslash at the end would be a continuation
    return "\n".join([*lines, *_sections(chapters_of(analysis, language)), ""]).encode()


def _sections(chapters: Iterable[Chapter]) -> Iterator[str]:
    for chapter in chapters:
        start, end = (round(seconds * _UNITS) for seconds in (chapter.start_seconds, chapter.end_seconds))
        yield "[CHAPTER]"
        yield f"TIMEBASE=1/{_UNITS}"
        yield f"START={start}"
        yield f"END={max(end, start + 1)}"
        yield f"title={escape_ffmetadata(chapter.title)}"


def escape_ffmetadata(text: str) -> str:
    """Escape the special characters of a value with backslashes.

    A backslash at the end gets a space after it, because FFmpeg reads one before a line end as a continuation.
    """
    escaped = _SPECIAL.sub(r"\\\1", text)
    return f"{escaped} " if escaped.endswith("\\") else escaped
