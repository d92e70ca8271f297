"""The HTML report, read by a parser that takes nothing but valid HTML."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from justhtml import JustHTML

from framelens.core.domain import Analysis, Language
from framelens.i18n import in_language
from framelens.reports.content.builder import document
from framelens.reports.content.document import (
    Chapters,
    Document,
    Findings,
    Heading,
    Listing,
    Measurements,
    Paragraph,
    Table,
    Verbatim,
    plain_text,
)
from framelens.reports.content.labels import printable
from framelens.reports.text import html
from tests.reports.content.test_labels import part, rich
from tests.reports.json.test_reader import ANALYSES, each_analysis, looked_at_closely
from tests.reports.test_reports import NASTY, analysis

FAMILY = "\N{WOMAN}\u200d\N{GIRL} \N{AUTOMOBILE}"
HOSTILE = (
    "=cmd|' /C calc'!A0",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    FAMILY,
    "x" * 10_000,
    "a\x00b\x07",
    "",
)


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.all if (value := attributes.get(name)) is not None]


def page(made: Analysis, language: Language = "en", *, appendix: bool = True) -> str:
    return html.write(made, language, appendix=appendix).decode()


def spoken(reported: Document) -> list[str]:
    """Every text that the page must show."""
    lines = [reported.title]
    for block in (*reported.blocks, *reported.appendix):
        match block:
            case Heading(line=line) | Paragraph(line=line):
                lines.append(plain_text(line))
            case Listing(items) | Measurements(items):
                lines += map(plain_text, items)
            case Table(heads, rows):
                lines += [plain_text(cell) for row in (heads, *rows) for cell in row]
            case Chapters(cards):
                lines += [text for card in cards for text in (plain_text(card.times), card.title)]
            case Findings(items):
                lines += [text for item in items for text in (plain_text(item.line), plain_text(item.times))]
                lines += [text for item in items for field in item.fields for text in field]
            case Verbatim(_, text):
                lines.append(text)
            case _:
                pass
    return lines


def letters(text: str) -> str:
    """Without blanks, and without the signs that are drawn before what warns."""
    return "".join(text.replace("⚠️", "").split())


def hostile(text: str) -> Analysis:
    """The same words wherever somebody else's words may stand."""
    made = rich()
    chunk = part(
        1, 1, 2, findings=(replace(made.chunks[0].findings[0], text=text, fields={"kind": text}),), prompt=text
    )
    return replace(
        made,
        chunks=(chunk,),
        summary=None,
        video=replace(made.video, name=text or "video"),
        request=replace(made.request, question=text),
        conditions={text: text},
        field_names={"kind": text},
    )


@each_analysis
@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_is_valid_html_that_says_all_that_the_report_says(name: str, language: Language) -> None:
    made = ANALYSES[name]()
    tree = JustHTML(page(made, language), strict=True, sanitize=False)
    shown = letters(tree.to_text(separator="", strip=False))
    with in_language(language):
        reported = document(made, appendix=True)
    for text in spoken(reported):
        assert letters(printable(text)) in shown


@pytest.mark.parametrize("text", [NASTY, *HOSTILE], ids=range(1 + len(HOSTILE)))
def test_foreign_words_are_shown_literally_in_html(text: str) -> None:
    written = page(hostile(text))
    tree = JustHTML(written, strict=True, sanitize=False)
    assert letters(printable(text)) in letters(tree.to_text(separator="", strip=False))
    elements = Elements(written)
    assert not {tag for tag, _ in elements.all} & {"script", "iframe", "object", "embed", "form", "link", "base"}
    assert not [name for _, attributes in elements.all for name in attributes if name.startswith("on")]
    assert [source for source in elements.values("src") if not source.startswith("data:image/jpeg;base64,")] == []
    assert {link.split("#")[0][:2] for link in elements.values("href")} <= {"", "./"}


def test_html_links_resolve_and_ids_are_unique() -> None:
    elements = Elements(page(looked_at_closely()))
    places = elements.values("id")
    assert len(set(places)) == len(places)
    assert {link[1:] for link in elements.values("href") if link.startswith("#")} <= set(places)
    assert {f"frame-{number}" for number in range(1, 7)} <= set(places)


def test_a_time_opens_that_moment_of_the_video_beside_the_page() -> None:
    made = analysis()
    named = replace(made, video=replace(made.video, name="监控 #1?.mp4"))
    times = [link for link in Elements(page(named)).values("href") if link.startswith("./")]
    assert "./%E7%9B%91%E6%8E%A7%20%231%3F.mp4#t=4.000" in times
    late = replace(made, video=replace(named.video, start_seconds=3.4, player_start_seconds=2.0))
    for container, opened in (("mov,mp4,m4a", "#t=7.400"), ("mpegts", "#t=6.000")):
        held = replace(late, video=replace(late.video, container=container))
        assert opened in "".join(Elements(page(held)).values("href"))
    at_ntsc = replace(made, video=replace(made.video, start_seconds=0.0002, container="mov,mp4,m4a"))
    assert "#t=4.001" in "".join(Elements(page(at_ntsc)).values("href"))  # at 4.000 it would be the previous frame
    elsewhere = replace(made, video=replace(made.video, name="../../etc/passwd"))
    assert {link.split("#")[0] for link in Elements(page(elsewhere)).values("href")} == {"", "./passwd"}


@pytest.mark.parametrize(
    ("name", "link"),
    [
        (r"AC\DC live.mp4", "AC%5CDC%20live.mp4"),
        ("  lead.mp4", "%20%20lead.mp4"),
        ("two\nlines.mp4", "two%0Alines.mp4"),
        ("../up.mp4", "up.mp4"),
        (r"turned\u202egpj.mp4", "turned%E2%80%AEgpj.mp4"),
    ],
)
def test_links_keep_the_name_of_the_file(name: str, link: str) -> None:
    made = analysis()
    named = replace(made, video=replace(made.video, name=name))
    assert f"./{link}#t=4.000" in Elements(page(named)).values("href")


def test_links_lead_to_a_file_whose_name_is_no_utf8(tmp_path: Path) -> None:
    made, path = analysis(), tmp_path / "caf\udce9.mp4"
    named = replace(made, video=replace(made.video, path=path, name=r"caf\xe9.mp4"))
    assert "./caf%E9.mp4#t=4.000" in Elements(page(named)).values("href")


def test_html_says_that_a_model_wrote_it() -> None:
    # Html says that a model wrote it.
    written = page(analysis())
    (label,) = re.findall(r'<meta name="AIGC" content="([^"]*)">', written)
    fields = json.loads(unescape(label))["AIGC"]
    assert (fields["Label"], fields["ProduceID"]) == ("1", "job") and "some/model" in fields["ContentProducer"]
    assert (
        '<p class="label" role="note" dir="auto">The descriptions were generated by an AI model (some/model)' in written
    )
    untouched = page(analysis(chunks=(), engine=None))
    assert "AIGC" not in untouched and 'class="label"' not in untouched
    # Unverified marks do not rely on colour.
    assert 'later at 9:59 <em class="doubt">⚠️ unverified: names a time' in page(analysis())
