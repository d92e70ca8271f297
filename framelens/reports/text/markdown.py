"""Report as Markdown, with its pictures in a folder beside it.

Text from a model, a file name or a screen is escaped, so that it cannot become headings, links or HTML.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from framelens.core.domain import Analysis, Language
from framelens.core.files import cut_to_bytes, safe_stem
from framelens.i18n import aside, in_language, t
from framelens.reports.content import document as content_blocks
from framelens.reports.content.builder import document
from framelens.reports.content.document import (
    Block,
    ChapterCard,
    Chapters,
    Document,
    FindingItem,
    Findings,
    Fold,
    Gallery,
    Heading,
    Line,
    Listing,
    Measurements,
    Paragraph,
    PictureBlock,
    Span,
    Table,
    ThumbnailRow,
    Timeline,
    plain_text,
    signed,
)
from framelens.reports.content.labels import printable
from framelens.reports.content.provenance import escape_comment
from framelens.reports.files import ReportFile, frame_file_name

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
_BARE_ADDRESS = re.compile(r"(:|\bwww)(//|\.)")
_MOST_STEM_BYTES = 120
"""Bytes of a video's name in the folder's name; file systems allow 255."""
_LINE_START = re.compile(r"^(\s*\d*)([-+=.)])")  # a list or the underline of a heading; in "1." the point is escaped


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the report as Markdown (CommonMark with tables) in UTF-8."""
    with in_language(language):
        content = document(analysis, appendix=appendix)
        return render(content, _folder(analysis))


def without_pictures(analysis: Analysis, language: Language) -> str:
    """Return the short report as Markdown without pictures, to be pasted as text."""
    with in_language(language):
        content = document(analysis)
        return render(replace(content, blocks=tuple(_in_words(content.blocks)))).decode()


def _in_words(shown: Iterable[Block]) -> Iterator[Block]:
    for block in shown:
        match block:
            case Chapters(cards):
                yield Listing(tuple(card.line for card in cards))
            case PictureBlock() | ThumbnailRow() | Gallery() | Heading(anchor=content_blocks.SHEET):
                pass
            case _:
                yield block


def render(content: Document, folder: str = "") -> bytes:
    """Return a document as Markdown in UTF-8, with its pictures in `folder`."""
    lines = [f"# {escape(content.title)}", "", *(line for block in content.blocks for line in _lines(block, folder))]
    if content.appendix:
        lines += ["---", "", f"# {escape(t('report.appendix', content.language))}", ""]
        lines += [line for block in content.appendix for line in _lines(block, folder)]
    label = escape_comment(content.facts.aigc)
    hidden = ["", f"<!-- {label} -->"] if label else []
    return ("\n".join([*lines, *hidden]).rstrip() + "\n").encode()


def pictures(analysis: Analysis, *, appendix: bool = False) -> list[ReportFile]:
    """List the pictures that the text refers to, under their paths in the text."""
    folder = _folder(analysis)
    with in_language(analysis.request.language):  # any language: the files are the same
        content = document(analysis, appendix=appendix)
    shown = tuple(block for block in content.blocks if not isinstance(block, Findings))  # they show times alone
    return [
        ReportFile(f"{folder}/{_file_name(picture)}", picture.jpeg)
        for picture in replace(content, blocks=shown).pictures
    ]


def _folder(analysis: Analysis) -> str:
    """Return a folder name with the video's name, unique to this analysis: several reports may be in one folder."""
    stem = cut_to_bytes(safe_stem(analysis.video.name), _MOST_STEM_BYTES)
    return f"{stem}-frames-{hashlib.sha256(analysis.id.encode()).hexdigest()[:8]}"


def _lines(block: Block, folder: str) -> Iterator[str]:
    match block:
        case Heading(level, line):
            yield from (f"{'#' * level} {_inline(line)}", "")
        case Paragraph(tone="plain" | "quiet"):
            yield from (_inline(block.line), "")
        case Paragraph(tone="answer"):
            yield from ("  \n".join(f"> {inert(line)}" for line in plain_text(block.line).splitlines()), "")
        case Paragraph():  # notices are quoted, line by line
            yield from ("  \n".join(f"> {escape(line)}" for line in plain_text(signed(block)).splitlines()), "")
        case Listing():
            yield from (*(f"{'  ' * level}- {_inline(item)}" for level, item in block.leveled), "")
        case Table(heads, rows, numbers):
            columns = len(rows[0]) if rows else len(heads)
            titles = [_inline(head) for head in heads] or [""] * columns
            yield from table(titles, [[_inline(cell) for cell in row] for row in rows], numbers=numbers)
        case PictureBlock():
            yield from (_image(block, folder), "")
        case ThumbnailRow(pictures):
            yield from (" ".join(_image(picture, folder) for picture in pictures), "")
        case Gallery(pictures):
            cells = [(_image(picture, folder), escape(picture.caption or picture.alt)) for picture in pictures]
            yield from _cells(cells, block.columns)
        case Chapters(cards):
            yield from _cells([_card(card, folder) for card in cards], block.columns)
        case Findings(items):
            yield from (*(f"- {_finding(item)}" for item in items), "")
        case Measurements(items):
            yield from (*(f"- {_inline(item)}" for item in items), "")
        case Fold(blocks=blocks):  # a text to be read as a whole
            yield from (line for inner in blocks for line in _lines(inner, folder))
        case Timeline():  # its content is in other blocks
            pass
        case _:
            yield from fenced(block.text)


def _cells(cells: Sequence[tuple[str, str]], columns: int) -> Iterator[str]:
    """Yield a table of pictures with their captions below them."""
    columns = min(columns, len(cells))
    filled = [*cells, *[("", "")] * (-len(cells) % columns)]
    rows = [tuple(zip(*filled[start : start + columns], strict=True)) for start in range(0, len(filled), columns)]
    (first, captions), *others = rows
    yield from table(first, [captions, *(row for pair in others for row in pair)])


def _card(card: ChapterCard, folder: str) -> tuple[str, str]:
    return _image(card.picture, folder) if card.picture else "", _inline(card.line)


def _finding(item: FindingItem) -> str:
    times = aside(_inline(item.times))
    fields = "".join(f" · {escape(label)}: {escape(value)}" for label, value in item.fields)
    return f"{_inline(item.line)}{times}{fields}"


def _image(picture: PictureBlock, folder: str) -> str:
    return f"![{escape(picture.alt)}]({quote(folder)}/{_file_name(picture)})"


def _file_name(picture: PictureBlock) -> str:
    if picture.number:
        return frame_file_name(picture.number, picture.time_seconds)
    return f"{picture.key}.jpg"


def _inline(line: Line) -> str:
    return on_line("".join(map(_span, line)))


def _span(span: Span) -> str:
    text = escape_words(span.text)
    if span.address:
        return f"[{text}](<{span.address}>)"
    match span.style:
        case "strong" if stripped := text.strip():  # within stars, no blank may be at an end
            return text.replace(stripped, f"**{stripped}**")
        case "doubt":
            return f"⚠️ *{text}*"
        case "quoted":
            return _without_addresses(escape_words(printable(span.text)))
        case _:
            return text


def escape(text: str) -> str:
    """Escape text as one line that a Markdown reader shows verbatim."""
    return on_line(escape_words(text))


def inert(text: str) -> str:
    """Escape text as one line, without the links that some readers make of bare addresses."""
    return _without_addresses(escape(printable(text)))


def _without_addresses(escaped: str) -> str:
    return _BARE_ADDRESS.sub(r"\1\\\2", escaped)


def escape_words(text: str) -> str:
    """Escape text within a line; spaces at its ends are kept."""
    return _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text))


def on_line(escaped: str) -> str:
    """Turn escaped text into a line of its own, on which the beginning of a list is escaped, too."""
    return _LINE_START.sub(r"\1\\\2", escaped.strip())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> Iterator[str]:
    """Yield a table of Markdown cells and an empty line. `numbers` aligns the cells to the right."""
    yield _row(heads)
    yield _row(["---:" if numbers else "---"] * len(heads))
    yield from map(_row, rows)
    yield ""


def fenced(text: str) -> Iterator[str]:
    """Yield `text` verbatim, in a fence longer than any fence in the text."""
    fence = "`" * max(4, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    yield f"{fence}text"
    yield text
    yield fence
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
