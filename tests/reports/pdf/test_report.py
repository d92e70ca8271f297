"""The PDF report, read by another library than the library that writes it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
import typst
from pypdf import PdfReader
from pypdf.generic import ContentStream

from framelens.composition import SAMPLE
from framelens.core.domain import Analysis, AnalysisRequest, Finding, Language, Notice
from framelens.i18n import in_language
from framelens.reports.content.builder import document
from framelens.reports.content.document import Heading, plain_text
from framelens.reports.graphics import fonts
from framelens.reports.graphics.fonts import FONT_FILE, Face, Faces
from framelens.reports.pdf import report
from framelens.reports.pdf.report import map_strings
from tests.app import rich as large
from tests.reports.content.test_labels import rich
from tests.reports.json.test_reader import ANALYSES, each_analysis
from tests.reports.test_reports import NASTY, analysis
from tests.reports.text.test_html import HOSTILE

CHINESE = "一位穿红色夹克的男子走进院子，镕基路口的灯已经亮了。"
SCRIPTS = "Łódź Ελλάδα Україна ← 漢字 かな 한국어 العربية עברית ไทย हिन्दी ₿"
EVERY_KIND = f"{SCRIPTS} \N{GRINNING FACE}\N{WOMAN}\u200d\N{GIRL} \U0002a6d6 \ue000 e\u0301 ⚠\ufe0f"


def read(data: bytes) -> PdfReader:
    return PdfReader(BytesIO(data), strict=True)


def text_of(made: Analysis, language: Language = "zh", *, appendix: bool = True) -> str:
    """All text without blanks and line breaks, which are where lines happen to end."""
    reader = read(report.write(made, language, appendix=appendix))
    return "".join("".join(page.extract_text() for page in reader.pages).split())


def saying(text: str) -> Analysis:
    """A report in whose name, findings, prompt and overview this text stands."""
    made = analysis()
    chunk = replace(
        made.chunks[0],
        findings=(Finding(text, (1, 2)), Finding(text, (1,))),
        overview=(Finding(text, (1,)),),
        prompt=text,
    )
    return replace(made, video=replace(made.video, name=text), chunks=(chunk,))


def glyphs(data: bytes) -> set[int]:
    """The numbers of all shapes that are drawn; 0 is the empty box."""
    reader = read(data)
    return {glyph for page in reader.pages for glyph in _glyphs(page.get_contents(), page, reader)}


def _glyphs(stream: Any, owner: Any, reader: PdfReader) -> Iterator[int]:
    for operands, operator in ContentStream(stream, reader).operations:
        if operator in (b"Tj", b"TJ"):
            pieces = operands[0] if operator == b"TJ" else operands
            for piece in (one for one in pieces if hasattr(one, "original_bytes")):
                raw = piece.original_bytes
                yield from (int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2))
    for inner in owner["/Resources"].get("/XObject", {}).values():
        form = inner.get_object()
        if form["/Subtype"] == "/Form" and "/Resources" in form:
            yield from _glyphs(form, form, reader)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any font."""
    monkeypatch.setattr(fonts, "_machine_fonts", tuple)


# ---- what it says


@pytest.mark.slow
@each_analysis
@pytest.mark.parametrize("language", ["zh", "en"])
def test_pdf_has_bookmarks_and_page_numbers(name: str, language: Language) -> None:
    made = ANALYSES[name]()
    reader = read(report.write(made, language, appendix=True))
    with in_language(language):
        reported = document(made, appendix=True)
    shown = (*reported.blocks, *reported.appendix)
    heads = [block if isinstance(block, Heading) else getattr(block, "heading", None) for block in shown]
    assert [entry.title for entry in entries(reader.outline)] == [plain_text(head.line) for head in heads if head]
    assert [
        page.extract_text().rstrip().endswith(f"{at} / {len(reader.pages)}") for at, page in enumerate(reader.pages, 1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_contents_name_the_page_that_each_section_is_on(language: Language) -> None:
    made = large.rich(AnalysisRequest(SAMPLE), "long", parts=5)
    assert "目录" not in text_of(made, appendix=False)
    reader = read(report.write(made, language, appendix=True))
    places = {entry.title: reader.get_destination_page_number(entry) + 1 for entry in entries(reader.outline)}
    dotted = re.compile(r"^(.+?)(?: \.)+ (\d+)$", re.MULTILINE)
    listed = [(title, int(page)) for one in reader.pages[1:4] for title, page in dotted.findall(one.extract_text())]
    assert len(listed) > 5 and listed[-1][1] > 5
    assert listed == [(title, places[title]) for title, _ in listed]


def entries(outline: list[Any]) -> Iterator[Any]:
    for one in outline:
        yield from entries(one) if isinstance(one, list) else [one]


@pytest.mark.slow
def test_chinese_sentences_can_be_copied_out_of_it() -> None:
    found = text_of(saying(CHINESE))
    assert "一位穿红色夹克的男子走进院子" in found and "口的灯已经亮了" in found


@pytest.mark.slow
def test_what_must_be_known_first_is_first() -> None:
    assert (
        "Messages格式不支持"
        in "".join(read(report.write(rich_in_text_mode(), "zh")).pages[0].extract_text().split())[:400]
    )


def rich_in_text_mode() -> Analysis:
    return replace(rich(), notices=analysis().notices)


@pytest.mark.slow
def test_what_warns_is_reported_without_colours_alone(bare_machine: None) -> None:
    made = analysis(notices=(Notice("composited"), Notice("sound_not_analysed", {}, "error")))
    text = text_of(made, "en")
    assert "×Thesoundwasnotanalysed" in text and "⚠Thepictureshavetransparent" in text


def test_times_are_links_to_the_video_beside_the_report() -> None:
    made = replace(analysis(), video=replace(analysis().video, name="夹 克.mp4"))
    pages = read(report.write(made, "en")).pages
    actions = [
        note.get_object()["/A"] for page in pages for note in page.get("/Annots", ()) if "/A" in note.get_object()
    ]
    assert "./%E5%A4%B9%20%E5%85%8B.mp4#t=4.000" in {action["/URI"] for action in actions if "/URI" in action}


@pytest.mark.slow
def test_unverified_statements_are_marked() -> None:
    assert "⚠unverified:citesnoframe" in text_of(analysis(), "en")


@pytest.mark.slow
def test_every_frame_is_drawn_once_and_beside_its_text() -> None:
    """Four frames to a page."""
    made = large.rich(AnalysisRequest(SAMPLE), "job", parts=2, findings=3)
    reader = read(report.write(made, "en", appendix=True))
    pages = [page.extract_text() for page in reader.pages]
    places = [next(n for n, text in enumerate(pages) if f"Frame {number} · " in text) for number in range(1, 9)]
    assert places[-1] - places[0] <= 2
    assert all(pages[place].count(f"Frame {number} · ") == 1 for number, place in enumerate(places, 1))


def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    data = report.write(analysis(), "en")
    figures = [one for one in _elements(read(data).trailer["/Root"]["/StructTreeRoot"]) if one.get("/S") == "/Figure"]
    assert {"Frame 1 · 00:00", "Frame 2 · 00:04"} == {one["/Alt"] for one in figures}


def _elements(node: Any) -> Iterator[Any]:
    children = node.get("/K", [])
    for child in children if isinstance(children, list) else [children]:
        one = child.get_object()
        if hasattr(one, "get") and "/S" in one:
            yield one
            yield from _elements(one)


# ---- text of anybody


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        *(one for one in HOSTILE if len(one) < 1_000),
        NASTY,
        '#import "@preview/x:1.0.0"',
        '#read("/etc/passwd")',
        "$x$ `r` @a <l> \\u{41}",
    ],
)
def test_words_from_outside_stand_there_letter_by_letter(text: str, bare_machine: None) -> None:
    shown = "".join(Faces().shown(text).split())
    assert text_of(saying(text), "en").count(shown) >= 3


@pytest.mark.slow
def test_no_character_is_an_empty_box() -> None:
    assert 0 not in glyphs(report.write(saying(EVERY_KIND), "zh", appendix=True))


@pytest.mark.slow
def test_pdf_without_system_fonts_has_no_empty_boxes(bare_machine: None) -> None:
    made = saying(EVERY_KIND)
    assert 0 not in glyphs(report.write(made, "zh", appendix=True))
    assert "[U+1F600]" in text_of(made) and "漢字" in text_of(made)


@pytest.mark.slow
def test_no_label_of_the_chart_is_an_empty_box(bare_machine: None) -> None:
    made = rich()
    assert made.summary
    chapters = tuple(replace(chapter, title=EVERY_KIND) for chapter in made.summary.chapters)
    made = replace(made, summary=replace(made.summary, chapters=chapters))
    assert 0 not in glyphs(report.write(made, "zh", appendix=True))


def test_an_empty_box_would_be_found() -> None:
    assert 0 in glyphs(typst.compile("\N{GRINNING FACE}中".encode(), ignore_system_fonts=True))


@pytest.mark.slow
def test_lying_system_font_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    liar = Face(FONT_FILE, "FrameLens Sans", {ord("\N{GRINNING FACE}")})
    monkeypatch.setattr(fonts, "_machine_fonts", lambda: (liar,))
    assert "[U+1F600]" in text_of(saying("\N{GRINNING FACE}"))


@pytest.mark.slow
def test_a_word_without_an_end_stays_on_the_page() -> None:
    pages = read(report.write(saying("x" * 1000), "en", appendix=True)).pages
    runs = [len(run) for page in pages for run in re.findall("x+", page.extract_text())]
    assert max(runs) < 150 and sum(runs) >= 4_000


# ---- the file


def test_fonts_are_in_the_file_and_only_what_is_used_of_them() -> None:
    data = report.write(rich(), "zh")
    fonts = {str(font["/BaseFont"]): font for page in read(data).pages for font in _fonts(page)}
    assert any("FrameLensSans-Bold" in name for name in fonts) and any(
        "FrameLensSans-Regular" in name for name in fonts
    )
    assert all(name[7] == "+" for name in fonts)  # a subset's name begins with six letters and a plus
    assert len(data) < 400_000


def _fonts(page: Any) -> Iterator[Any]:
    for font in page["/Resources"].get("/Font", {}).values():
        made = font.get_object()["/DescendantFonts"][0].get_object()
        assert {"/FontFile2", "/FontFile3"} & set(made["/FontDescriptor"])
        yield made


def test_the_file_says_what_it_is_and_that_a_model_wrote_it() -> None:
    reader = read(report.write(analysis(), "en"))
    assert reader.metadata and reader.metadata.author == "FrameLens 0.1.0"
    assert reader.metadata.creation_date_raw == "D:20260102030405Z"
    label = json.loads(reader.metadata["/AIGC"])["AIGC"]
    assert (label["Label"], label["ProduceID"]) == ("1", "job")
    packet = reader.xmp_metadata.stream.get_data().decode()  # type: ignore[union-attr]
    assert packet.count("TC260:AIGC xmlns") == 1 and "<pdfaid:part>2" in packet and "<pdfuaid:part>1" in packet


def test_without_a_model_the_file_carries_no_label() -> None:
    assert b"AIGC" not in report.write(analysis(chunks=(), engine=None), "en")


@each_analysis
def test_the_same_analysis_gives_the_same_bytes(name: str) -> None:
    assert report.write(ANALYSES[name](), "zh") == report.write(ANALYSES[name](), "zh")


def test_nothing_at_all_is_a_report_too() -> None:
    bare = analysis(chunks=(), engine=None, facts=(), keyframes=(), notices=(), created="yesterday")
    bare = replace(bare, decode=replace(bare.decode, shots=(), readable_seconds=0.0), seconds_by_stage={})
    assert len(read(report.write(bare, "zh")).pages) == 1


@pytest.mark.slow
def test_long_tables_go_over_pages_with_their_heads() -> None:
    made = large.rich(analysis().request, "large", parts=6, findings=40)
    reader = read(report.write(made, "en", appendix=True))
    heads = sum("What can be seen" in page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 9 and heads > 6


def test_keys_of_a_form_are_not_texts() -> None:
    assert map_strings({"a": ["b", 1, None]}, str.upper) == {"a": ["B", 1, None]}
