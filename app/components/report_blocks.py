"""Blocks of a report in the page, one function per type of block, with what only a page can do.

Times and pictures of cited frames move the player, a prompt is folded, and a heading can have a button. Nothing in a
model's text can load or link.
"""

import base64
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Literal

import streamlit as st

from app import resources
from app.components.assets import component, sent
from app.components.ranges import act_on_sent
from framelens.core.domain import Keyframe
from framelens.core.images import smaller
from framelens.i18n import t
from framelens.plugin_page import RangeAction, VideoRange
from framelens.reports.content.document import (
    Block,
    ChapterCard,
    Chapters,
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
    Verbatim,
    plain_text,
    signed,
    text_line,
)
from framelens.reports.content.labels import clocks
from framelens.reports.graphics.chart_svg import svg

Value = dict[str, object]
State = Literal["waiting", "busy", "done", "failed"]
_mount = component("report", "words", "blocks")
_mount_parts = component("parts", "words", "blocks")
_PARTS_KEY = "parts"
_MAX_PICTURES = 3
"""Pictures shown per statement."""
_NUM_ROWS = 100
"""Rows of a table of numbers in a piece, so that few reports have pages for them."""
_SIDES = (320, 640)
"""Longest sides of pictures in pixels, for large and for small pixels."""


@dataclass(frozen=True)
class ReportPiece:
    """The smallest part of a report that is searched and paged, with the headings above it.

    `blocks` are a frame with all about it, or a row of a table, rows of numbers, an item of a list or any other block
    with the paragraphs before it. `fold` is the summary of the fold that it is in, "" for none.
    """

    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]
    fold: str = ""

    @property
    def text(self) -> str:
        """Return its text for a search, in lower case."""
        return " ".join(plain_text(line) for block in self.blocks for line in lines_of(block)).casefold()

    @property
    def is_doubtful(self) -> bool:
        """Return whether some of it could not be verified."""
        return any(span.style == "doubt" for block in self.blocks for line in lines_of(block) for span in line)


def pieces(blocks: Iterable[Block]) -> Iterator[ReportPiece]:
    """Split blocks of a report, in their order."""
    above: tuple[Heading, ...] = ()
    held: tuple[Block, ...] = ()
    is_frame = False
    for block in blocks:
        if isinstance(block, Heading):
            if held:
                yield ReportPiece(above, held)
            above = tuple(heading for heading in above if heading.level < block.level)
            is_frame = block.anchor.startswith(("frame-", "page-"))
            above, held = (above, (block,)) if is_frame else ((*above, block), ())
        elif isinstance(block, Fold) and any(isinstance(inner, Heading) for inner in block.blocks):
            if held:
                yield ReportPiece(above, held)
            held = ()
            yield from (replace(piece, headings=above, fold=block.summary) for piece in pieces(block.blocks))
        elif is_frame or isinstance(block, Paragraph | Gallery):
            held += (block,)
        else:
            for row_block in _split(block):
                yield ReportPiece(above, (*held, row_block))
                held = ()
    if held:
        yield ReportPiece(above, held)


def _split(block: Block) -> Iterator[Block]:
    match block:
        case Table(rows=rows, numbers=True):
            yield from (replace(block, rows=rows[at : at + _NUM_ROWS]) for at in range(0, len(rows), _NUM_ROWS))
        case Table(rows=rows):
            yield from (replace(block, rows=(row,)) for row in rows)
        case Listing(items, ()):
            yield from (Listing((item,)) for item in items)
        case Findings(findings):
            yield from (Findings((item,)) for item in findings)
        case Chapters(cards):
            yield from (Chapters((card,)) for card in cards)
        case _:
            yield block


def lines_of(block: Block) -> Iterator[Line]:
    """Yield all lines of a block; a picture's lines are in its heading."""
    match block:
        case Heading(line=line) | Paragraph(line=line):
            yield line
        case Listing(items=items) | Measurements(items):
            yield from items
        case Fold(blocks=blocks):
            yield from (line for inner in blocks for line in lines_of(inner))
        case Findings(findings):
            for item in findings:
                yield from (item.times, *(text_line(value) for _, value in item.fields), item.line)
        case Chapters(cards):
            for card in cards:
                yield from (card.times, text_line(card.title), text_line(card.text))
        case Table(rows=rows):
            yield from (cell for row in rows for cell in row)
        case Verbatim(summary, text):
            yield from (text_line(summary), text_line(text))
        case _:
            return


_COPIED = ("answer", "reply", "summary", "findings", "chapters")
"""Anchors of the headings whose text can be copied."""


@dataclass(frozen=True)
class Action:
    """A button at a heading: its words, its label for screen readers, and the number it reports when it is pressed."""

    words: str
    label: str
    number: int


class Renderer:
    """Converter of blocks to values for the browser. It shows the pictures of the job's `frames`."""

    def __init__(
        self,
        job_id: str,
        frames: Iterable[Keyframe],
        actions: Mapping[str, Action] | None = None,
        *,
        range_action: RangeAction | None = None,
        intervals: Iterable[VideoRange] = (),
        left_out: Container[int] = (),
    ) -> None:
        """Create a renderer.

        Args:
            job_id: The job.
            frames: Its frames.
            left_out: Numbers of the frames whose pictures a person has left out.
            actions: Buttons by the anchors of headings.
            range_action: What can be done with a range of the video, None if nothing can.
            intervals: Intervals of the answers in the report; each is shown by the picture of its first frame.
        """
        self._job_id = job_id
        self._frames = {frame.number: frame for frame in frames}
        self._actions = actions or {}
        self._range_action = range_action
        self._left_out = left_out
        self._intervals = {interval.start_seconds: interval for interval in intervals}

    @property
    def marks(self) -> dict[str, float]:
        """Map frame numbers to seconds, with the string keys that JSON needs."""
        return {str(number): frame.time_seconds for number, frame in self._frames.items()}

    def values(self, shown: Iterable[ReportPiece]) -> list[Value]:
        """Convert pieces, with a heading above the first piece under it, and rows in one list or table."""
        values: list[Value] = []
        above: tuple[Heading, ...] = ()
        for fold, group in groupby(shown, key=lambda piece: piece.fold):
            inside: list[Value] = [] if fold else values
            for piece in group:
                values += (self._heading(heading) for heading in piece.headings if heading not in above)
                above = piece.headings
                self._append(piece, inside)
            if fold:
                values.append({"kind": "fold", "summary": fold, "blocks": inside})
        return values

    def _append(self, piece: ReportPiece, values: list[Value]) -> None:
        is_frame = isinstance(piece.blocks[0], Heading)
        for value in [self._frame(piece.blocks)] if is_frame else map(self._block, piece.blocks):
            if value and "rows" in value and values and values[-1]["kind"] == value["kind"]:
                values[-1]["rows"] += value["rows"]  # type: ignore[operator]
            elif value:
                values.append(value)

    def _block(self, block: Block) -> Value | None:
        match block:
            case Heading():
                return self._heading(block)
            case Paragraph(line, tone):
                return paragraph(signed(block) if tone != "label" else line, tone)
            case Measurements(items):
                lines = [plain_text(item) for item in items]
                return {"kind": "folded", "summary": t("ui.measurements"), "lines": lines}
            case Listing(levels=levels) if levels:
                return {"kind": "items", "items": [{"level": n, "line": spans(line)} for n, line in block.leveled]}
            case Listing(items):
                return {"kind": "rows", "rows": [self._item(item) for item in items]}
            case Findings(findings):
                return {"kind": "rows", "rows": [self._finding(item) for item in findings]}
            case Chapters(cards):
                return {"kind": "cards", "rows": [self._chapter(card) for card in cards]}
            case Table(heads, rows, numbers) if heads and not numbers:
                return {"kind": "rows", "rows": [self._row(heads, row) for row in rows]}
            case Table(heads, rows, numbers):
                return _table([*heads], rows, numbers=range(len(heads)) if numbers else ())
            case Gallery(shown):
                return gallery([self._frames[picture.number] for picture in shown], self)
            case ThumbnailRow(shown):
                return {"kind": "thumbnails", "pictures": [self._thumbnail(picture) for picture in shown]}
            case Verbatim("", text):
                return {"kind": "code", "text": text}
            case Fold(summary, blocks):
                return {"kind": "fold", "summary": summary, "blocks": [self._block(inner) for inner in blocks]}
            case Verbatim(summary, text):
                return {"kind": "verbatim", "summary": summary, "text": text, "copy": t("ui.copy")}
            case Timeline():
                return self._timeline(block)
            case _:
                return None  # pictures are beside the blocks about them

    def _timeline(self, block: Timeline) -> Value:
        heading = self._heading(block.heading)
        return {"kind": "timeline", "heading": heading, "svg": svg(block.chart, block.alt), "alt": block.alt}

    def _heading(self, heading: Heading) -> Value:
        action = self._actions.get(heading.anchor)
        shown = {"kind": "heading", "level": heading.level, "line": spans(heading.line)}
        labels = {"copy": t("ui.copy"), "copied": t("ui.copied")} if heading.anchor in _COPIED else None
        return {**shown, "action": vars(action) if action else None, "copy": labels}

    def _frame(self, blocks: Sequence[Block]) -> Value:
        picture = next((self._picture(block) for block in blocks if isinstance(block, PictureBlock)), None)
        about = [self._block(block) for block in blocks if not isinstance(block, PictureBlock)]
        return {"kind": "frames", "rows": [{"picture": picture, "blocks": about}]}

    def _item(self, item: Line) -> Value:
        """Convert an item of a list; the times that it begins with are put before it."""
        text = next((index for index, span in enumerate(item) if span.at_seconds is None and span.text != " – "), 0)
        lead, rest = (item[:text], item[text:]) if item[0].at_seconds is not None else ((), item)
        return {"pictures": self._cited_pictures(item), "lead": spans(lead), "line": spans(rest), "fields": []}

    def _row(self, heads: Sequence[Line], row: Sequence[Line]) -> Value:
        """Convert a row of a table: times, labelled values, and the statement."""
        first, *middle, last = row
        cells = zip(heads[1:-1], middle, strict=True)
        fields = [{"label": plain_text(head), "text": plain_text(cell)} for head, cell in cells]
        return {"pictures": self._cited_pictures(first), "lead": spans(first), "line": spans(last), "fields": fields}

    def _finding(self, item: FindingItem) -> Value:
        cited = [self._frames[number] for number in item.frames if number in self._frames]
        times = [frame.time_seconds for frame in cited] or [
            at for span in item.times if (at := span.at_seconds) is not None
        ]
        return {
            "pictures": self._pictures(cited),
            "lead": spans(item.times),
            "line": spans(item.line),
            "fields": [{"label": label, "text": value} for label, value in item.fields],
            "range": self._range(times, is_cited=True),
        }

    def _range(self, times: Sequence[float], *, is_cited: bool = False) -> Value | None:
        """Return the range from the first to the last of these times, None if nothing can be done with it."""
        if not (self._range_action and times):
            return None
        return VideoRange(min(times), max(times), job_id=self._job_id, is_cited=is_cited).value(self._range_action)

    def _chapter(self, card: ChapterCard) -> Value:
        picture = self._picture(card.picture) if card.picture else None
        text = spans((Span(card.text, "said"),)) if card.text else []
        edges = self._range([span.at_seconds for span in card.times if span.at_seconds is not None])
        return {"picture": picture, "lead": spans(card.times), "title": card.title, "line": text, "range": edges}

    def _cited_pictures(self, line: Line) -> list[Value]:
        """List small pictures of the first few frames that a line cites."""
        return self._pictures([self._frames[span.frame] for span in line if span.frame in self._frames])

    def _pictures(self, cited: Sequence[Keyframe]) -> list[Value]:
        """List small pictures of the first few frames, without those that a person has left out."""
        return [self.picture(frame) for frame in cited if frame.number not in self._left_out][:_MAX_PICTURES]

    def _thumbnail(self, block: PictureBlock) -> Value:
        """Convert a picture of a conversation: a keyframe of the job, or a picture that no route serves."""
        title = block.caption or block.alt
        moves: Value = {} if block.at_seconds is None else {"seconds": block.at_seconds, "plays": True}
        interval = self._intervals.get(-1.0 if block.at_seconds is None else block.at_seconds)
        if interval and self._range_action:
            moves["range"] = interval.value(self._range_action)
        if frame := self._frames.get(block.number):
            return {**self.picture(frame), **moves, "title": title}
        data = base64.b64encode(smaller(block.jpeg, _SIDES[0])).decode("ascii")
        size = {"width": block.width, "height": block.height}
        return {"src": f"data:image/jpeg;base64,{data}", "title": title, "alt": block.alt, **moves, **size}

    def _picture(self, block: PictureBlock) -> Value:
        return self.picture(self._frames[block.number])

    def picture(self, frame: Keyframe) -> Value:
        """Convert a frame to a picture that moves the player, sharper on a screen with small pixels."""
        (time,), longest = clocks([frame.time_seconds], digits=1), max(frame.width, frame.height)
        small, large = (resources.picture_url(self._job_id, frame, side if side < longest else None) for side in _SIDES)
        return {
            "src": small,
            "srcset": f"{large} 2x",
            "seconds": frame.time_seconds,
            "title": t("ui.frame", n=frame.number) if frame.number else "",
            "time": time,
            "why": t(f"reason.{frame.reason}"),
            "alt": t("ui.go_to", time=time),
            "width": frame.width,
            "height": frame.height,
        }


def spans(line: Iterable[Span]) -> list[Value]:
    """Convert the spans of a line."""
    return [_span(span) for span in line]


def _span(span: Span) -> Value:
    value: Value = {"text": span.text}
    value |= {} if span.style == "plain" else {"style": span.style}
    value |= {} if span.at_seconds is None else {"at": span.at_seconds}
    return value | ({"was": t("ui.model_words", text=span.was)} if span.was else {})


def draw(
    shown: Iterable[ReportPiece], renderer: Renderer, *, key: str, on_action: Callable[[int], None] | None = None
) -> None:
    """Draw the pieces of a report; `on_action` is called with the number of a heading's button that was pressed."""

    def notify() -> None:
        number = sent(key, "retry")
        if on_action and isinstance(number, int):
            on_action(number)

    data = {"blocks": renderer.values(shown), "marks": renderer.marks}
    _mount(key=key, data=data, on_retry_change=notify, on_act_change=partial(act_on_sent, key))


def draw_values(values: Sequence[Value], renderer: Renderer, *, key: str) -> None:
    """Draw what the page has that isn't in a report yet: an incoming answer, or frames found on the way."""
    _mount(key=key, data={"blocks": list(values), "marks": renderer.marks}, on_retry_change=lambda: None)


def draw_answer(
    values: Sequence[Value],
    marks: Mapping[str, float],
    *,
    key: str,
    on_action: Callable[[str, int], None] = lambda action, number: None,
) -> None:
    """Draw an answer of a conversation.

    Args:
        values: The text and pictures.
        marks: Seconds of the frames, by their numbers, at which a citation moves the player.
        key: The widget key.
        on_action: Called with "open" or "look" and the number of the picture whose button was pressed.
    """

    def act(action: str) -> None:
        number = sent(key, action)
        if isinstance(number, int):
            on_action(action, number)

    data = {"blocks": list(values), "marks": dict(marks)}
    _mount(
        key=key,
        data=data,
        on_open_change=partial(act, "open"),
        on_look_change=partial(act, "look"),
        on_act_change=partial(act_on_sent, key),
    )


def paragraph(line: Line, tone: str = "plain") -> Value:
    """Return a paragraph as a value for the browser."""
    return {"kind": "paragraph", "tone": tone, "line": spans(line)}


def prose(text: str, *, live: bool) -> Value:
    """Return the text of an answer as a value for the browser."""
    return {"kind": "prose", "text": text, "live": live}


def gallery(frames: Iterable[Keyframe], renderer: Renderer, *, is_strip: bool = False) -> Value:
    """Return frames as a value for the browser, in rows with their facts or as a strip of pictures alone."""
    return {"kind": "gallery", "pictures": [renderer.picture(frame) for frame in frames], "is_strip": is_strip}


def draw_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    key: str,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (),
) -> None:
    """Draw a table of short texts.

    Args:
        heads: Column headings.
        rows: Cells of each row.
        key: The widget key.
        numbers: Indices of the columns that are aligned right.
        wide: Indices of the columns that hold whole sentences.
    """
    lines = [[text_line(cell) for cell in row] for row in rows]
    table = _table([text_line(head) for head in heads], lines, numbers=numbers, wide=wide)
    _mount(key=key, data={"blocks": [table], "marks": {}}, on_retry_change=lambda: None)


def _table(
    heads: Sequence[Line],
    rows: Iterable[Sequence[Line]],
    *,
    numbers: Sequence[int],
    wide: Sequence[int] = (),
) -> Value:
    shown = {"heads": [spans(head) for head in heads], "rows": [[spans(cell) for cell in row] for row in rows]}
    return {"kind": "table", **shown, "numbers": list(numbers), "wide": list(wide)}


@dataclass(frozen=True)
class PartView:
    """A part of an unfinished report.

    Attributes:
        number: Number of its request.
        title: Its heading.
        state: Its state.
        state_text: The state in words.
        note: The number of its findings in words.
        brief: One line of the result, or why it failed.
        blocks: Content shown below it: an incoming answer, or the blocks of an unfolded part.
        can_open: Whether it can be unfolded.
    """

    number: int
    title: str
    state: State
    state_text: str
    note: str = ""
    brief: str = ""
    blocks: Sequence[Value] = ()
    can_open: bool = False


def opened_parts() -> frozenset[int]:
    """Return the numbers of the parts that the reader has unfolded."""
    value = st.session_state.get(_PARTS_KEY) or {}
    return frozenset(number for number in value.get("open") or () if isinstance(number, int))


def draw_parts(parts: Sequence[PartView], renderer: Renderer) -> None:
    """Draw the parts in the order given."""
    data = {"parts": [vars(part) for part in parts], "marks": renderer.marks}
    _mount_parts(key=_PARTS_KEY, data=data, on_open_change=lambda: None)
