"""What a part is told of the parts before it: who and what was seen, and where the story stood.

The first part introduces: its answer begins with who is seen in it, and as soon as that has come, the others are asked.
Every later part is told that, and all of those that lie far enough back to be surely answered when its turn comes,
however many are asked at the same time. So what is carried depends on the layout alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from app.core.domain import AnalysisEvent, AnswerDelta, ChunkResult, Subject

_MOST_SUBJECTS = 12
_LONGEST_LOOK = 120
_LONGEST_STORY = 400
_FIRST = 1
"""The first part has the number of the first frame."""
_INTRODUCED = re.compile(
    r"[\"']subjects[\"']\s*[:：].*?(?=[,，]?\s*[\"'](?:findings|overview)[\"']\s*[:：])", re.DOTALL
)
"""The list of who is seen, up to the key of what comes after it."""


@dataclass(frozen=True)
class Carried:
    """`subjects` by name, `story` what was said last of the whole of a part."""

    subjects: tuple[Subject, ...] = ()
    story: tuple[str, ...] = ()


NOTHING = Carried()


class Introduction:
    """Who is seen in the first part, which the others wait for.

    It is learnt from the answer as it grows, or told from the whole one, whichever comes first. `read` gives the
    subjects of an answer.
    """

    def __init__(self, read: Callable[[str], tuple[Subject, ...]]) -> None:
        self.known: Future[tuple[Subject, ...]] = Future()
        self._read = read
        self._text = ""

    def note(self, event: AnalysisEvent) -> None:
        """Events about other parts than the first are passed over."""
        if not isinstance(event, AnswerDelta) or event.chunk != _FIRST or self.known.done():
            return
        self._text = event.text if event.restart else self._text + event.text
        if found := _INTRODUCED.search(self._text):
            self.tell(self._read(f"{{{found[0]}}}"))

    def tell(self, subjects: tuple[Subject, ...]) -> None:
        """It is known now; what was known before stays."""
        if not self.known.done():
            self.known.set_result(subjects)


def sources(place: int, in_flight: int) -> list[int]:
    """The places of the parts that must be answered before the one at this place (from 0) is asked; beside them, the
    first part must have introduced who is seen in it.
    """
    back = 1 if in_flight == 1 else 2 * in_flight
    return list(range(0 if in_flight == 1 else 1, place - back + 1))


def carried(introduced: tuple[Subject, ...], results: Mapping[int, ChunkResult]) -> Carried:
    """What the first part and the results of these places hand on; of those that failed there is none."""
    subjects: dict[str, Subject] = {}
    story: tuple[str, ...] = ()
    for told in (introduced, *(result.subjects for _, result in sorted(results.items()))):
        for subject in told:
            known = subjects.pop(subject.name.casefold(), subject)  # who was seen last stands last
            subjects[subject.name.casefold()] = Subject(known.name, known.look[:_LONGEST_LOOK])
    for _, result in sorted(results.items()):
        story = _shortened([finding.text for finding in result.overview if not finding.issues]) or story
    return Carried(tuple(subjects.values())[-_MOST_SUBJECTS:], story)


def _shortened(lines: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(line) > _LONGEST_STORY:
            break
        kept.append(line)
    return tuple(kept)
