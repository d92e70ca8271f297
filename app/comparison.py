"""Side-by-side comparison of two analyses of one video: what each says of the whole and of each frame.

Frames are the same where their index in the video is the same. The lines come from the reports' blocks. Everything
here returns plain values; nothing draws.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain, groupby

from app.components.report_blocks import Renderer, Value, spans
from framelens.core.domain import Analysis, Finding, Keyframe, times_of
from framelens.i18n import t
from framelens.reports.content.builder import sections
from framelens.reports.content.document import (
    ChapterCard,
    Chapters,
    Heading,
    Line,
    Paragraph,
    Span,
    plain_text,
    text_line,
)
from framelens.reports.content.statements import statement

Pieces = list[tuple[str, bool]]
Both = tuple[Analysis, Analysis]
_WORD = re.compile(r"[\u3400-\u9fff]|\w+|\s+|[^\w\s]")
"""Words, spaces and signs; each CJK character counts as a word."""
_MAX_WORDS = 600
"""Longer texts are shown unmarked, because comparing them takes quadratic time."""
_MAX_UNCITED = 20
"""Findings without a frame that are shown."""
_MIN_SIMILARITY = 0.35
"""Texts that share fewer words than this ratio are shown unmarked: nearly everything would be marked."""


@dataclass(frozen=True)
class Moment:
    """A frame of either report or of both, by its index in the video."""

    frames: tuple[Keyframe | None, Keyframe | None]

    @property
    def frame(self) -> Keyframe:
        """Return the frame of the first report that has it."""
        frame = self.frames[0] or self.frames[1]
        assert frame
        return frame


def moments(both: Both) -> list[Moment]:
    """List the frames of both reports in time order."""
    first, other = ({frame.frame_index: frame for frame in analysis.keyframes} for analysis in both)
    return [Moment((first.get(index), other.get(index))) for index in sorted(first.keys() | other.keys())]


def num_shared(both: Both) -> int:
    """Count the frames that are in both reports."""
    return sum(None not in moment.frames for moment in moments(both))


@dataclass(frozen=True)
class StatedLine:
    """A line of a report, and the labelled fields of the finding that it states."""

    line: Line
    fields: tuple[tuple[str, str], ...] = ()


def whole_rows(both: Both) -> list[Value]:
    """Build the rows about the whole video, leaving out those where both sides are empty.

    The rows are title, answer to the question, summary, chapters, and findings that cite no frame.
    """
    sides = [_whole(analysis) for analysis in both]
    titles = sorted({**sides[0], **sides[1]}, key=lambda title: title == t("ui.compare_loose"))
    return [_row(title, (sides[0].get(title, []), sides[1].get(title, []))) for title in titles]


def _whole(analysis: Analysis) -> dict[str, list[StatedLine]]:
    """Map the headings of the report's beginning to the lines below them."""
    title = t("report.video_title")
    lines_by_heading = {title: [StatedLine(text_line(analysis.title))] if analysis.title else []}
    shown = sections(analysis)
    for block in chain.from_iterable(shown[name]() for name in ("answer", "summary", "chapters")):
        match block:
            case Heading(line=line):
                title = plain_text(line)
            case Paragraph(line, "plain") if plain_text(line) == analysis.title:  # it is a row of its own
                pass
            case Paragraph(line, "plain") if title != t("report.video_title"):  # the question is a fact of both
                lines_by_heading.setdefault(title, []).append(StatedLine(line))
            case Chapters(cards):
                lines_by_heading.setdefault(title, []).extend(StatedLine(_chapter(card)) for card in cards)
    uncited = [finding for finding in analysis.findings if not finding.frames][:_MAX_UNCITED]
    lines_by_heading[t("ui.compare_loose")] = _statements(uncited, analysis)
    return {title: lines for title, lines in lines_by_heading.items() if lines}


def _chapter(card: ChapterCard) -> Line:
    title, text = Span(f" {card.title}", "strong"), Span(f" {card.text}", "said")
    return (*card.times, *([title] if card.title else []), *([text] if card.text else []))


def frame_rows(shown: Sequence[Moment], both: Both, job_ids: tuple[str, str]) -> list[Value]:
    """Build a row for each moment with the findings of both reports on it.

    A finding on several frames is in the row of the first of them.

    Args:
        shown: The moments of the open page.
        both: The two analyses.
        job_ids: Their job ids, in the same order.

    Returns:
        Rows for the component of the comparison.
    """
    by_first = [_by_first(analysis) for analysis in both]
    rows = []
    for moment in shown:
        sides = [
            _statements(by_first[index].get(frame.number, []), both[index]) if frame else []
            for index, frame in enumerate(moment.frames)
        ]
        frame, owner = moment.frame, job_ids[0] if moment.frames[0] else job_ids[1]
        rows.append(_row("", (sides[0], sides[1])) | {"picture": Renderer(owner, ()).picture(frame)})
    return rows


def is_same(moment: Moment, both: Both) -> bool:
    """Check whether both reports say exactly the same of this moment."""
    first, other = (
        [(finding.text, dict(finding.fields)) for finding in _findings_of(analysis, frame)]
        for analysis, frame in zip(both, moment.frames, strict=True)
    )
    return first == other


def _findings_of(analysis: Analysis, frame: Keyframe | None) -> list[Finding]:
    if frame is None:
        return []
    return [finding for finding in analysis.findings if finding.frames[:1] == (frame.number,)]


def _by_first(analysis: Analysis) -> dict[int, list[Finding]]:
    by_frame: dict[int, list[Finding]] = {}
    for finding in analysis.findings:
        if finding.frames:
            by_frame.setdefault(finding.frames[0], []).append(finding)
    return by_frame


def _statements(findings: Sequence[Finding], analysis: Analysis) -> list[StatedLine]:
    """Return the lines of findings, with the times of findings on several frames."""
    times = times_of(analysis.keyframes)
    return [
        StatedLine(
            statement(finding, times if len(finding.frames) > 1 else None),
            tuple((analysis.field_names.get(key, key), value) for key, value in finding.fields.items()),
        )
        for finding in findings
    ]


def _row(title: str, sides: tuple[Sequence[StatedLine], Sequence[StatedLine]]) -> Value:
    """Build a row in which the words and fields that differ are marked."""
    texts = ["\n".join(plain_text(entry.line) for entry in side) for side in sides]
    fields = [[field for entry in side for field in entry.fields] for side in sides]
    marked = [
        list(_mark_lines(side, pieces, fields[1 - index]))
        for index, (side, pieces) in enumerate(zip(sides, diff_words(*texts), strict=True))
    ]
    is_equal = texts[0] == texts[1] and fields[0] == fields[1]
    return {"title": title, "picture": None, "sides": marked, "same": is_equal}


def _mark_lines(side: Sequence[StatedLine], pieces: Pieces, others: Sequence[tuple[str, str]]) -> Iterator[Value]:
    differs = [mark for text, mark in pieces for _ in text]
    start = 0
    for entry in side:
        shown = []
        for span in entry.line:
            runs = _runs(span.text, differs[start : start + len(span.text)]) if span.at_seconds is None else ()
            shown += [value | {"text": text, "differs": mark} for value in spans((span,)) for text, mark in runs]
            shown += [] if runs else spans((span,))
            start += len(span.text)
        start += 1  # the line break
        fields = [
            {"label": label, "text": text, "differs": bool(others) and (label, text) not in others}
            for label, text in entry.fields
        ]
        yield {"spans": shown, "fields": fields}


def _runs(text: str, differs: Sequence[bool]) -> Pieces:
    """Split a text where the mark changes."""
    return [
        ("".join(letter for letter, _ in run), mark)
        for mark, run in groupby(zip(text, differs, strict=True), key=lambda pair: pair[1])
    ]


def diff_words(text: str, other: str) -> tuple[Pieces, Pieces]:
    """Split both texts into pieces that are marked where they differ.

    Nothing is marked where the texts have little in common or are too long.

    Returns:
        Two lists of (text, differs).
    """
    words, others = _WORD.findall(text), _WORD.findall(other)
    plain: tuple[Pieces, Pieces] = ([(text, False)], [(other, False)])
    if not words or not others or max(len(words), len(others)) > _MAX_WORDS:
        return plain
    matcher = SequenceMatcher(str.isspace, words, others, autojunk=False)
    if _similarity(matcher, words, others) < _MIN_SIMILARITY:
        return plain
    left: Pieces = []
    right: Pieces = []
    for tag, start, end, start_other, end_other in matcher.get_opcodes():
        left.append(("".join(words[start:end]), tag != "equal"))
        right.append(("".join(others[start_other:end_other]), tag != "equal"))
    return left, right


def _similarity(matcher: SequenceMatcher[str], words: Sequence[str], others: Sequence[str]) -> float:
    """Return the share of words that both texts have in common, 0 to 1; spaces don't count."""
    shared = (word for block in matcher.get_matching_blocks() for word in words[block.a : block.a + block.size])
    count = sum(not word.isspace() for word in shared)
    return 2 * count / max(1, sum(not word.isspace() for word in (*words, *others)))
