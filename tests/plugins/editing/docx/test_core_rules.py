"""What every document keeps to, kept by the Word report."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from zipfile import ZipFile

import pytest

from framelens.core.domain import Language
from framelens.i18n import t
from framelens.plugins.editing.docx.report import write
from framelens.reports.formats import FORMATS, all_files
from tests.reports import test_document_worker as worker
from tests.reports import test_questions as questions
from tests.reports import test_short_documents as short
from tests.reports.content import test_labels as labels
from tests.reports.test_reports import analysis


@pytest.mark.slow
@short.each_report
@short.each_language
def test_docx_is_short_and_begins_with_pictures(name: str, language: Language) -> None:
    data = short.written(short.MADE[name](language), "docx", language)
    with ZipFile(BytesIO(data)) as archive:
        body = archive.read("word/document.xml").decode()
    before_findings = body.partition(f">{t('report.findings', language)}<")[0]
    assert "<w:drawing" in before_findings
    assert 0 < body.count("<w:drawing") <= 40 and "pageBreakBefore" not in body
    assert len(short.bare_text(data)) < 6_000  # some two pages


@pytest.mark.slow
@short.each_language
@pytest.mark.parametrize(
    "check",
    [
        short.test_short_documents_are_in_the_same_order,
        short.test_record_is_in_the_appendix_alone,
        short.test_what_is_left_out_is_counted_with_its_doubts,
        short.test_failure_is_stated_once_below_the_question,
    ],
)
def test_it_is_a_short_document(check: Callable[[str, Language], None], language: Language) -> None:
    check("docx", language)


@pytest.mark.slow
@pytest.mark.usefixtures("english")
def test_it_says_all_about_an_answer() -> None:
    questions.test_readable_formats_say_all_about_an_answer("docx")


@pytest.mark.thorough
@pytest.mark.usefixtures("english")
def test_ten_thousand_findings_are_a_report_too() -> None:
    labels.test_ten_thousand_findings_are_a_report_too("docx")


@pytest.mark.slow
@pytest.mark.usefixtures("english")
def test_docx_holds_the_pictures_of_answers() -> None:
    with ZipFile(BytesIO(questions.written("docx"))) as archive:
        media = [archive.read(name) for name in archive.namelist() if name.startswith("word/media/")]
    assert {questions.BLUE, questions.GREEN, questions.YELLOW} <= set(media)


@pytest.mark.slow
def test_child_process_makes_the_same_bytes() -> None:
    assert FORMATS["docx"].write(analysis(), "zh") == write(analysis(), "zh")


@pytest.mark.own_start
@pytest.mark.slow
def test_docx_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    worker.test_document_that_takes_too_long_is_refused("docx", monkeypatch)
    (missing,) = [file.data for file in all_files(analysis(), "zh", "clip") if file.name == "clip.missing.txt"]
    assert "clip.docx:" in missing.decode()


@pytest.mark.own_start
@pytest.mark.slow
def test_docx_without_enough_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    worker.test_document_without_enough_memory_is_refused("docx", monkeypatch)
