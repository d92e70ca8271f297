"""What one run of an analysis is given: the request, how it is stopped, and what an earlier run of it had finished."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from app.core.domain import Analysis, AnalysisRequest, ChunkResult, EngineInfo, Layout


@dataclass(frozen=True)
class Done:
    """What is there of an earlier run of the same job: its layout and its answers, joins among them.

    An answer is taken over where it rests on the same frames, question and settings; `again` are the numbers of those
    that are not wanted any more. `engine` gave the answers, as far as that is known. `report` is there where all is
    answered and only facts are missing: then no model is asked.
    """

    layout: Layout | None = None
    results: tuple[ChunkResult, ...] = ()
    again: frozenset[int] = frozenset()
    engine: EngineInfo | None = None
    report: Analysis | None = None

    def result(self, key: str, number: int) -> ChunkResult | None:
        """The answer with this key, if it is to be taken over."""
        found = next((one for one in self.results if one.key == key), None)
        return None if number in self.again else found


NOTHING_DONE = Done()


@dataclass
class Control:
    """How a run is stopped: `cancel` ends it within a second, `pause` after the answers that are on their way."""

    cancel: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Task:
    """One run. `job_id` becomes the id of the analysis."""

    request: AnalysisRequest
    job_id: str
    control: Control = field(default_factory=Control)
    done: Done = NOTHING_DONE
