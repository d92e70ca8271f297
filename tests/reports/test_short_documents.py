"""The short documents: one or two pages with a picture on the first, and the full record only on request."""

import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from framelens.core.domain import Analysis, Chapter, Finding, Language
from framelens.i18n import LANGUAGES, in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.labels import clocks, span_of
from framelens.reports.formats import FORMATS, all_files, files_of
from framelens.reports.json import reader
from framelens.reports.text.markdown import without_pictures
from tests.reports.reading import text_of

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
READ = ("html", "markdown", "pdf", "docx")
SENTENCE = {
    "en": "A man in a red jacket carries a parcel across the yard, stops at the gate and looks around for a while.",
    "zh": "一名穿红色夹克的男子抱着包裹穿过院子，在门口停下，四处张望了一会儿，然后继续往前走，消失在画面右侧。",
}


def searched(language: Language) -> Analysis:
    """The report of the gallery: eight frames, six findings, five chapters, a question that a search has answered."""
    return reader.read((GALLERY / language / "sample.json").read_bytes(), name="sample.json")


def gallery(language: Language) -> Analysis:
    """The same, answered in the description, as by earlier versions."""
    made = searched(language)
    reply = (Finding(SENTENCE[language], (7,)),)
    return replace(made, answer=None, chunks=(replace(made.chunks[0], reply=reply),))


def large(language: Language) -> Analysis:
    """A report of twenty minutes with 500 findings, some of them unverified, on 40 frames, and 15 chapters."""
    made, said = gallery(language), SENTENCE[language]
    frames = tuple(
        replace(made.keyframes[place % 8], number=place + 1, time_seconds=place * 30.04) for place in range(40)
    )
    found = tuple(
        Finding(f"{place}: {said}", (place * 40 // 500 + 1,), ("own_time",) if place % 40 == 7 else ())
        for place in range(500)
    )
    chapters = tuple(Chapter(said[:24], said, 1 + 2 * place, 60.0 * place, 60.0 * (place + 1)) for place in range(15))
    chunk = replace(
        made.chunks[0],
        frames=tuple(range(1, 41)),
        findings=found,
        overview=tuple(Finding(said, (1 + place, 5 + place)) for place in range(9)),
        chapters=chapters,
        reply=(Finding(said, (3, 4)), Finding(said, (9,))),
    )
    decode = replace(made.decode, readable_seconds=1201.0)
    return replace(made, keyframes=frames, facts=(), chunks=(chunk,), decode=decode)


def failed(language: Language) -> Analysis:
    """A report with a question that the model has answered with a word again and again."""
    made = gallery(language)
    empty = {"title": "", "reply": (), "overview": (), "chapters": (), "findings": ()}
    return replace(made, chunks=(replace(made.chunks[0], answer="white " * 99, troubles=("repeats",), **empty),))


MADE: dict[str, Callable[[Language], Analysis]] = {
    "searched": searched,
    "gallery": gallery,
    "large": large,
    "failed": failed,
}
each_report = pytest.mark.parametrize("name", MADE)
each_language = pytest.mark.parametrize("language", LANGUAGES)


def written(made: Analysis, form: str, language: Language, *, appendix: bool = False) -> bytes:
    return FORMATS[form].to_bytes(made, language, appendix=appendix)


def pdf_of(made: Analysis, language: Language, *, appendix: bool = False) -> PdfReader:
    return PdfReader(BytesIO(written(made, "pdf", language, appendix=appendix)))


def bare_text(data: bytes) -> str:
    """The text of a document without markup and blanks."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", "", text_of(data), flags=re.DOTALL)
    return "".join(text.replace("\\", "").replace("&#39;", "'").split())


# ---- size and pictures


@pytest.mark.slow
@each_report
@each_language
def test_pdf_is_one_or_two_pages_with_a_picture_on_the_first(name: str, language: Language) -> None:
    pages = pdf_of(MADE[name](language), language).pages
    assert len(pages) <= {"searched": 2, "gallery": 2, "large": 2, "failed": 1}[name]
    assert len(pages[0].images) > 0


@pytest.mark.slow
@each_language
def test_no_section_of_the_pdf_begins_at_the_end_of_a_page(language: Language) -> None:
    for page in pdf_of(large(language), language).pages:
        *_, last, _footer = page.extract_text().strip().splitlines()
        assert last.strip() not in {t(f"report.{key}", language) for key in ("summary", "chapters", "findings")}


@pytest.mark.slow
@each_language
@pytest.mark.parametrize("form", READ)
def test_short_documents_are_in_the_same_order(form: str, language: Language) -> None:
    text = bare_text(written(gallery(language), form, language))
    sheet = () if form in ("pdf", "docx") else ("frames",)  # those show each picture once, beside what it shows
    heads = [t(f"report.{key}", language) for key in ("reply", "summary", "chapters", "findings", *sheet)]
    question = "".join(gallery(language).request.question.split())
    places = [text.index(question)]
    for head in heads:
        places.append(text.index(head, places[-1]))
    assert places == sorted(places) and places[0] < 120
    label = "".join(t("report.ai_label", language, model="answers-written-by-people").split())
    assert label in text[places[-1] :]


# ---- short and full


@pytest.mark.slow
@each_language
@pytest.mark.parametrize("form", READ)
def test_record_is_in_the_appendix_alone(form: str, language: Language) -> None:
    made = gallery(language)
    short, full = (bare_text(written(made, form, language, appendix=has)) for has in (False, True))
    arguments = "".join(t("condition.vllm_config", language).split())
    for said in (made.sha256, arguments, "00:15.360"):
        assert said not in short and said in full
    assert re.search(r"\d\d:\d\d\.\d{3}", short) is None
    assert t("report.contents", language) not in short
    assert "".join(t("report.appendix", language).split()) in full and len(full) > 2 * len(short)


@pytest.mark.slow
def test_everything_has_documents_with_their_appendix() -> None:
    made = gallery("en")
    files = {file.name: file.data for file in all_files(made, "en", "a")}
    (alone,) = [file.data for file in files_of("html", made, "en", "a.html", appendix=True)]
    assert files["a.html"] == alone and made.sha256 in files["a.md"].decode()


def test_pictures_beside_markdown_are_those_that_it_shows() -> None:
    for appendix in (False, True):
        report, *pictures = files_of("markdown", large("en"), "en", "a.md", appendix=appendix)
        shown = dict.fromkeys(re.findall(r"/(\d{3}_[^)]+\.jpg)\)", report.data.decode()))
        assert sorted(shown) == sorted(picture.name.partition("/")[2] for picture in pictures)


@pytest.mark.slow
@each_language
@pytest.mark.parametrize("form", READ)
def test_what_is_left_out_is_counted_with_its_doubts(form: str, language: Language) -> None:
    made = large(language)
    text = bare_text(written(made, form, language))
    assert text.count(f":{SENTENCE[language][0]}") == 12
    doubtful = sum(bool(finding.issues) for finding in made.findings)
    unverified = t("report.more_unverified", language, n=doubtful)
    assert "".join(t("report.more", language, n=488, unverified=unverified).split()) in text


def test_shown_findings_are_spread_over_the_video() -> None:
    with in_language("en"):
        blocks = document(large("en")).blocks
    (items,) = [block.items for block in blocks if type(block).__name__ == "Findings"]
    times = [span.at_seconds for item in items for span in item.times]
    assert times[0] == 0.0 and times[-1] == pytest.approx(39 * 30.04) and len(items) == 12


# ---- a report without an answer


@pytest.mark.slow
@each_language
@pytest.mark.parametrize("form", READ)
def test_failure_is_stated_once_below_the_question(form: str, language: Language) -> None:
    made = failed(language)
    text = bare_text(written(made, form, language))
    why = t("trouble.repeats", language)
    said = "".join(t("report.answer_unusable", language, why=why).split())
    assert text.count(said) == 1 and text.count("".join(why.split())) == 1 and "whitewhite" not in text
    question = "".join(made.request.question.split())
    assert text.index(question) < text.index(said) < text.index(t("report.shots", language))
    assert text.index(said) - text.index(question) < 200


def test_brief_texts_leave_out_what_says_nothing() -> None:
    # Question is the title where the model gave none.
    for made in (failed("en"), replace(gallery("en"), chunks=(replace(gallery("en").chunks[0], title=""),))):
        with in_language("en"):
            reported = document(made)
        assert reported.title == made.request.question
        assert not [block for block in reported.blocks if "Question" in str(block)]
    # Ranges below a second have a decimal.
    assert [span.text for span in span_of(4.9, 5.1, is_exact=False)] == ["00:04.9", " – ", "00:05.1"]
    assert [span.text for span in span_of(4.9, 6.1, is_exact=False)] == ["00:04", " – ", "00:06"]
    # Copied report has no pictures and no heading for them.
    text = without_pictures(gallery("en"), "en")
    assert "![" not in text and "## Frames" not in text and "## Findings" in text


def test_unanswered_question_is_stated() -> None:
    made = gallery("en")
    text = written(replace(made, chunks=(replace(made.chunks[0], reply=()),)), "markdown", "en").decode()
    assert "⚠️ The model did not answer the question." in text


# ---- times


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        ((4.08, 59.96), ["00:04", "00:59"]),
        ((4.08, 4.56), ["00:04.0", "00:04.5"]),
        ((4.081, 4.085), ["00:04.081", "00:04.085"]),
        ((3599.999,), ["59:59"]),
        ((3600.0, 3600.0), ["1:00:00", "1:00:00"]),
    ],
)
def test_brief_times_are_those_of_a_player_and_never_look_equal(seconds: Any, shown: list[str]) -> None:
    assert clocks(seconds) == shown


def test_length_below_a_second_is_not_zero() -> None:
    made = gallery("en")
    short = replace(made, decode=replace(made.decode, readable_seconds=0.48))
    assert "sample.mp4 · 00:00.4 · " in written(short, "markdown", "en").decode()
