"""Corrections of reports by people: drafts, checked, and the entries of the log that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from framelens.core import citations
from framelens.core.corrected_report import ReportItem, as_written, corrected, items_of
from framelens.core.corrections import (
    LONGEST_AUTHOR,
    MOST_CHARACTERS,
    MOST_CORRECTIONS,
    Correction,
    CorrectionKind,
    proposals,
    redoable,
    rivals,
    undoable,
)
from framelens.core.domain import Analysis
from framelens.core.errors import InputError, StorageError
from framelens.core.files import readable, single_line
from framelens.core.units import clock

Log = tuple[Correction, ...]
_SAME_SECONDS = 0.05
"""A time that is as near to a keyframe's names its frame."""
_NEEDS_FRAME = frozenset(("finding", "summary", "reply", "added"))
"""Kinds of statements that rest on frames; one without any is marked."""
_NO_STATEMENTS = frozenset(("title", "note", "chapter", "picture", "added", "remark"))
"""Kinds of items that no remark can follow."""
_LONG = frozenset(("note", "chapter"))
"""Kinds of items whose text may have several lines."""


@dataclass(frozen=True)
class Draft:
    """What a person wants to change, in fields of `Correction`; without frames and time a text keeps its own.

    `author` is another person who wrote it in an earlier report, `issues` are keys of what else couldn't be verified.
    """

    kind: CorrectionKind
    target: str = ""
    text: str = ""
    frames: tuple[int, ...] = ()
    time_seconds: float | None = None
    model: str = ""
    author: str = ""
    issues: tuple[Literal["new_number"], ...] = ()


@dataclass(frozen=True)
class CorrectionOutcome:
    """What became of drafts.

    Attributes:
        analysis: The report after them.
        rivals: Corrections of others that were made meanwhile; a draft about the same item waits as a proposal.
    """

    analysis: Analysis
    rivals: tuple[Correction, ...] = ()


def corrected_by(analysis: Analysis, drafts: Sequence[Draft], author: str) -> Analysis:
    """Return an analysis with corrections, which are stored nowhere. Raises InputError as `entries_of` does."""
    written, log = as_written(analysis), analysis.corrections.log if analysis.corrections else ()
    return corrected(written, (*log, *entries_of(written, log, drafts, None, author)))


def entries_of(
    written: Analysis, log: Log, drafts: Sequence[Draft], revision: int | None, author: str
) -> tuple[Correction, ...]:
    """Return the entries of the log for drafts.

    Args:
        written: The report as the model wrote it, with its conversations.
        log: The log so far.
        drafts: The corrections, in their order.
        revision: Length of the log that the person has seen, None for all of it.
        author: Name of the person.

    Raises:
        InputError: A draft can't be applied.
        StorageError: The log is full ("corrections_many").
    """
    if len(author := single_line(author)) > LONGEST_AUTHOR:
        raise InputError("correction_author_long", most=LONGEST_AUTHOR)
    if len(log) + len(drafts) > MOST_CORRECTIONS:
        raise StorageError("corrections_many", most=MOST_CORRECTIONS)
    seen, created = log, datetime.now(UTC).isoformat(timespec="milliseconds")
    revision = len(log) if revision is None else revision
    items, touched = _items(written, log), set[str]()
    for draft in drafts:
        entry = Correction(
            len(log) + 1, created, draft.author or author, draft.kind, draft.target,
            revision=revision, model=draft.model, taken_by=author if draft.author else "",
        )  # fmt: skip
        if draft.target in touched:
            items, touched = _items(written, log), set()
        if entry.is_step:
            log = (*log, *_steps(entry, log))
            items, touched = _items(written, log), set()
        else:
            entry = _checked(draft, entry, items, written)
            touched.add(entry.key)
            log = (*log, replace(entry, is_proposal=bool(rivals(seen, entry.key, revision))))
    return log[len(seen) :]


def _items(written: Analysis, log: Log) -> dict[str, ReportItem]:
    return {item.key: item for item in items_of(corrected(written, log))}


def _steps(entry: Correction, log: Log) -> list[Correction]:
    """Return undo or redo of what was made at once. Raises InputError if there is nothing.

    An undo may name a proposal, which is then dismissed.
    """
    if any(entry.target == str(proposal.number) for proposal in proposals(log)):
        return [entry]
    choose = undoable if entry.kind == "undo" else redoable
    if not (subjects := choose(log, entry.made_by)):
        raise InputError(f"correction_nothing_to_{entry.kind}")
    return [
        replace(entry, number=entry.number + index, target=str(subject.number))
        for index, subject in enumerate(subjects)
    ]


def _checked(draft: Draft, entry: Correction, items: dict[str, ReportItem], written: Analysis) -> Correction:
    """Return an entry with the text and evidence of a draft, checked. Raises InputError if it can't be applied."""
    item = items.get(draft.target)
    if draft.kind == "add" and not draft.target:
        item = ReportItem("", "added", "", "", times=items["note"].times)
    elif item is None:
        raise InputError("correction_target_unknown", given=draft.target[:40])
    entry = replace(entry, was=item.original)
    fits = {
        "add": not draft.target or item.kind not in _NO_STATEMENTS,
        "replace": item.kind != "picture",
        "strike": item.kind != "title",
        "restore": item.kind == "picture" or bool(item.original or item.correction),
    }
    if not fits[draft.kind]:
        raise InputError(f"correction_{draft.kind}_unfit", target=draft.target)
    if draft.kind in ("strike", "restore"):
        return entry
    if entry.target and draft.kind == "add":
        item = replace(item, kind="remark", frames=(), issues=(), correction=None)
    return _with_evidence(draft, entry, item, written)


def _with_evidence(draft: Draft, entry: Correction, item: ReportItem, written: Analysis) -> Correction:
    """Return an entry with its text, the frames or time that it rests on, and what could not be verified."""
    text = readable(draft.text).strip()
    text = text if item.kind in _LONG else " ".join(text.split())
    if not text:
        raise InputError("correction_empty")
    if len(text) > MOST_CHARACTERS:
        raise InputError("correction_long", most=MOST_CHARACTERS, count=len(text))
    times = item.times
    if unknown := [number for number in draft.frames if number not in times]:
        raise InputError("correction_frame_unknown", given=unknown[0], last=max(times, default=0))
    frames, seconds = _evidence(draft, item, times, written.decode.readable_seconds)
    if item.kind == "chapter":
        return replace(entry, text=text)
    named = times if seconds is None else {**times, 0: seconds}
    checked = citations.finding(text, frames if seconds is None else (*frames, 0), named)
    ignored = () if item.kind in _NEEDS_FRAME else ("no_frame",)
    found = (issue for issue in checked.issues if issue not in ignored and not _is_as_before(issue, text, item, times))
    of_fields = (issue for issue in item.issues if issue not in (*citations.TEXT_ISSUES, "new_number"))
    return replace(
        entry,
        text=text,
        frames=tuple(number for number in checked.frames if number),
        time_seconds=seconds,
        issues=tuple(dict.fromkeys((*found, *draft.issues, *of_fields))),
    )


def _is_as_before(issue: str, text: str, item: ReportItem, times: Mapping[int, float]) -> bool:
    """Return whether a line of an answer names only such frames or times as the model's, where they were measured."""
    if item.kind != "answer" or issue in item.original_issues:
        return False
    if issue == "own_time":
        return {*citations.own_times(text, times)} <= {*citations.own_times(item.original, times)}
    return {*citations.cited_in(text)} - {*times} <= {*citations.cited_in(item.original)}


def _evidence(
    draft: Draft, item: ReportItem, times: Mapping[int, float], end_seconds: float
) -> tuple[tuple[int, ...], float | None]:
    """Return the frames of a text and the time that it names: the draft's, or without both those of the item."""
    seconds = draft.time_seconds
    if seconds is None:
        kept = item.correction.time_seconds if item.correction else None
        own = item.frames if item.kind not in ("chapter", "answer") else ()
        return (draft.frames, None) if draft.frames else (own, kept)
    if not 0 <= seconds <= end_seconds:
        raise InputError("correction_time_outside", given=clock(max(0.0, seconds)), end=clock(end_seconds))
    nearest = [number for number, at in times.items() if abs(at - seconds) < _SAME_SECONDS]
    return (tuple(dict.fromkeys((*draft.frames, *nearest))), None) if nearest else (draft.frames, seconds)
