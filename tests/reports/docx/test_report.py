"""The Word report, opened again by python-docx and as the ZIP of XML files that it is."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import docx
import pytest
from docx.oxml.ns import qn

from framelens.core.domain import Analysis, Language, Notice
from framelens.i18n import in_language, t
from framelens.reports.content.builder import document
from framelens.reports.content.document import Heading, Line, Table, plain_text
from framelens.reports.content.labels import printable
from framelens.reports.docx import report
from tests.reports import test_questions as questions
from tests.reports import test_short_documents as short
from tests.reports.content.test_labels import rich
from tests.reports.json.test_reader import ANALYSES, each_analysis
from tests.reports.pdf.test_report import saying
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

pytestmark = pytest.mark.usefixtures("english")


def opened(made: Analysis, language: Language = "en", *, appendix: bool = True) -> Any:
    return docx.Document(BytesIO(report.write(made, language, appendix=appendix)))


def file_of(made: Analysis, name: str) -> str:
    with ZipFile(BytesIO(report.write(made, "en", appendix=True))) as archive:
        return archive.read(name).decode()


def shown(line: Line) -> str:
    return "".join(f"⚠ {span.text}" if span.style == "doubt" else printable(span.text) for span in line)


# ---- what it says


@each_analysis
@pytest.mark.parametrize("language", ["zh", "en"])
def test_headings_are_real_ones_and_in_order(name: str, language: Language) -> None:
    made = ANALYSES[name]()
    with in_language(language):
        reported = document(made, appendix=True)
    heads = [
        head
        for block in (*reported.blocks, *reported.appendix)
        if (head := block if isinstance(block, Heading) else getattr(block, "heading", None))
    ]
    found = [one for one in opened(made, language).paragraphs if one.style.name.startswith("Heading")]
    assert [(one.style.name, one.text) for one in found] == [
        (f"Heading {head.level - 1}", plain_text(head.line)) for head in heads
    ]


@each_analysis
def test_cells_hold_what_the_report_says(name: str) -> None:
    made = ANALYSES[name]()
    tables = [block for block in document(made, appendix=True).appendix if isinstance(block, Table) and block.rows]
    found = [one for one in opened(made).tables if one.style.name != "Normal Table"]  # those hold pictures
    for table, drawn in zip(tables, found, strict=True):
        lines = [*([table.heads] if table.heads else []), *table.rows]
        cells = [[cell.text for cell in row.cells] for row in drawn.rows]
        assert cells == [[shown(line) for line in row] for row in lines]
        repeated = drawn.rows[0]._tr.trPr.find(qn("w:tblHeader")) is not None
        assert repeated == bool(table.heads)


@pytest.mark.slow
def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    reported = opened(rich()).element.body.iter(qn("wp:docPr"))
    alts = [(one.get("id"), one.get("descr")) for one in reported]
    assert all(alt for _, alt in alts) and len({number for number, _ in alts}) == len(alts)
    assert "Frame 1 · 00:00" in [alt for _, alt in alts]


@pytest.mark.slow
def test_docx_stores_each_picture_once() -> None:
    with ZipFile(BytesIO(report.write(rich(), "en", appendix=True))) as archive:
        pictures = [name for name in archive.namelist() if name.startswith("word/media/")]
    assert len(pictures) == len({frame.jpeg for frame in rich().keyframes}) + 1  # and the chart


@pytest.mark.slow
def test_times_are_links_to_the_video_beside_the_report() -> None:
    made = replace(analysis(), video=replace(analysis().video, name="夹 克.mp4"))
    links = {one.address + "#" + one.fragment if one.fragment else one.address for one in _links(opened(made))}
    assert "./%E5%A4%B9%20%E5%85%8B.mp4#t=4.000" in links


def _links(made: Any) -> list[Any]:
    return [link for paragraph in made.paragraphs for link in paragraph.hyperlinks if link.address]


def test_what_must_be_known_first_is_first() -> None:
    first, second, third, *_, last = opened(analysis(), "zh", appendix=False).paragraphs
    assert [one.style.name for one in (first, second)] == ["Title", "Caption"]
    assert (third.style.name, third.text[:10]) == ("NoticeWarning", "⚠ Messages")
    assert last.style.name == "NoticeLabel"


@pytest.mark.slow
def test_what_warns_is_reported_without_colours_alone() -> None:
    made = analysis(notices=(Notice("composited"), Notice("sound_not_analysed", {}, "error")))
    reported = {one.style.name: one.text for one in opened(made).paragraphs if one.style.name.startswith("Notice")}
    assert reported["NoticeError"].startswith("⚠ ") and reported["NoticeWarning"].startswith("⚠ ")


# ---- text of anybody


@pytest.mark.slow
@pytest.mark.parametrize("text", [*HOSTILE, NASTY, "&amp; ]]> {{x}} %s", "\ufffe\x1b[0m"])
def test_words_from_outside_stand_there_letter_by_letter(text: str) -> None:
    made = opened(saying(text))
    whole = printable(text).rstrip("\n")
    found = [one.text for one in made.paragraphs]
    assert found.count(whole) >= 1  # the prompt
    assert sum(whole in one for one in found) >= 3
    for name in ("word/document.xml", "docProps/core.xml", "docProps/custom.xml"):
        ElementTree.fromstring(file_of(saying(text), name))


@pytest.mark.slow
def test_lines_of_a_prompt_stay_lines() -> None:
    made = replace(analysis().chunks[0], prompt="first\n  second\tthird\r\n")
    paragraphs = opened(analysis(chunks=(made,))).paragraphs
    assert [one.text for one in paragraphs if one.style.name == "Prompt"] == ["first\n  second\tthird"]


def test_nothing_at_all_is_a_report_too() -> None:
    bare = analysis(chunks=(), engine=None, facts=(), keyframes=(), notices=(), created="yesterday")
    bare = replace(bare, decode=replace(bare.decode, shots=(), readable_seconds=0.0), seconds_by_stage={})
    assert opened(bare).paragraphs[0].style.name == "Title"


# ---- the file


@pytest.mark.slow
def test_the_file_says_what_it_is_and_that_a_model_wrote_it() -> None:
    core = opened(analysis()).core_properties
    assert (core.author, core.identifier, core.language) == ("FrameLens 0.1.0", "job", "en-GB")
    assert core.created.isoformat() == "2026-01-02T03:04:05+00:00"
    custom = ElementTree.fromstring(file_of(analysis(), "docProps/custom.xml"))
    (entry,) = custom
    label = json.loads("".join(entry.itertext()))["AIGC"]
    assert (entry.get("name"), label["Label"], label["ProduceID"]) == ("AIGC", "1", "job")


def test_without_a_model_the_file_carries_no_label() -> None:
    with ZipFile(BytesIO(report.write(analysis(chunks=(), engine=None), "en"))) as archive:
        assert "docProps/custom.xml" not in archive.namelist()


def test_pages_fonts_and_languages_are_the_word_processors() -> None:
    # Chinese has a font and a language of its own.
    normal = opened(analysis(), "zh").styles["Normal"].element.rPr
    assert normal.find(qn("w:rFonts")).get(qn("w:eastAsia")) == "Microsoft YaHei"
    assert normal.find(qn("w:lang")).get(qn("w:eastAsia")) == "zh-CN"
    # Pages are numbered by the word processor.
    foot = opened(analysis()).sections[0].footer._element
    assert [one.get(qn("w:instr")) for one in foot.iter(qn("w:fldSimple"))] == ["PAGE", "NUMPAGES"]


@each_analysis
def test_the_same_analysis_gives_the_same_bytes(name: str) -> None:
    assert report.write(ANALYSES[name](), "zh") == report.write(ANALYSES[name](), "zh")


def test_no_preview_of_an_empty_document_is_left_in_it() -> None:
    with ZipFile(BytesIO(report.write(analysis(), "en"))) as archive:
        assert not [name for name in archive.namelist() if "thumbnail" in name]


@pytest.mark.slow
def test_it_holds_the_pictures_of_answers() -> None:
    with ZipFile(BytesIO(questions.written("docx"))) as archive:
        media = [archive.read(name) for name in archive.namelist() if name.startswith("word/media/")]
    assert {questions.BLUE, questions.GREEN, questions.YELLOW} <= set(media)


@pytest.mark.slow
@short.each_report
@short.each_language
def test_it_is_short_and_begins_with_pictures(name: str, language: Language) -> None:
    data = short.written(short.MADE[name](language), "docx", language)
    with ZipFile(BytesIO(data)) as archive:
        body = archive.read("word/document.xml").decode()
    before_findings = body.partition(f">{t('report.findings', language)}<")[0]
    assert "<w:drawing" in before_findings
    assert 0 < body.count("<w:drawing") <= 40 and "pageBreakBefore" not in body
    assert len(short.bare_text(data)) < 6_000  # some two pages
