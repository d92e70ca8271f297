"""Reports that people corrected: in every format, and through JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import framelens
from framelens import config
from framelens.api.exports import frames_as_zip
from framelens.composition import open_library
from framelens.core.corrected_report import as_written, corrected
from framelens.core.corrections import Correction
from framelens.core.domain import Analysis
from framelens.jobs.stored.report_import import reports_in
from framelens.reports.content.labels import corrections_text
from framelens.reports.formats import FORMATS, all_files
from framelens.reports.graphics import contact_sheet
from framelens.reports.json import reader
from tests.core.test_corrections import entry, report

pytestmark = pytest.mark.usefixtures("english")
LOG = (
    entry(1, "replace", "f2", "a white van", was="later at 9:59", frames=(2,)),
    entry(2, "strike", "s2", was="made up"),
    replace(entry(3, "add", "", "a small dog", time_seconds=1.5), author="Bo"),
    entry(4, "replace", "title", "Two cars meet"),
    entry(5, "replace", "note", "Mind the gate."),
    entry(6, "strike", "c1", was="Gate\nA car."),
    entry(7, "strike", "p2"),
)


def made(log: tuple[Correction, ...] = LOG) -> Analysis:
    return corrected(replace(report(), id="report-1"), log)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json"}))
def test_every_format_has_the_words_of_people_and_says_so(name: str) -> None:
    if not FORMATS[name].fits(made()):
        pytest.skip("no findings in this format")
    data = FORMATS[name].to_bytes(made(), "en", appendix=True)
    if name in ("pdf", "docx"):
        data = _text_of(name, data)
    text = data.decode("utf-8", "replace")
    if name in ("html", "markdown", "pdf", "docx", "csv", "srt", "vtt"):
        text = " ".join(text.replace("\\", "").split())
        for words in ("a white van", "corrected by Anna", "a small dog", "written by Bo"):
            assert words in text, words
        assert "later at 9:59" not in text and ("made up" not in text or name in ("srt", "vtt"))
    if name in ("html", "markdown", "pdf", "docx"):
        for words in ("Two cars meet", "Mind the gate.", "People have corrected this report: Anna, Bo, 7 corrections"):
            assert words in text, words
        assert "Gate A car." not in text and "Yard" in text


def _text_of(name: str, data: bytes) -> bytes:
    from io import BytesIO

    if name == "pdf":
        from pypdf import PdfReader

        return " ".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages).encode()
    from docx import Document

    document = Document(BytesIO(data))
    cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
    return "\n".join((*(paragraph.text for paragraph in document.paragraphs), *cells)).encode()


def test_a_picture_that_was_left_out_is_in_no_file() -> None:
    names = [file.name for file in all_files(made(), "en", "clip")]
    assert not any("002_" in name for name in names) and any("001_" in name for name in names)
    assert contact_sheet.write(made(), "en") and len(frames_as_zip(made())) < len(frames_as_zip(report()))


def test_a_report_whose_corrections_were_undone_is_the_models() -> None:
    undone = made((LOG[0], entry(8, "undo", "1")))
    assert corrections_text(undone) == "" and FORMATS["markdown"].write(undone, "en") == FORMATS["markdown"].write(
        made(()), "en"
    )


def test_json_keeps_the_history_and_the_words_of_the_model() -> None:
    data = FORMATS["json"].write(made(), "en")
    document = json.loads(data)
    assert document["format_version"] == 4 and document["title"] == "Two cars meet"
    finding = document["chunks"][0]["findings"][1]
    assert (finding["text"], finding["person"]["name"], finding["person"]["original"]) == (
        "a white van",
        "Anna",
        "later at 9:59",
    )
    assert [added["times_seconds"] for added in document["corrections"]["added"]] == [[1.5]]
    assert document["keyframes"][1]["picture"] is None and "Anna" in document["ai_label"]
    read = reader.read(data, name="a.json")
    assert read.corrections and read.corrections == made().corrections
    assert FORMATS["json"].write(read, "en") == data
    assert as_written(read).findings == report().findings and as_written(read).overview == report().overview


def test_reports_of_version_3_are_still_read() -> None:
    document = json.loads(FORMATS["json"].write(report(), "en")) | {"format_version": 3}
    assert "corrections" not in document
    for finding in document["chunks"][0]["findings"]:
        del finding["person"]
    assert reader.read(json.dumps(document).encode(), name="a.json").findings == report().findings


def test_an_imported_report_can_be_corrected_further(tmp_path: Path) -> None:
    from framelens.jobs.stored.corrections import Draft

    file = tmp_path / "a.json"
    file.write_bytes(FORMATS["json"].write(made(), "en"))
    with open_library(config.load({"FRAMELENS_DATA_DIR": str(tmp_path / "data")}, Path("/dev/null"))) as services:
        (imported,) = reports_in([file])
        job_id = services.reports.add(imported)
        stored = services.reports.get(job_id)
        assert stored and stored.corrections and stored.corrections.log == LOG and stored.findings == made().findings
        outcome = services.reports.correct(job_id, [Draft("restore", "f2"), Draft("undo")], author="Anna")
        assert outcome.analysis.findings[1].text == "a white van"
        sent_back = (*LOG, entry(8, "replace", "f3", "both of them", was="both"))
        assert services.reports.add(made(sent_back)) == job_id  # by somebody who had the report
        stored = services.reports.get(job_id)
        assert stored and "both of them" in [finding.text for finding in stored.findings]


def test_an_analysis_is_corrected_in_python() -> None:
    changed = framelens.correct(report(), "f2", "a van", author="Anna")
    changed = framelens.correct(changed, "", "a dog", time_seconds=1.5)
    changed = framelens.correct(changed, "s2", None)
    assert [finding.text for finding in changed.findings][1:] == ["a van", "both", "a dog"] and len(
        changed.overview
    ) == 1
    assert "corrected by Anna" in framelens.report(changed, "markdown").decode()
    with pytest.raises(framelens.InputError, match="nothing with the key f9"):
        framelens.correct(changed, "f9", "x")
