"""Reports that people corrected: in every format, and through JSON."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import framelens
from framelens import config
from framelens.api.exports import frames_as_zip
from framelens.composition import open_library
from framelens.core.corrected_report import ReportItem, as_written, corrected, items_of
from framelens.core.corrections import Correction
from framelens.core.domain import Analysis
from framelens.jobs.stored.corrections import Draft
from framelens.jobs.stored.report_import import reports_in
from framelens.questions.export import as_markdown
from framelens.reports.content.labels import corrections_text
from framelens.reports.formats import FORMATS, all_files
from framelens.reports.graphics import contact_sheet
from framelens.reports.json import reader
from framelens.store.library_index import LibraryQuery
from tests.core.test_corrections import entry, report
from tests.reports.test_questions import searched, talked
from tests.reports.test_reports import NASTY

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


FOUND = """“a <b>red</b> card” was seen 2 times:
1. 00:02.000–00:03.000, frames 50 to 74 [1]
2. 00:06.000–00:06.040 [2]

It is round."""
"""What a search has found, and the model's text after it."""


def answered() -> Analysis:
    """Return a report whose question a search has answered, with a conversation that begins with that answer."""
    found = replace(talked().answers[0], answer=FOUND, searches=(searched(),), cited=(1, 2), images=())
    talk = talked()
    asked = replace(talk, answers=(found, *talk.answers[1:]))
    return replace(report(), answer=replace(asked, answers=(found,)), conversations=(asked,))


def lines_of(made: Analysis) -> dict[str, ReportItem]:
    return {item.key: item for item in items_of(made) if item.key.startswith("q")}


def test_lines_of_all_answers_are_corrected_struck_and_remarked_on() -> None:
    keys = {item.text: key for key, item in lines_of(answered()).items()}
    second, round_one, table = keys["2. 00:06.000–00:06.040 [2]"], keys["It is round."], keys["## heading"]
    assert (second, round_one) == ("q3", "q5") and len(table) == len("q3fa2c1.2") and "." in table
    made = framelens.correct(answered(), second, None, author="Anna")
    made = framelens.correct(made, round_one, "It is oval, as in frame 9.", author="Anna")
    made = framelens.correct(made, "", "Ask the guard.", on="q2", author="Bo")
    made = framelens.correct(made, table, "A heading of frame 1 at 00:03", author="Anna")
    made = framelens.correct(made, "", "A remark on a finding.", on="f1", author="Bo")
    answer = made.question_answer
    assert answer and answer == made.conversations[0].answers[0]
    texts = [
        "“a <b>red</b> card” was seen 2 times:",
        "1. 00:02.000–00:03.000, frames 50 to 74 [1]",
        "Ask the guard.",
        "",
    ]
    assert [line.text for line in answer.lines] == [*texts, "It is oval, as in frame 9."]
    assert answer.lines[-1].issues == ("frame_not_sent",) and answer.cited == (1,)
    assert (
        framelens.correct(made, "q2", "At 00:02.000–00:03.000, frames 50 to 74").question_answer.lines[1].issues == ()
    )  # type: ignore[union-attr]
    assert [interval.times for interval in answer.searches[0].moments.intervals] == ["00:02.000–00:03.000"]
    other = made.conversations[0].answers[1]
    assert "A heading of frame 1 at 00:03" in other.answer and other.unknown_frames == (99,)
    assert next(line for line in other.lines if line.person).issues == ("own_time",)
    assert [finding.text for finding in made.findings[:2]] == [NASTY, "A remark on a finding."]
    assert as_written(made) == answered() and corrected(made, made.corrections.log) == made  # type: ignore[union-attr]
    assert reader.read(FORMATS["json"].write(made, "en"), name="a.json").corrections == made.corrections
    for name in ("html", "markdown", "pdf", "docx", "csv"):
        data = FORMATS[name].to_bytes(made, "en", appendix=True)
        text = " ".join((_text_of(name, data) if name in ("pdf", "docx") else data).decode().replace("\\", "").split())
        for words in ("It is oval", "corrected by Anna", "Ask the guard.", "written by Bo", "A heading of frame 1"):
            assert words in text, (name, words)
        assert "It is round" not in re.sub(r'(title|data-was)="[^"]*"', "", text), name
        assert "00:06.040" not in text and "0:06.000" not in text, name
    assert framelens.correct(made, "q5", "It is round.").question_answer.lines[-1].person  # type: ignore[union-attr]
    struck = answered()
    for key in ("q1", "q2", "q3", "q5"):
        struck = framelens.correct(struck, key, None)
    assert struck.outcome == "done" and struck.brief == "" and FORMATS["markdown"].write(struck, "en")


def test_lines_of_a_stored_conversation_are_corrected(tmp_path: Path) -> None:
    with open_library(config.load({"FRAMELENS_DATA_DIR": str(tmp_path)}, Path("/dev/null"))) as services:
        job_id = services.reports.add(answered())
        stored = services.reports.get(job_id)
        assert stored
        (key,) = (key for key, item in lines_of(stored).items() if item.text == "## heading")
        made = services.reports.correct(job_id, [Draft("replace", key, "A sign"), Draft("strike", "q3")], author="Anna")
        assert "A sign" in made.analysis.conversations[0].answers[1].answer
        assert services.jobs.library.count(LibraryQuery("sign")) == 1
        alone = services.reports.get(job_id, conversations=False)
        assert alone and alone.corrections and len(alone.corrections.unmatched) == 1 and alone.corrections.lost == ()
        conversation = services.conversations.get(made.analysis.conversations[0].id)
        shown = services.reports.as_corrected(conversation)
        assert "A sign (corrected by Anna" in as_markdown(shown, {}).replace("\\", "")
        assert "00:06.000" not in shown.turns[0].answer and services.reports.add(made.analysis) == job_id
        assert services.conversations.get(conversation.id) == conversation
        undone = services.reports.correct(job_id, [Draft("undo")], author="Anna").analysis
        assert undone.conversations == stored.conversations


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
