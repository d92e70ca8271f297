"""Context that a part gets from earlier parts: the subjects, and the latest state of the story.

The answer about the first part begins with its subjects; once they have arrived, the other parts are sent. Every later
part gets them, and the results of all parts far enough back to be finished at its turn, however many run at the same
time. So the context depends on the layout alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from app.core.domain import AnalysisEvent, AnswerDelta, ChunkResult, Subject

# Lengths are in characters. Chosen by hand; not tuned.
_MOST_SUBJECTS = 12
_LONGEST_LOOK = 120
_LONGEST_STORY = 400
_FIRST = 1
"""Number of the first part: that of the first frame."""
_INTRODUCED = re.compile(
    r"[\"']subjects[\"']\s*[:：].*?(?=[,，]?\s*[\"'](?:findings|overview)[\"']\s*[:：])", re.DOTALL
)
"""The list of subjects, up to the next key."""


@dataclass(frozen=True)
class CarriedContext:
    """Context of earlier parts: `subjects` with unique names, and `story`, the overview of the latest part."""

    subjects: tuple[Subject, ...] = ()
    story: tuple[str, ...] = ()


NO_CONTEXT = CarriedContext()


class Introduction:
    """Subjects of the first part, which the other parts wait for.

    They are parsed from the streamed answer, or published from the finished one, whichever comes first. `read` parses
    the subjects of an answer.
    """

    def __init__(self, read: Callable[[str], tuple[Subject, ...]]) -> None:
        self.known: Future[tuple[Subject, ...]] = Future()
        self._read = read
        self._text = ""

    def note(self, event: AnalysisEvent) -> None:
        """Look for the subjects in an event of the first part; other events are ignored."""
        if not isinstance(event, AnswerDelta) or event.chunk != _FIRST or self.known.done():
            return
        self._text = event.text if event.restart else self._text + event.text
        if found := _INTRODUCED.search(self._text):
            self.publish(self._read(f"{{{found[0]}}}"))

    def publish(self, subjects: tuple[Subject, ...]) -> None:
        """Set the subjects, unless they are known already."""
        if not self.known.done():
            self.known.set_result(subjects)


def required_parts(place: int, in_flight: int) -> list[int]:
    """Return the indexes of the parts that must be finished before the part at index `place` is sent.

    The subjects of the first part must be known, too.
    """
    back = 1 if in_flight == 1 else 2 * in_flight
    return list(range(0 if in_flight == 1 else 1, place - back + 1))


def build_context(introduced: tuple[Subject, ...], results: Mapping[int, ChunkResult]) -> CarriedContext:
    """Build the context from the first part's subjects and the results by index, failed parts left out."""
    subjects: dict[str, Subject] = {}
    story: tuple[str, ...] = ()
    for named in (introduced, *(result.subjects for _, result in sorted(results.items()))):
        for subject in named:
            known = subjects.pop(subject.name.casefold(), subject)  # the one seen last comes last
            subjects[subject.name.casefold()] = Subject(known.name, known.look[:_LONGEST_LOOK])
    for _, result in sorted(results.items()):
        story = _shortened([finding.text for finding in result.overview if not finding.issues]) or story
    return CarriedContext(tuple(subjects.values())[-_MOST_SUBJECTS:], story)


def _shortened(lines: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(line) > _LONGEST_STORY:
            break
        kept.append(line)
    return tuple(kept)
