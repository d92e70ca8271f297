"""Log of the corrections that people made to a report, and what is in force after it.

The log only grows: an undo is an entry of its own. What the report then says is in framelens.core.corrected_report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

CorrectionKind = Literal["replace", "strike", "add", "restore", "undo", "redo"]
MOST_CORRECTIONS = 50_000
"""Limit of the log of a report: ten thousand findings, rewritten a few times."""
MOST_CHARACTERS = 4000
"""Limit of a text that a person writes."""
LONGEST_AUTHOR = 60


@dataclass(frozen=True)
class Authorship:
    """Who wrote a statement in place of the model, and when.

    Attributes:
        name: Name of the person, "" if it isn't known.
        created: ISO time in UTC.
        original: The model's words, "" for an addition.
        time_seconds: Time that the person named, None if the statement rests on frames.
        model: The model that wrote it for the person, "" if the person did.
    """

    name: str
    created: str
    original: str = ""
    time_seconds: float | None = None
    model: str = ""


@dataclass(frozen=True)
class Correction:
    """An entry of the log.

    Attributes:
        number: Number in the log, from 1.
        created: ISO time in UTC.
        author: Name of the person, "" if it isn't known.
        kind: "restore" returns to the model's words; "undo" and "redo" have the number of a correction as target.
        target: Key of an item of the report (`framelens.core.corrected_report.items_of`); of "add" the item that it
            remarks on, "" without one.
        text: The new text. The first line of a chapter is its title.
        was: The model's words, by which the item is found again.
        frames: Numbers of the frames that the text rests on.
        time_seconds: Time that it names instead.
        issues: What could not be verified when it was written.
        revision: Length of the log that its author had seen.
        is_proposal: Another person had changed the same item meanwhile, so that it waits for a decision.
        model: The model that wrote the text for its author, "" if the author did.
        taken_by: Name of the person who took it over from an earlier report, "" if its author wrote it here.
    """

    number: int
    created: str
    author: str
    kind: CorrectionKind
    target: str = ""
    text: str = ""
    was: str = ""
    frames: tuple[int, ...] = ()
    time_seconds: float | None = None
    issues: tuple[str, ...] = ()
    revision: int = 0
    is_proposal: bool = False
    model: str = ""
    taken_by: str = ""

    @property
    def made_by(self) -> str:
        """Return the name of the person who made the entry."""
        return self.taken_by or self.author

    @property
    def is_step(self) -> bool:
        """Return whether it moves within the log and changes nothing by itself."""
        return self.kind in ("undo", "redo")

    @property
    def key(self) -> str:
        """Return the key of the item that it is about."""
        return f"a{self.number}" if self.kind == "add" else self.target

    def authorship(self, original: str = "") -> Authorship:
        """Return who wrote it, in place of the model's words `original`."""
        return Authorship(self.author, self.created, original, self.time_seconds, self.model)


def in_force(log: Sequence[Correction]) -> dict[str, Correction]:
    """Return the corrections in force by the keys of their items, in the order of the log."""
    state: dict[str, Correction] = {}
    for correction in _active(log):
        earlier = state.pop(correction.key, None)
        if correction.kind == "add":
            state[correction.key] = correction
        elif correction.key.startswith("a"):
            if correction.kind == "replace" and earlier:
                state[correction.key] = replace(correction, kind="add", target=earlier.target, was=earlier.was)
        elif correction.kind != "restore":
            state[correction.key] = correction
    return state


def rivals(log: Sequence[Correction], key: str, revision: int) -> tuple[Correction, ...]:
    """Return the corrections in force of this item that were made after the log had `revision` entries."""
    return tuple(correction for correction in _active(log) if correction.key == key and correction.number > revision)


def proposals(log: Sequence[Correction]) -> tuple[Correction, ...]:
    """Return the proposals that no later correction of their items has decided."""
    latest = {correction.key: correction.number for correction in _active(log)}
    undone = _undone(log)
    waiting = (correction for correction in log if correction.is_proposal and correction.number not in undone)
    return tuple(
        correction
        for correction in waiting
        if latest.get(correction.key, 0) < correction.number  # a later correction is the decision
    )


def merged(log: Sequence[Correction], others: Sequence[Correction]) -> tuple[Correction, ...]:
    """Return what has to be appended to a log so that it has all corrections of another copy of the report.

    What both copies have changed differently since they parted becomes a proposal.
    """
    pairs = zip(log, others, strict=False)
    common = next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(log), len(others)))
    if common == len(log):
        return tuple(others[common:])
    number, keys, added = len(log), dict[str, str](), list[Correction]()
    for entry in others[common:]:
        if not entry.is_step:
            number += 1
            target = keys.get(entry.target, entry.target)
            moved = replace(entry, number=number, target=target, revision=common)
            keys[entry.key] = moved.key
            added.append(replace(moved, is_proposal=bool(rivals(log, moved.key, common))))
    return tuple(added)


def undoable(log: Sequence[Correction], author: str) -> tuple[Correction, ...]:
    """Return the person's last corrections in force that were made at once, () without any."""
    own = [entry for entry in _active(log) if entry.made_by == author]
    return tuple(entry for entry in own if entry.created == own[-1].created)


def redoable(log: Sequence[Correction], author: str) -> tuple[Correction, ...]:
    """Return the corrections that the person has undone last and not replaced by another since, () without any."""
    undone, own = _undone(log), [entry for entry in log if entry.made_by == author]
    for entry in reversed(own):
        if not entry.is_step:
            return ()
        if entry.kind == "undo" and int(entry.target) in undone:
            together = {int(other.target) for other in own if other.is_step and other.created == entry.created}
            return tuple(other for other in log if other.number in together & undone)
    return ()


def _active(log: Sequence[Correction]) -> Iterator[Correction]:
    """Yield the corrections that count: no steps, no proposals, and nothing that was undone."""
    undone = _undone(log)
    return (entry for entry in log if not (entry.is_step or entry.is_proposal or entry.number in undone))


def _undone(log: Sequence[Correction]) -> set[int]:
    undone: set[int] = set()
    for entry in log:
        if entry.is_step and entry.target.isdecimal():
            (undone.add if entry.kind == "undo" else undone.discard)(int(entry.target))
    return undone
