"""Side-by-side comparison of two analyses of one video: what each says of the whole and of each frame.

Frames are the same where their index in the video is the same. Everything here returns plain values; nothing draws.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from app.core import Analysis, Finding, Keyframe, clock
from app.reports.content import times_of
from app.ui.context import t
from app.ui.view_models import Line, line, pictures

Pieces = list[tuple[str, bool]]
Lines = list[Line]
Both = tuple[Analysis, Analysis]
_WORD = re.compile(r"[\u3400-\u9fff]|\w+|\s+|[^\w\s]")
"""Words, spaces and signs; each CJK character counts as a word."""
_MAX_WORDS = 600
"""Longer texts are shown unmarked, because comparing them takes quadratic time. Chosen by hand; not tuned."""
_MAX_UNCITED = 20
"""Findings without a frame that are shown. Chosen by hand; not tuned."""
_MIN_SIMILARITY = 0.35
"""Texts that share fewer words than this ratio are shown unmarked: nearly everything would be marked. Chosen by hand;
not tuned.
"""


@dataclass(frozen=True)
class Moment:
    """A frame of one of the reports or of both, by its index in the video."""

    frames: tuple[Keyframe | None, Keyframe | None]

    @property
    def frame(self) -> Keyframe:
        """Return the frame of the first report that has it."""
        found = self.frames[0] or self.frames[1]
        assert found
        return found


def moments(both: Both) -> list[Moment]:
    """List the frames of both reports in time order."""
    one, other = ({frame.frame_index: frame for frame in analysis.keyframes} for analysis in both)
    return [Moment((one.get(index), other.get(index))) for index in sorted(one.keys() | other.keys())]


def num_shared(both: Both) -> int:
    """Count the frames that are in both reports."""
    return sum(None not in moment.frames for moment in moments(both))


def whole_rows(both: Both) -> list[dict[str, object]]:
    """Build the rows about the whole video, leaving out those where both sides are empty.

    The rows are title, answer to the question, summary, chapters, and findings that cite no frame.
    """
    readers: dict[str, Callable[[Analysis], Lines]] = {
        "report.video_title": _title,
        "report.reply": lambda analysis: _to_lines(_reply(analysis), analysis),
        "report.summary": lambda analysis: _to_lines(analysis.overview, analysis),
        "report.chapters": _chapters,
        "ui.compare_loose": lambda analysis: _to_lines(_uncited(analysis)[:_MAX_UNCITED], analysis),
    }
    rows = [_row(t(key), (read(both[0]), read(both[1]))) for key, read in readers.items()]
    return [row for row in rows if any(row["sides"])]  # type: ignore[arg-type]


def frame_rows(shown: Sequence[Moment], both: Both, job_ids: tuple[str, str]) -> list[dict[str, object]]:
    """Build a row for each moment with the findings of both reports on it.

    A finding on several frames is in the row of the first of them.

    Args:
        shown: The moments of the open page.
        both: The two analyses.
        job_ids: Their job ids, in the same order.

    Returns:
        Rows for `components.side_by_side.draw`.
    """
    by_first = [_by_first(analysis) for analysis in both]
    rows = []
    for moment in shown:
        sides = [
            _without_own_time(_to_lines(by_first[place].get(frame.number, []), both[place])) if frame else []
            for place, frame in enumerate(moment.frames)
        ]
        frame, owner = moment.frame, job_ids[0] if moment.frames[0] else job_ids[1]
        row = _row("", (sides[0], sides[1]))
        row["picture"] = pictures([frame.number], {frame.number: frame}, owner)[0]
        row["chip"] = {"label": clock(frame.time_seconds), "seconds": frame.time_seconds}
        rows.append(row)
    return rows


def is_same(moment: Moment, both: Both) -> bool:
    """Check whether both reports say exactly the same of this moment."""
    one, other = (
        [(finding.text, dict(finding.fields)) for finding in _findings_of(analysis, frame)]
        for analysis, frame in zip(both, moment.frames, strict=True)
    )
    return one == other


def _findings_of(analysis: Analysis, frame: Keyframe | None) -> list[Finding]:
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
    return [_plain_line(analysis.title)] if analysis.title else []


def _reply(analysis: Analysis) -> tuple[Finding, ...]:
    return analysis.whole.reply if analysis.whole else ()


def _chapters(analysis: Analysis) -> Lines:
    chapters = analysis.whole.chapters if analysis.whole else ()
    return [
        {**_plain_line(one.title), "chips": [{"label": clock(one.start_seconds), "seconds": one.start_seconds}]}
        for one in chapters
    ]


def _to_lines(findings: Sequence[Finding], analysis: Analysis) -> Lines:
    times = times_of(analysis.keyframes)
    return [line(finding, times, analysis.field_names) for finding in findings]


def _without_own_time(lines: Lines) -> Lines:
    """Remove the time of the row itself where it is the only one."""
    return [{**each, "chips": each["chips"] if len(_chips(each)) > 1 else []} for each in lines]


def _chips(each: Line) -> list[Line]:
    return each["chips"]  # type: ignore[return-value]


def _uncited(analysis: Analysis) -> list[Finding]:
    return [finding for finding in analysis.findings if not finding.frames]


def _plain_line(text: str) -> Line:
    return {"text": text, "chips": [], "fields": [], "flags": []}


def _row(title: str, sides: tuple[Lines, Lines]) -> dict[str, object]:
    """Build a row whose diff_words words and fields are marked."""
    texts = [[str(one["text"]) for one in side] for side in sides]
    one, other = diff_words("\n".join(texts[0]), "\n".join(texts[1]))
    pieces = (_split_lines(one), _split_lines(other))
    fields = [[_field(field) for one in side for field in _fields(one)] for side in sides]
    marked = [
        [
            {**each, "pieces": pieces[place][at], "fields": _mark_fields(_fields(each), fields[1 - place])}
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


def _mark_fields(fields: list[Line], others: list[tuple[object, object]]) -> list[Line]:
    return [{**field, "differs": bool(others) and _field(field) not in others} for field in fields]


def diff_words(one: str, other: str) -> tuple[Pieces, Pieces]:
    """Split both texts into pieces that are marked where they differ.

    Nothing is marked where the texts have little in common or are too long.

    Returns:
        Two lists of (text, differs).
    """
    words, others = _WORD.findall(one), _WORD.findall(other)
    plain: tuple[Pieces, Pieces] = ([(one, False)], [(other, False)])
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


def _split_lines(pieces: Pieces) -> list[Pieces]:
    """Split the pieces at line breaks."""
    lines: list[Pieces] = [[]]
    for text, differs in pieces:
        for at, part in enumerate(text.split("\n")):
            if at:
                lines.append([])
            if part:
                lines[-1].append((part, differs))
    return lines
