"""Suggested questions: short, about what a report really holds, in the page's language, or else no questions."""

from dataclasses import replace
from pathlib import Path

import pytest

from framelens.core.domain import Analysis, Finding, Language, Subject
from framelens.i18n import in_language
from framelens.questions.suggestions import quotable, suggested_questions
from framelens.reports.json import reader

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"


def report(language: Language, *, subjects: tuple[str, ...] = (), **changes: object) -> Analysis:
    """The report of the gallery, whose only chunk is changed."""
    made = reader.read((GALLERY / language / "sample.json").read_bytes(), name="sample.json")
    chunk = replace(made.chunks[0], subjects=tuple(Subject(name, "") for name in subjects), **changes)  # type: ignore[arg-type]
    return replace(made, chunks=(chunk,))


def suggested(made: Analysis, language: Language) -> tuple[str, ...]:
    with in_language(language):
        return suggested_questions(made)


def test_report_suggests_its_subjects_text_and_chapters() -> None:
    assert suggested(report("en", subjects=("The red ball", "sun")), "en") == (
        "When does the red ball appear?",
        "What does the text at 00:15 say?",
        "What happens in “The ball” (00:08 – 00:12)?",
    )
    assert suggested(report("zh", subjects=("红球",)), "zh") == (
        "红球什么时候出现？",
        "00:15 画面上的文字写了什么？",
        "“小球”（00:08 – 00:12）里发生了什么？",
    )


def test_findings_and_further_subjects_fill_the_rest() -> None:
    made = replace(report("en", subjects=("sun", "Anna"), chapters=()), facts=())
    assert suggested(made, "en") == (
        "When does “sun” appear?",
        "What happens after “Half of the sun stands over the right hill” (00:06)?",
        "When does “Anna” appear?",
    )


def test_nothing_known_or_foreign_is_suggested() -> None:
    # Words of another language are not quoted.
    assert suggested(report("zh", subjects=("红球",)), "en") == ("What does the text at 00:15 say?",)
    assert suggested(report("en", subjects=("ball",)), "zh") == ("00:15 画面上的文字写了什么？",)
    # What was asked is not suggested.
    made = report("en", subjects=("red car",), chapters=(), findings=())
    asked = replace(made, request=replace(made.request, question="When does the red car appear?"), facts=())
    assert suggested(asked, "en") == ()
    # Nothing sensible suggests nothing.
    awkward = ("", "  ", "12", "x" * 10_000, "a “quoted” man", "(host)", "**", "http://evil.example/x")
    findings = (Finding("x" * 10_000, (1,)), Finding("A sunrise.", ()), Finding("Dusk.", (1,), ("own_time",)))
    made = replace(report("en", subjects=awkward, findings=findings, chapters=()), facts=())
    assert suggested(made, "en") == ()


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ("Anna (host)", "Anna"),
        ("主持人（左）", "主持人"),
        ("**Man** in a `red` jacket [3]", "Man in a red jacket"),
        ("“The gate”.", "The gate"),
        ("[here](http://evil.example) we go", "we go"),
        ("two\nlines", "two lines"),
        ("a (b", ""),
        ("\u202eabc", "abc"),
        ("a" * 48, "a" * 48),
        ("a" * 49, ""),
    ],
)
def test_names_are_quoted_without_brackets_and_markdown(given: str, quoted: str) -> None:
    assert quotable(given) == quoted
