"""An answer that repeats itself or was cut off: no headline, and the report says so first, on the page and in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.domain import Analysis, AnalysisRequest, Finding
from app.i18n import LANGUAGES, in_language, t
from app.reports import FORMATS
from app.reports.content.builder import document
from app.reports.content.document import Paragraph, words
from tests.ui import rich

_LOOP = "white " * 120


def broken(*troubles: str, findings: bool = True) -> Analysis:
    """A report whose only answer has these troubles, with a title and a summary of the words that it repeats."""
    whole = rich.rich(AnalysisRequest(Path("/videos/clip.mp4"), frames=4), "job-1", parts=1)
    part = replace(
        whole.chunks[0],
        answer=_LOOP,
        title=_LOOP,
        overview=(Finding(_LOOP, (1,)),),
        findings=whole.chunks[0].findings if findings else (),
        troubles=troubles,
    )
    return replace(whole, chunks=(part,), summary=None, joins=())


def first_words(analysis: Analysis, language: Any) -> str:
    """The first paragraph that is an error."""
    with in_language(language):
        blocks = document(analysis).blocks
    return next((words(one.line) for one in blocks if isinstance(one, Paragraph) and one.tone == "error"), "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trouble", ["repeats", "cut", "empty"])
def test_a_broken_answer_gives_no_headline_and_is_said_first(trouble: str, language: Any) -> None:
    analysis = broken(trouble)
    assert analysis.title == ""
    assert t(f"trouble.{trouble}", language) in first_words(analysis, language)
    with in_language(language):
        strong = [one for one in document(analysis).blocks if isinstance(one, Paragraph)]
    assert not [one for one in strong if one.line[0].style == "strong" and "white" in one.line[0].text]


@pytest.mark.parametrize("name", ["markdown", "html", "json", "youtube"])
def test_no_file_takes_its_headline_from_a_loop(name: str) -> None:
    form = FORMATS[name]
    analysis = broken("repeats")
    if form.fits(analysis):
        said = form.write(analysis, "en").decode()
        assert '"title": "white' not in said.partition('"chunks"')[0]
        assert "**white" not in said and "<strong>white" not in said
        assert not said.startswith("white")


def test_a_loop_is_quoted_shortly_and_not_summed_up() -> None:
    said = FORMATS["markdown"].write(broken("repeats"), "en").decode()
    assert said.count(t("report.model_wrote", "en")) == 1
    assert t("report.summary", "en") not in said.partition(t("report.frames", "en"))[0]
    assert said.partition(t("report.how", "en"))[0].count("white") < 120


def test_what_is_usable_of_a_cut_answer_is_called_incomplete() -> None:
    assert "incomplete" in first_words(broken("cut"), "en")
    assert "no usable answer" in first_words(
        replace(
            broken("cut", findings=False),
            chunks=tuple(replace(one, overview=()) for one in broken("cut", findings=False).chunks),
        ),
        "en",
    )


def test_a_good_answer_keeps_its_headline() -> None:
    whole = rich.rich(AnalysisRequest(Path("/videos/clip.mp4"), frames=4), "job-1", parts=3)
    assert whole.title == "An afternoon at the gate"
    assert whole.broken_answer is None  # one of its parts repeated itself; the summary did not
    assert first_words(whole, "en") == ""
