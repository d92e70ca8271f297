"""An answer that repeats itself or was cut off: no headline, and the report says so first, on the page and in files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framelens.core.domain import Analysis, AnalysisRequest, Finding, ReportedAnswer, ReportedConversation
from framelens.i18n import LANGUAGES, in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.document import Heading, Paragraph, plain_text
from framelens.reports.formats import FORMATS
from framelens.reports.json import reader
from tests.app import rich

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
    """The first paragraph that is an error, or says that the description is incomplete."""
    with in_language(language):
        blocks = document(replace(analysis, notices=())).blocks
    tones = ("error", "warning") if analysis.description_break else ("error",)
    return next(
        (plain_text(block.line) for block in blocks if isinstance(block, Paragraph) and block.tone in tones), ""
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trouble", ["repeats", "cut", "empty"])
def test_a_broken_answer_gives_no_headline_and_is_said_first(trouble: str, language: Any) -> None:
    analysis = broken(trouble)
    assert analysis.title == ""
    unusable = t("report.answer_unusable", language, why=t(f"trouble.{trouble}", language))
    said = unusable if trouble == "repeats" else t(f"report.incomplete.{trouble}", language)
    assert first_words(analysis, language) == said
    with in_language(language):
        strong = [block for block in document(analysis).blocks if isinstance(block, Paragraph)]
    assert not [one for one in strong if one.line[0].style == "strong" and "white" in one.line[0].text]


@pytest.mark.parametrize("name", ["markdown", "html", "json"])
def test_no_file_takes_its_headline_from_a_loop(name: str) -> None:
    form = FORMATS[name]
    analysis = broken("repeats")
    if form.fits(analysis):
        said = form.write(analysis, "en").decode()
        assert '"title": "white' not in said.partition('"chunks"')[0]
        assert "**white" not in said and "<strong>white" not in said
        assert not said.startswith("white")


def test_a_loop_is_quoted_shortly_and_not_summed_up() -> None:
    said = FORMATS["markdown"].to_bytes(broken("repeats"), "en", appendix=True).decode()
    assert said.count(t("report.model_wrote", "en")) == 1
    assert t("report.summary", "en") not in said.partition(t("report.frames_measured", "en"))[0]
    assert said.partition(t("report.how", "en"))[0].count("white") < 120


def test_what_is_usable_of_a_cut_answer_is_called_incomplete() -> None:
    assert "incomplete" in first_words(broken("cut"), "en")
    assert "no usable answer" in first_words(
        replace(
            broken("cut", findings=False),
            chunks=tuple(replace(chunk, overview=()) for chunk in broken("cut", findings=False).chunks),
        ),
        "en",
    )


def test_a_good_answer_keeps_its_headline() -> None:
    whole = rich.rich(AnalysisRequest(Path("/videos/clip.mp4"), frames=4), "job-1", parts=3)
    assert whole.title == "An afternoon at the gate"
    assert whole.broken_answer is None  # a part repeated itself; the summary did not
    assert first_words(whole, "en") == ""


def test_one_usable_answer_among_several_makes_a_report() -> None:
    whole = rich.rich(AnalysisRequest(Path("/videos/clip.mp4"), frames=12), "job-1", parts=3)
    lost = tuple(replace(chunk, findings=(), overview=(), troubles=("empty",)) for chunk in whole.chunks)
    partly = replace(whole, chunks=(whole.chunks[0], *lost[1:]), summary=replace(lost[0], number=0), joins=())
    assert partly.outcome == "incomplete"
    assert "incomplete" in first_words(replace(partly, summary=replace(lost[0], number=0, troubles=("cut",))), "en")
    assert "no usable answer" not in first_words(partly, "en")
    assert replace(partly, chunks=lost).outcome == "no_usable_answer"
    assert "no usable answer" in first_words(replace(partly, chunks=lost), "en")
    measured = replace(partly, chunks=(), summary=None, layout=None)
    assert measured.outcome == "model_failed"
    assert replace(measured, request=replace(measured.request, use_model=False)).outcome == "without_model"


def test_a_broken_description_is_named_below_the_answer() -> None:
    answer = ReportedConversation("a", "When?", "", "en", (ReportedAnswer("When?", "", "At noon.", "complete"),))
    asked = replace(broken("repeats"), answer=answer, notices=())
    assert asked.outcome == "incomplete"
    with in_language("en"):
        lines = [plain_text(block.line) for block in document(asked).blocks if isinstance(block, Paragraph)]
    said = f"{t('report.incomplete.repeats', 'en')} {t('report.answer_unaffected', 'en')}"
    assert lines.count(said) == 1 and not any("no usable" in line for line in lines)


def test_json_states_an_unusable_answer_and_is_read_again() -> None:
    unusable = replace(broken("empty", findings=False), notices=())
    unusable = replace(unusable, chunks=tuple(replace(chunk, overview=()) for chunk in unusable.chunks))
    form = json.loads(FORMATS["json"].write(unusable, "en"))
    assert (form["state"], [one["key"] for one in form["notices"]]) == ("no_usable_answer", ["no_usable_answer"])
    again = reader.read(json.dumps(form).encode(), name="a.json")
    assert (again.outcome, again.notices) == ("no_usable_answer", ())
    del form["state"]  # as earlier versions wrote it
    assert reader.read(json.dumps(form).encode(), name="a.json").outcome == "no_usable_answer"


def test_what_was_measured_stands_in_for_an_unusable_answer() -> None:
    """The same sections as in a report that no model has seen."""
    unusable = broken("empty", findings=False)
    unusable = replace(unusable, chunks=tuple(replace(chunk, overview=()) for chunk in unusable.chunks))
    measured = replace(unusable, chunks=(), layout=None)
    with in_language("en"):
        sections = [
            [block.anchor for block in document(whole).blocks if isinstance(block, Heading)]
            for whole in (unusable, measured)
        ]
    assert sections[0] and sections[0] == sections[1]
