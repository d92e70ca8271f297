"""Input of an analysis run: the request, stop events, and the results of an earlier run."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from framelens.analysis.result_keys import is_about
from framelens.core.analysis_state import AnalysisState, in_order
from framelens.core.domain import Analysis, AnalysisRequest, ChunkResult, EngineInfo, Keyframe, Notice
from framelens.core.errors import AppError
from framelens.i18n import as_notice


@dataclass(frozen=True)
class EarlierResults:
    """Results of an earlier run of the same job.

    An answer is reused if its key (frames, question and settings) matches.

    Attributes:
        state: The state that this run continues: layout, answers, joins and times of the earlier run. An answer to the
            question of the request that isn't complete is continued.
        again: Numbers of the answers to ask for again.
        engine: Engine that gave the answers, if known.
    """

    state: AnalysisState = field(default_factory=AnalysisState)
    again: frozenset[int] = frozenset()
    engine: EngineInfo | None = None

    @property
    def report(self) -> Analysis | None:
        """Return the report that has all answers and lacks only facts, or None; with a report, no model is asked."""
        return self.state.report

    def result(self, key: str, number: int) -> ChunkResult | None:
        """Return the answer with this key, or None if it is missing, unfinished or to be asked for again."""
        stored = next((result for result in self.state.results if result.key == key and not result.is_unfinished), None)
        return None if number in self.again else stored


NO_EARLIER_RESULTS = EarlierResults()


@dataclass
class Control:
    """Stop events of a run: `cancel` ends it within a second, `pause` after the running requests."""

    cancel: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Task:
    """Input of a run.

    Attributes:
        request: The request.
        job_id: Id of the job, which becomes the id of the analysis.
        control: Stop events.
        done: Results of an earlier run.
        conditions: Settings that answers depend on.
    """

    request: AnalysisRequest
    job_id: str
    control: Control = field(default_factory=Control)
    done: EarlierResults = NO_EARLIER_RESULTS
    conditions: Mapping[str, str] = field(default_factory=dict)


def merge_answers(
    done: EarlierResults, fresh: Sequence[ChunkResult], frames: Sequence[Keyframe]
) -> tuple[ChunkResult, ...]:
    """Merge the answers of a failed run with the earlier answers that it has not replaced.

    Earlier joins are kept if no part has changed.

    Args:
        done: Results of the earlier run.
        fresh: Answers of the failed run.
        frames: Keyframes of the failed run.
    """
    by_number = {frame.number: frame for frame in frames}
    new = {result.number: result for result in fresh}
    held = {number for result in fresh for number in result.frames}
    parts = {result.number: result for result in done.state.results if result.is_chunk}
    kept_parts = {
        number: result
        for number, result in parts.items()
        if number not in new
        and not held & set(result.frames)
        and all(result.settings == answer.settings for answer in fresh)
        and is_about(result, by_number)
    }
    together = {**kept_parts, **new}
    if parts and all(together.get(number) == result for number, result in parts.items()):
        together = {**{result.number: result for result in done.state.results}, **together}
    return in_order(together.values())


def facts_incomplete(error: AppError) -> Notice:
    """Return the notice of a report that lacks facts because of `error`."""
    return Notice("facts_incomplete", {"reason": as_notice(error)})
