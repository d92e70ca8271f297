"""The chapters of a video for players: those that the model made, or else its shots."""

from __future__ import annotations

from app.domain import Analysis, Chapter, Language
from app.i18n import t
from app.reports.content.single_line_text import one_line, shortened

_LONGEST_TITLE = 100


def chapters_of(analysis: Analysis, language: Language) -> tuple[Chapter, ...]:
    """In time order, each with a title on one line: of one without a title, the beginning of its text. A single shot is
    no chapter.
    """
    told = analysis.whole.chapters if analysis.whole else ()
    chapters = sorted(told, key=lambda chapter: chapter.start_seconds) or _shots(analysis, language)
    return tuple(_titled(chapter, place, language) for place, chapter in enumerate(chapters, start=1))


def are_told(analysis: Analysis) -> bool:
    """Whether a model has made the chapters."""
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
