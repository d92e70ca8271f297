"""Sets two analyses of one video side by side: what each says of the whole and of each frame, and where they differ.

Frames are the same where their place in the video is. Plain values come out of this; nothing is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from app.core.domain import Analysis, Finding, Keyframe, Language, clock
from app.i18n import t
from app.reports.content.request_parts import times_of
from app.ui.view_models import Line, line, pictures

Pieces = list[tuple[str, bool]]
Lines = list[Line]
Both = tuple[Analysis, Analysis]
_WORD = re.compile(r"[\u3400-\u9fff]|\w+|\s+|[^\w\s]")
_MOST_WORDS = 600
_MOST_LOOSE = 20
_AKIN = 0.35
"""From this share of equal words on it helps to mark the others; texts with less in common are read as they stand."""


@dataclass(frozen=True)
class Moment:
    """A frame of one of the reports or of both, by its place in the video."""

    frames: tuple[Keyframe | None, Keyframe | None]

    @property
    def frame(self) -> Keyframe:
        found = self.frames[0] or self.frames[1]
        assert found
        return found


def moments(both: Both) -> list[Moment]:
    """The frames of both in time order."""
    one, other = ({frame.frame_index: frame for frame in analysis.keyframes} for analysis in both)
    return [Moment((one.get(index), other.get(index))) for index in sorted(one.keys() | other.keys())]


def num_shared(both: Both) -> int:
    """How many frames both rest on."""
    return sum(None not in moment.frames for moment in moments(both))


def whole_rows(both: Both, language: Language) -> list[dict[str, object]]:
    """Title, answer to the question, summary, chapters, and what cites no frame, as far as one of them has any."""
    ways: dict[str, Callable[[Analysis], Lines]] = {
        "report.video_title": _title,
        "report.reply": lambda analysis: _said(_reply(analysis), analysis, language),
        "report.summary": lambda analysis: _said(analysis.overview, analysis, language),
        "report.chapters": _chapters,
        "ui.compare_loose": lambda analysis: _said(_loose(analysis)[:_MOST_LOOSE], analysis, language),
    }
    rows = [_row(t(key, language), (way(both[0]), way(both[1]))) for key, way in ways.items()]
    return [row for row in rows if any(row["sides"])]  # type: ignore[arg-type]


def frame_rows(
    shown: Sequence[Moment], both: Both, job_ids: tuple[str, str], language: Language
) -> list[dict[str, object]]:
    """A row for each moment: what each says that rests on it, a finding on several frames at the first of them."""
    by_first = [_by_first(analysis) for analysis in both]
    rows = []
    for moment in shown:
        sides = [
            _brief(_said(by_first[place].get(frame.number, []), both[place], language)) if frame else []
            for place, frame in enumerate(moment.frames)
        ]
        frame, owner = moment.frame, job_ids[0] if moment.frames[0] else job_ids[1]
        row = _row("", (sides[0], sides[1]))
        row["picture"] = pictures([frame.number], {frame.number: frame}, owner, language)[0]
        row["chip"] = {"label": clock(frame.time_seconds), "seconds": frame.time_seconds}
        rows.append(row)
    return rows


def is_same(moment: Moment, both: Both) -> bool:
    """Whether both say the very same of it, letter for letter."""
    one, other = (
        [(finding.text, dict(finding.fields)) for finding in _of(analysis, frame)]
        for analysis, frame in zip(both, moment.frames, strict=True)
    )
    return one == other


def _of(analysis: Analysis, frame: Keyframe | None) -> list[Finding]:
    if frame is None:
        return []
    return [finding for finding in analysis.findings if finding.frames[:1] == (frame.number,)]


def _by_first(analysis: Analysis) -> dict[int, list[Finding]]:
    found: dict[int, list[Finding]] = {}
    for finding in analysis.findings:
        if finding.frames:
            found.setdefault(finding.frames[0], []).append(finding)
    return found


def _title(analysis: Analysis) -> Lines:
    return [_plain(analysis.title)] if analysis.title else []


def _reply(analysis: Analysis) -> tuple[Finding, ...]:
    return analysis.whole.reply if analysis.whole else ()


def _chapters(analysis: Analysis) -> Lines:
    chapters = analysis.whole.chapters if analysis.whole else ()
    return [
        {**_plain(one.title), "chips": [{"label": clock(one.start_seconds), "seconds": one.start_seconds}]}
        for one in chapters
    ]


def _said(findings: Sequence[Finding], analysis: Analysis, language: Language) -> Lines:
    times = times_of(analysis.keyframes)
    return [line(finding, times, language, analysis.field_names) for finding in findings]


def _brief(lines: Lines) -> Lines:
    """Without the time of the row itself, where that is the only one."""
    return [{**each, "chips": each["chips"] if len(_chips(each)) > 1 else []} for each in lines]


def _chips(each: Line) -> list[Line]:
    return each["chips"]  # type: ignore[return-value]


def _loose(analysis: Analysis) -> list[Finding]:
    return [finding for finding in analysis.findings if not finding.frames]


def _plain(text: str) -> Line:
    return {"text": text, "chips": [], "fields": [], "flags": []}


def _row(title: str, sides: tuple[Lines, Lines]) -> dict[str, object]:
    """The lines with their words in pieces, of which those that differ are marked; fields likewise as a whole."""
    texts = [[str(one["text"]) for one in side] for side in sides]
    one, other = differing("\n".join(texts[0]), "\n".join(texts[1]))
    pieces = (_lines_of(one), _lines_of(other))
    fields = [[_field(field) for one in side for field in _fields(one)] for side in sides]
    marked = [
        [
            {**each, "pieces": pieces[place][at], "fields": _marked(_fields(each), fields[1 - place])}
            for at, each in enumerate(side)
        ]
        for place, side in enumerate(sides)
    ]
    is_equal = texts[0] == texts[1] and fields[0] == fields[1]
    return {"title": title, "chip": None, "picture": None, "sides": marked, "same": is_equal}


def _fields(each: Line) -> list[Line]:
    return each["fields"]  # type: ignore[return-value]


def _field(field: Line) -> tuple[object, object]:
    return field["label"], field["text"]


def _marked(fields: list[Line], others: list[tuple[object, object]]) -> list[Line]:
    return [{**field, "differs": bool(others) and _field(field) not in others} for field in fields]


def differing(one: str, other: str) -> tuple[Pieces, Pieces]:
    """Both texts in pieces, each with whether it has no counterpart in the other; unmarked where they have little in
    common, or are too long.
    """
    words, others = _WORD.findall(one), _WORD.findall(other)
    plain: tuple[Pieces, Pieces] = ([(one, False)], [(other, False)])
    if not words or not others or max(len(words), len(others)) > _MOST_WORDS:
        return plain
    matcher = SequenceMatcher(str.isspace, words, others, autojunk=False)
    if _share_in_common(matcher, words, others) < _AKIN:
        return plain
    left: Pieces = []
    right: Pieces = []
    for tag, start, end, start_other, end_other in matcher.get_opcodes():
        left.append(("".join(words[start:end]), tag != "equal"))
        right.append(("".join(others[start_other:end_other]), tag != "equal"))
    return left, right


def _share_in_common(matcher: SequenceMatcher[str], words: Sequence[str], others: Sequence[str]) -> float:
    """Of all words of both, 0 … 1; the spaces between them do not count."""
    shared = (word for block in matcher.get_matching_blocks() for word in words[block.a : block.a + block.size])
    count = sum(not word.isspace() for word in shared)
    return 2 * count / max(1, sum(not word.isspace() for word in (*words, *others)))


def _lines_of(pieces: Pieces) -> list[Pieces]:
    """The pieces of each line."""
    lines: list[Pieces] = [[]]
    for text, differs in pieces:
        for at, part in enumerate(text.split("\n")):
            if at:
                lines.append([])
            if part:
                lines[-1].append((part, differs))
    return lines
