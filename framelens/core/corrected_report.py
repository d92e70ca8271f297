"""Report after the corrections of people: a pure function of the model's report and the log of corrections.

An item of a report has a key: "title", "note" (to the reader), and by number from 1 "q1" for a line of the answer to
the question, "s1" for a sentence of the summary, "f1" for a finding, "r1" for a sentence of a reply, "c1" for a
chapter, "p1" for the picture of frame 1, "q3fa2c1.1" for a line of an answer in a conversation, and "a1" for what the
first correction of the log added. A sentence that a later run has moved is found by the model's words; one that it has
not written again keeps its correction in the log, among `unmatched`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from framelens.core.citations import cited_in
from framelens.core.corrections import Correction, in_force
from framelens.core.domain import (
    Analysis,
    Chapter,
    ChunkResult,
    Corrections,
    Finding,
    ReportedAnswer,
    ReportedConversation,
    times_of,
)

ItemKind = Literal["title", "note", "answer", "summary", "finding", "reply", "chapter", "picture", "added", "remark"]
Statement = Finding | Chapter
_FIELDS: dict[str, tuple[ItemKind, str]] = {
    "r": ("reply", "reply"), "s": ("summary", "overview"), "c": ("chapter", "chapters"), "f": ("finding", "findings"),
}  # fmt: skip
"""Kinds of statements by the letters of their keys, and the fields of a result that have them."""


@dataclass(frozen=True)
class ReportItem:
    """What can be corrected in a report.

    Attributes:
        text: What the report says there, "" if it says nothing.
        original: The model's words, "" if it wrote none.
        frames: Numbers of the frames that it rests on.
        correction: The correction in force.
        question: The question of a conversation that it answers, "" elsewhere.
        original_issues: What could not be verified in the model's words.
        times: Seconds of the pictures that it may cite, by number.
    """

    key: str
    kind: ItemKind
    text: str
    original: str
    frames: tuple[int, ...] = ()
    time_seconds: float | None = None
    issues: tuple[str, ...] = ()
    correction: Correction | None = None
    question: str = ""
    original_issues: tuple[str, ...] = ()
    times: Mapping[int, float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_struck(self) -> bool:
        """Return whether a person has left it out."""
        return self.correction is not None and self.correction.kind == "strike"


@dataclass(frozen=True)
class _Group:
    """Statements whose keys differ in their last number, and the seconds of the pictures that they may cite."""

    prefix: str
    kind: ItemKind
    statements: Sequence[Statement]
    times: Mapping[int, float]
    question: str = ""

    def keyed(self) -> Iterator[tuple[str, Statement]]:
        return ((f"{self.prefix}{number}", item) for number, item in enumerate(self.statements, 1))


@dataclass(frozen=True)
class _Placement:
    """Corrections by the keys of the items that they change, remarks by those that they follow, and other additions."""

    changes: Mapping[str, Correction]
    remarks: Mapping[str, Mapping[str, Correction]]
    added: Mapping[str, Correction]
    unmatched: tuple[int, ...]

    def applied(self, items: Iterable[Any], keys: Iterator[str]) -> tuple[Any, ...]:
        """Return the statements after their corrections, with the remarks."""
        changed: list[Statement | None] = []
        for item, key in zip(items, keys, strict=False):  # keys are left for the next items
            changed.append(_changed(item, self.changes.get(key)))
            changed += map(_finding_of, self.remarks.get(key, {}).values())
        return tuple(item for item in changed if item is not None)


def corrected(analysis: Analysis, log: Sequence[Correction]) -> Analysis:
    """Return the report after all corrections of the log; the report of a model itself without any."""
    written = as_written(analysis)
    if not log:
        return written
    state = in_force(log)
    placement = _placed(written, state)
    results = {result.number: result for result in written.requests}
    for letter, (_, name) in _FIELDS.items():
        keys = (f"{letter}{number}" for number in count(1))
        for owner in _owners(written, letter):
            items = getattr(owner, name)
            if (changed := placement.applied(items, keys)) != items:
                fields: dict[str, Any] = {name: changed}
                results[owner.number] = replace(results[owner.number], **fields)
    times = times_of(written.keyframes)
    keyframes = (replace(frame, jpeg=b"") if f"p{frame.number}" in state else frame for frame in written.keyframes)
    made = _with(written, results, lambda answer: _answered(answer, _prefix(written, answer), placement))
    return replace(
        made,
        keyframes=tuple(keyframes),
        corrections=Corrections(
            tuple(log),
            originals=tuple(result for result in written.requests if results[result.number] is not result),
            title=_text_in(state, "title", written.title),
            note=_text_in(state, "note"),
            answers=tuple(
                answer for answer, changed in zip(_answers(written), _answers(made), strict=True) if changed.lines
            ),
            added=tuple(sorted(map(_finding_of, placement.added.values()), key=lambda finding: _begin(finding, times))),
            unmatched=placement.unmatched,
        ),
    )


def as_written(analysis: Analysis) -> Analysis:
    """Return the report as the model wrote it; pictures that were left out stay empty."""
    if (corrections := analysis.corrections) is None:
        return analysis
    originals = {result.number: result for result in corrections.originals}
    names = [name for _, name in _FIELDS.values()]
    results = {
        result.number: replace(result, **{name: getattr(originals[result.number], name) for name in names})
        for result in analysis.requests
        if result.number in originals
    }
    answers = iter(corrections.answers)
    return replace(
        _with(analysis, results, lambda answer: next(answers, answer) if answer.lines else answer), corrections=None
    )


def items_of(analysis: Analysis) -> Iterator[ReportItem]:
    """Yield everything that can be corrected, in reading order, with what is struck."""
    log = analysis.corrections.log if analysis.corrections else ()
    state, written = in_force(log), as_written(analysis)
    placement, times = _placed(written, state), times_of(written.keyframes)
    for key, original in (("title", written.title), ("note", "")):
        correction = state.get(key)
        kind: ItemKind = "title" if key == "title" else "note"
        yield ReportItem(
            key, kind, correction.text if correction else original, original, (), None, (), correction, times=times
        )
    for group in _groups(written):
        for key, item in group.keyed():
            if text_of(item):
                yield _item(key, group, group.kind, item, placement.changes.get(key))
            for added, entry in placement.remarks.get(key, {}).items():
                yield _item(added, group, "remark", None, entry)
        for key, entry in placement.added.items() if group.prefix == "f" else ():
            yield _item(key, group, "added", None, entry)
    for frame in written.keyframes:
        key = f"p{frame.number}"
        yield ReportItem(key, "picture", "", "", (frame.number,), frame.time_seconds, (), state.get(key), times=times)


def text_of(item: Statement) -> str:
    """Return the words of a statement; the first line of a chapter is its title."""
    return item.text if isinstance(item, Finding) else f"{item.title}\n{item.text}".strip()


def _item(
    key: str, group: _Group, kind: ItemKind, original: Statement | None, correction: Correction | None
) -> ReportItem:
    """Return the item of a statement, or of what a person added (without `original`)."""
    shown = _changed(original, correction) if original else correction and _finding_of(correction)
    frames, issues, was = tuple[int, ...](), tuple[str, ...](), tuple[str, ...]()
    seconds = correction.time_seconds if correction else None
    if isinstance(original, Chapter):
        frames, seconds = (original.first_frame,), original.start_seconds
    elif isinstance(stated := shown or original, Finding):
        frames, issues = stated.frames, stated.issues if shown else ()
        was = original.issues if original else ()
    texts = text_of(shown) if shown else "", text_of(original) if original else ""
    return ReportItem(key, kind, *texts, frames, seconds, issues, correction, group.question, was, group.times)


def _groups(written: Analysis) -> Iterator[_Group]:
    """Yield all statements in reading order: the answer to the question, the report, the conversations."""
    times, answers = times_of(written.keyframes), dict[str, _Group]()
    for conversation in written.all_conversations:
        pictures = {picture.number: picture.time_seconds for picture in conversation.pictures}
        for answer in conversation.answers:
            prefix = _prefix(written, answer)
            question = "" if prefix == "q" else answer.question
            answers.setdefault(prefix, _Group(prefix, "answer", _lines_of(answer), pictures, question))
    yield from filter(None, [answers.pop("q", None)])
    for letter, (kind, name) in _FIELDS.items():
        statements = [item for owner in _owners(written, letter) for item in getattr(owner, name)]
        yield _Group(letter, kind, statements, times)
    yield from answers.values()


def _answers(analysis: Analysis) -> Iterator[ReportedAnswer]:
    return (answer for conversation in analysis.all_conversations for answer in conversation.answers)


def _prefix(analysis: Analysis, answer: ReportedAnswer) -> str:
    """Return the beginning of the keys of an answer; it stays when others are asked or deleted."""
    first = analysis.question_answer
    if first and answer.created == first.created:
        return "q"
    return f"q{hashlib.sha256(f'{answer.created} {answer.question}'.encode()).hexdigest()[:6]}."


def _lines_of(answer: ReportedAnswer) -> tuple[Finding, ...]:
    """Return the lines of an answer, empty ones included, each with what could not be verified in it."""

    def issues(line: str) -> Iterator[str]:
        if {*cited_in(line)} & {*answer.unknown_frames}:
            yield "frame_not_sent"
        if any(time in line for time in answer.own_times):
            yield "own_time"

    return tuple(Finding(line.rstrip(), (), tuple(issues(line))) for line in answer.answer.strip().splitlines())


def _owners(analysis: Analysis, letter: str) -> Sequence[ChunkResult]:
    """Return the results whose statements have keys with this letter."""
    if letter == "f" or (letter == "s" and not analysis.summary):
        return analysis.chunks
    return (analysis.whole,) if analysis.whole else ()


def _placed(written: Analysis, state: Mapping[str, Correction]) -> _Placement:
    """Find the item of each correction by its key, or else by the model's words if they are there once."""
    texts = {key: text_of(item) for group in _groups(written) for key, item in group.keyed()}
    texts |= {f"p{frame.number}": "" for frame in written.keyframes}
    by_text: dict[tuple[str, str], list[str]] = {}
    for key, text in texts.items():
        by_text.setdefault((_group_of(key), text), []).append(key)
    changes, remarks, added = dict[str, Correction](), dict[str, dict[str, Correction]](), dict[str, Correction]()
    unmatched: list[int] = []
    for key, correction in state.items():
        is_added = correction.kind == "add"
        target = correction.target if is_added else key
        if texts.get(target) != correction.was:
            moved = by_text.get((_group_of(target), correction.was), []) if correction.was else []
            target = moved[0] if len(moved) == 1 else ""
        if is_added:
            (remarks.setdefault(target, {}) if target else added)[key] = correction
        elif target and target not in changes:
            changes[target] = correction
        elif key not in ("title", "note"):
            unmatched.append(correction.number)
    return _Placement(changes, remarks, added, tuple(sorted(unmatched)))


def _group_of(key: str) -> str:
    return key.rstrip("0123456789")


def _changed(item: Statement, correction: Correction | None) -> Statement | None:
    """Return a statement after its correction, None if it is struck."""
    if correction is None:
        return item
    if correction.kind == "strike":
        return None
    person = correction.authorship(text_of(item))
    if isinstance(item, Chapter):
        title, _, text = correction.text.partition("\n")
        return replace(item, title=title.strip(), text=text.strip(), person=person)
    text, frames, issues = correction.text, correction.frames, correction.issues
    return replace(item, text=text, frames=frames, issues=issues, person=person)


def _answered(answer: ReportedAnswer, prefix: str, placement: _Placement) -> ReportedAnswer:
    """Return an answer after the corrections of its lines, which then say themselves what could not be verified."""
    before = _lines_of(answer)
    keys = [f"{prefix}{number}" for number in range(1, len(before) + 1)]
    lines = placement.applied(before, iter(keys))
    if lines == before:
        return answer
    kept = "\n".join(line.text for line in lines)
    changes = ((line.text, placement.changes.get(key)) for line, key in zip(before, keys, strict=True))
    taken_back = "\n".join(text for text, change in changes if change and not change.model)  # a model looked at nothing
    searches = []
    for search in answer.searches:
        shown = (one for one in search.moments.intervals if one.times in kept or one.times not in taken_back)
        searches.append(replace(search, moments=replace(search.moments, intervals=tuple(shown))))
    gone = {*cited_in(taken_back)} - {*cited_in("\n".join(line.text for line in lines if not line.person))}
    cited = (*(number for number in answer.cited if number not in gone), *(n for line in lines for n in line.frames))
    return replace(
        answer,
        answer=kept,
        lines=lines or (Finding("", ()),),
        cited=tuple(dict.fromkeys(cited)),
        unknown_frames=tuple(n for n in answer.unknown_frames if n not in cited_in(answer.answer)),
        own_times=tuple(time for time in answer.own_times if time not in answer.answer),
        searches=tuple(searches),
    )


def _with(
    analysis: Analysis, results: Mapping[int, ChunkResult], change: Callable[[ReportedAnswer], ReportedAnswer]
) -> Analysis:
    """Return an analysis with these results, by number, and with its answers changed in their order."""

    def replaced(conversation: ReportedConversation) -> ReportedConversation:
        return replace(conversation, answers=tuple(map(change, conversation.answers)))

    return replace(
        analysis,
        chunks=tuple(results.get(chunk.number, chunk) for chunk in analysis.chunks),
        summary=analysis.summary and results.get(analysis.summary.number, analysis.summary),
        answer=analysis.answer and replaced(analysis.answer),
        conversations=tuple(map(replaced, analysis.conversations)),
    )


def _finding_of(correction: Correction) -> Finding:
    return Finding(correction.text, correction.frames, correction.issues, person=correction.authorship())


def _text_in(state: Mapping[str, Correction], key: str, original: str = "") -> Finding | None:
    """Return the text that a person gave an item of the report as a whole, None without one."""
    correction = state.get(key)
    if correction is None or correction.kind != "replace":
        return None
    return replace(_finding_of(correction), person=correction.authorship(original))


def _begin(finding: Finding, times: Mapping[int, float]) -> float:
    """Return the time that a statement begins at; those without a time come last."""
    named = finding.person.time_seconds if finding.person else None
    seconds = [times[number] for number in finding.frames if number in times]
    return min((*seconds, *([] if named is None else [named])), default=float("inf"))
