"""Input of one analysis run: the request, its stop events, and the results of an earlier run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from app.core.domain import Analysis, AnalysisRequest, ChunkResult, EngineInfo, Layout


@dataclass(frozen=True)
class EarlierResults:
    """Results of an earlier run of the same job.

    An answer is reused if its key (frames, question and settings) matches.

    Attributes:
        layout: Layout of the earlier run.
        results: Its answers, joins included.
        again: Numbers of the answers to ask for again.
        engine: Engine that gave the answers, if known.
        report: Report with all answers that lacks only facts; if given, no model is asked.
    """

    layout: Layout | None = None
    results: tuple[ChunkResult, ...] = ()
    again: frozenset[int] = frozenset()
    engine: EngineInfo | None = None
    report: Analysis | None = None

    def result(self, key: str, number: int) -> ChunkResult | None:
        """Return the answer with this key, or None if there is none or it is to be asked for again."""
        found = next((one for one in self.results if one.key == key), None)
        return None if number in self.again else found


NO_EARLIER_RESULTS = EarlierResults()


@dataclass
class Control:
    """Stop events of a run: `cancel` ends it within a second, `pause` after the running requests."""

    cancel: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Task:
    """Input of one run. `job_id` becomes the id of the analysis."""

    request: AnalysisRequest
    job_id: str
    control: Control = field(default_factory=Control)
    done: EarlierResults = NO_EARLIER_RESULTS
