"""Report after the corrections of people: a pure function of the model's report and the log of corrections.

An item of a report has a key: "title", "note" (to the reader), "answer" (to the question), and by number from 1 "s1"
for a sentence of the summary, "f1" for a finding, "r1" for a sentence of a reply, "c1" for a chapter, "p1" for the
picture of frame 1, and "a1" for what the first correction of the log added. A sentence that a later run has moved is
found by the model's words; one that it has not written again keeps its correction in the log, among `unmatched`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from framelens.core.corrections import Correction, in_force
from framelens.core.domain import Analysis, Chapter, ChunkResult, Corrections, Finding, ReportedConversation, times_of

ItemKind = Literal["title", "note", "answer", "summary", "finding", "reply", "chapter", "picture", "added"]
Statement = Finding | Chapter
_FIELDS: dict[str, tuple[ItemKind, str]] = {
    "s": ("summary", "overview"), "f": ("finding", "findings"), "r": ("reply", "reply"), "c": ("chapter", "chapters"),
}  # fmt: skip
"""Kinds of statements by the letters of their keys, and the fields of an answer that have them."""


@dataclass(frozen=True)
class ReportItem:
    """What can be corrected in a report.

    Attributes:
        text: What the report says there, "" if it says nothing.
        original: The model's words, "" if it wrote none.
        frames: Numbers of the frames that it rests on.
        correction: The correction in force.
    """

    key: str
    kind: ItemKind
    text: str
    original: str
    frames: tuple[int, ...] = ()
    time_seconds: float | None = None
    issues: tuple[str, ...] = ()
    correction: Correction | None = None

    @property
    def is_struck(self) -> bool:
        """Return whether a person has left it out."""
        return self.correction is not None and self.correction.kind == "strike"


def corrected(analysis: Analysis, log: Sequence[Correction]) -> Analysis:
    """Return the report after all corrections of the log; the report of a model itself without any."""
    written = as_written(analysis)
    if not log:
        return written
    state = in_force(log)
    results = {result.number: result for result in written.requests}
    unmatched = [state[key].number for key in state if key[:1] == "p" and not _picture_in(written, key)]
    for letter, (_, field) in _FIELDS.items():
        owners = _owners(written, letter)
        placed, lost = _located(state, letter, [text_of(item) for owner in owners for item in getattr(owner, field)])
        unmatched += lost
        index = 0
        for owner in owners if placed else ():
            items = getattr(owner, field)
            changes = [placed.get(index + offset) for offset in range(len(items))]
            kept = tuple(_changed(item, change) for item, change in zip(items, changes, strict=True))
            index += len(items)
            fields: dict[str, Any] = {field: tuple(item for item in kept if item is not None)}
            results[owner.number] = replace(results[owner.number], **fields)
    has_answer = bool(_answer_of(written))
    if "answer" in state and not has_answer:
        unmatched.append(state["answer"].number)
    additions = map(_finding_of, (entry for entry in state.values() if entry.kind == "add"))
    return replace(
        written,
        answer=_with_answer(written, state["answer"]) if has_answer and "answer" in state else written.answer,
        chunks=tuple(results[chunk.number] for chunk in written.chunks),
        summary=written.summary and results[written.summary.number],
        keyframes=tuple(
            replace(frame, jpeg=b"") if f"p{frame.number}" in state else frame for frame in written.keyframes
        ),
        corrections=Corrections(
            tuple(log),
            originals=tuple(result for result in written.requests if results[result.number] is not result),
            title=_text_in(state, "title", written.title),
            note=_text_in(state, "note"),
            answer=written.question_answer if has_answer and "answer" in state else None,
            added=tuple(sorted(additions, key=partial(_begin, times=times_of(written.keyframes)))),
            unmatched=tuple(sorted(unmatched)),
        ),
    )


def as_written(analysis: Analysis) -> Analysis:
    """Return the report as the model wrote it; pictures that were left out stay empty."""
    if analysis.corrections is None:
        return analysis
    originals = {result.number: result for result in analysis.corrections.originals}
    answer, first = analysis.answer, analysis.corrections.answer

    def restored(result: ChunkResult) -> ChunkResult:
        source = originals.get(result.number)
        return replace(result, **{field: getattr(source, field) for _, field in _FIELDS.values()}) if source else result

    return replace(
        analysis,
        chunks=tuple(map(restored, analysis.chunks)),
        summary=analysis.summary and restored(analysis.summary),
        answer=replace(answer, answers=(first, *answer.answers[1:])) if answer and first else answer,
        corrections=None,
    )


def items_of(analysis: Analysis) -> Iterator[ReportItem]:
    """Yield everything that can be corrected, in reading order, with what is struck."""
    log = analysis.corrections.log if analysis.corrections else ()
    state, written = in_force(log), as_written(analysis)
    yield _simple_item("title", written.title, state)
    yield _simple_item("note", "", state)
    if answer := _answer_of(written):
        yield _simple_item("answer", answer, state)
    for letter in "rscf":
        kind, field = _FIELDS[letter]
        items = [item for owner in _owners(written, letter) for item in getattr(owner, field)]
        placed, _ = _located(state, letter, list(map(text_of, items)))
        for index, item in enumerate(items):
            correction = placed.get(index)
            shown = _changed(item, correction)
            seconds = item.start_seconds if isinstance(item, Chapter) else None
            frames = (item.first_frame,) if isinstance(item, Chapter) else item.frames
            frames, issues = (shown.frames, shown.issues) if isinstance(shown, Finding) else (frames, ())
            text = text_of(shown) if shown else ""
            key = f"{letter}{index + 1}"
            yield ReportItem(key, kind, text, text_of(item), frames, seconds, issues, correction)
    for key, correction in state.items():
        if correction.kind == "add":
            values = correction.frames, correction.time_seconds, correction.issues, correction
            yield ReportItem(key, "added", correction.text, "", *values)
    for frame in written.keyframes:
        key = f"p{frame.number}"
        yield ReportItem(key, "picture", "", "", (frame.number,), frame.time_seconds, (), state.get(key))


def text_of(item: Finding | Chapter) -> str:
    """Return the words of a statement; the first line of a chapter is its title."""
    return item.text if isinstance(item, Finding) else f"{item.title}\n{item.text}".strip()


def _simple_item(key: Literal["title", "note", "answer"], original: str, state: Mapping[str, Correction]) -> ReportItem:
    correction = state.get(key)
    return ReportItem(key, key, correction.text if correction else original, original, correction=correction)


def _owners(analysis: Analysis, letter: str) -> Sequence[ChunkResult]:
    """Return the answers whose statements have keys with this letter."""
    if letter == "f" or (letter == "s" and not analysis.summary):
        return analysis.chunks
    return (analysis.whole,) if analysis.whole else ()


def _located(
    state: Mapping[str, Correction], letter: str, texts: Sequence[str]
) -> tuple[dict[int, Correction], list[int]]:
    """Return the corrections of statements by index, and the numbers of those whose statement isn't there."""
    placed: dict[int, Correction] = {}
    lost: list[int] = []
    for key, correction in state.items():
        if key[0] != letter or not key[1:].isdecimal():
            continue
        index = int(key[1:]) - 1
        if not (0 <= index < len(texts) and texts[index] == correction.was):
            index = texts.index(correction.was) if texts.count(correction.was) == 1 else -1
        if index < 0 or index in placed:
            lost.append(correction.number)
        else:
            placed[index] = correction
    return placed, lost


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


def _finding_of(correction: Correction) -> Finding:
    return Finding(correction.text, correction.frames, correction.issues, person=correction.authorship())


def _text_in(state: Mapping[str, Correction], key: str, original: str = "") -> Finding | None:
    """Return the text that a person gave an item of the report as a whole, None without one."""
    correction = state.get(key)
    if correction is None or correction.kind != "replace":
        return None
    return replace(_finding_of(correction), person=correction.authorship(original))


def _answer_of(analysis: Analysis) -> str:
    """Return the model's answer to the question, "" without one, and for moments that a search has found."""
    answer = analysis.question_answer
    return answer.answer if answer and answer.is_usable and not answer.is_found else ""


def _with_answer(analysis: Analysis, correction: Correction) -> ReportedConversation:
    """Return the conversation of the question with the answer of a person."""
    assert analysis.answer
    first, *others = analysis.answer.answers
    person = correction.authorship(first.answer)
    text, cited = correction.text, correction.frames
    changed = replace(first, answer=text, cited=cited, unknown_frames=(), own_times=(), person=person)
    return replace(analysis.answer, answers=(changed, *others))


def _picture_in(analysis: Analysis, key: str) -> bool:
    return any(key == f"p{frame.number}" for frame in analysis.keyframes)


def _begin(finding: Finding, times: Mapping[int, float]) -> float:
    """Return the time that a statement begins at; those without a time come last."""
    named = finding.person.time_seconds if finding.person else None
    seconds = [times[number] for number in finding.frames if number in times]
    return min((*seconds, *([] if named is None else [named])), default=float("inf"))
