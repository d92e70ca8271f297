"""Forecasts of requests' times from the times of earlier requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.planning.forecast import (
    EnginePace,
    PlannedRequests,
    StatsRecorder,
    engine_pace,
    facts_rate,
    looked,
    observed,
    survey_rate,
    usual_answer_tokens,
)
from framelens.analysis.task import EarlierResults, Task
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import (
    AnalysisRequest,
    ChunkResult,
    Layout,
    ReportedAnswer,
    ReportedConversation,
    ReportedSearch,
    Selection,
    Usage,
)
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    ChunkDone,
    EngineProgress,
    FactsMeasured,
    Finished,
    KeyframesChosen,
    StageStarted,
    SurveyProgress,
)
from framelens.core.evidence import Moments, VoteSample
from framelens.store.model_records import LookTiming, RequestTiming, SurveyTiming, TimingStats
from tests.reports.test_reports import analysis

LAYOUT = Layout(448, 2, 4, 150.0, True, ((1, 2), (3, 4)))
TASK = Task(AnalysisRequest(Path("/v/clip.mp4")), "job")


RUN = (RequestTiming(1, 8, 1, 16.0), RequestTiming(7, 56, 4, 168.0), RequestTiming(1, 0, 1, 9.0))
"""2 s a frame alone, 3 s a frame four at a time, 9 s for a text."""


def result(number: int, prompt: int = 1000, answer: int = 100, **changes: object) -> ChunkResult:
    frames = (number, number + 1) if number > 0 else (1,)
    usage = Usage(prompt, answer)
    made = ChunkResult(number, frames, "messages", "", (), (), "", "stop", usage, 2.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_nothing_seen_is_no_pace() -> None:
    assert engine_pace([]) is None
    assert engine_pace([()]) is engine_pace([RUN[2:]]) is None
    assert survey_rate([]) is None and facts_rate([]) is None


def test_pace_is_the_median_of_the_runs() -> None:
    odd = (RequestTiming(1, 8, 1, 800.0), RequestTiming(1, 0, 1, 90.0))
    pace = engine_pace([RUN, RUN, odd])
    assert pace and (pace.frame_seconds, pace.text_seconds) == (3.0, 9.0)


def test_requests_at_the_same_time_take_one_time() -> None:
    pace = EnginePace(frame_seconds=2.0, text_seconds=5.0, spread=0.0)
    parts, join = PlannedRequests(8, 8, 3000, 400, 4), PlannedRequests(1, 0, 900, 250, 1)
    assert pace.seconds([parts, join]) == (2 * 16.0 + 5.0,) * 2


def test_more_runs_make_the_range_narrower() -> None:
    few, many = engine_pace([RUN]), engine_pace([RUN] * 5)
    assert few and many and many.spread < few.spread


def test_without_a_join_one_takes_as_long_as_a_part() -> None:
    pace = engine_pace([RUN[:1]])
    assert pace and pace.text_seconds == 16.0


def test_usual_answers_stay_within_the_limit() -> None:
    assert usual_answer_tokens(8, 100) == 100
    assert usual_answer_tokens(0, 1024) < usual_answer_tokens(8, 1024)


def test_a_survey_is_as_slow_as_the_middle_one_of_those_before() -> None:
    surveys = [SurveyTiming(100.0, 2.0, took, 10, 2 * took) for took in (2.0, 4.0, 40.0)]
    assert survey_rate(surveys) == pytest.approx(0.02)
    assert facts_rate(surveys) == pytest.approx(0.8)


def test_the_first_part_the_others_and_the_joins_are_told_apart() -> None:
    results = [result(1), result(3), result(5), result(-1), result(0)]
    first, others, joins, summary = observed(results, in_flight=4)
    assert (first.requests, first.frames, first.at_once) == (1, 2, 1)
    assert (others.requests, others.frames, others.at_once, others.seconds) == (2, 4, 2, 4.0)
    assert (joins.frames, summary.frames) == (0, 0)


def test_recalled_answers_have_no_time() -> None:
    assert observed([result(1, recalled=True)], in_flight=4) == ()


def test_retried_answer_counts_as_two_requests() -> None:
    (first,) = observed([result(1, attempts=2)], in_flight=1)
    assert (first.requests, first.frames) == (2, 4)


def results() -> tuple[ChunkResult, ...]:
    (first,) = analysis().chunks
    return replace(first, key="a"), replace(first, number=3, frames=(3, 4), key="b"), replace(first, number=0, key="c")


def run(*answers: ChunkResult, is_read: bool = True, selection: Selection | None = None) -> Iterator[AnalysisEvent]:
    yield StageStarted("survey")
    if is_read:
        yield SurveyProgress(1.0, 9.0)
    yield KeyframesChosen(analysis().keyframes, analysis().decode)
    yield from map(FactsMeasured, analysis().facts)
    yield from map(ChunkDone, answers)
    request = AnalysisRequest(Path("/v/clip.mp4"), selection=selection or Selection())
    yield Finished(analysis(layout=LAYOUT, request=request).with_results(answers))


@pytest.fixture
def paces(tmp_path: Path) -> TimingStats:
    return TimingStats(tmp_path)


def record(events: Iterable[AnalysisEvent], task: Task, paces: TimingStats) -> None:
    recorder = StatsRecorder(task, paces, "e")
    for event in events:
        recorder.note(event)


def test_run_is_timed_by_request_kind(paces: TimingStats) -> None:
    record(run(*results()), TASK, paces)
    known = paces.of("e")
    assert [(one.requests, one.frames) for one in known.runs[0]] == [(1, 2), (1, 2), (1, 0)]
    assert (known.in_flight, known.max_model_len) == (4, 4096)
    (survey,) = known.surveys
    assert replace(survey, facts_seconds=0.0) == SurveyTiming(9.0, 0.2304, 1.0, 2, 0.0)


def test_what_was_answered_before_a_resume_is_not_counted_again(paces: TimingStats) -> None:
    first, second, summary = results()
    task = replace(TASK, done=EarlierResults(AnalysisState(layout=LAYOUT, results=(first,))))
    record(run(first, second, summary), task, paces)
    assert sum(one.requests for one in paces.of("e").runs[0]) == 2


def test_start_of_an_engine_is_timed_without_its_download(paces: TimingStats) -> None:
    phases = (EngineProgress(name) for name in ("downloading", "launching", "loading", "ready"))
    record(phases, TASK, paces)
    record([EngineProgress("joining"), EngineProgress("ready")], TASK, paces)
    (seconds,) = paces.of("e").starts
    assert 0 <= seconds < 60


def searched() -> ReportedConversation:
    samples = tuple(VoteSample(n, float(n), n + 1.0, 0.9, 1) for n in range(5))
    found = Moments("job", "a dog", 0.0, 9.0, samples, controls=(0.1, 0.2), contrary={1: 0.1}, changed={1: 0.9},
                    lookalikes={"a cat": {1: 0.1, 2: 0.1}}, seconds=5.5, ended="complete")  # fmt: skip
    answer = ReportedAnswer("When?", "", "At 1 s.", "complete", searches=(ReportedSearch(found),))
    return ReportedConversation("c", "", "", "en", (answer,))


def test_every_picture_that_a_search_asked_about_counts(paces: TimingStats) -> None:
    events = [AnswerChanged(searched()), AnswerChanged(searched(), is_over=True)]
    record(events, TASK, paces)
    assert paces.of("e").looks == (LookTiming(11, 5.5),)
    paces.note_asked("e", RUN, in_flight=4, max_model_len=8192)
    assert paces.of("e").looks == (LookTiming(11, 5.5),) and paces.of("e").runs == (RUN,)


def test_only_a_new_answer_with_a_search_is_recorded(paces: TimingStats) -> None:
    over = AnswerChanged(searched(), is_over=True)
    record([over], replace(TASK, done=EarlierResults(AnalysisState(answer=over.answer))), paces)
    bare = replace(over.answer, answers=(replace(over.answer.answers[0], searches=()),))
    record([AnswerChanged(bare, is_over=True)], TASK, paces)
    assert paces.of("e").looks == () and looked(bare) is None


def test_recalled_answers_and_recalled_surveys_tell_nothing(paces: TimingStats) -> None:
    recalled = [replace(one, recalled=True) for one in results()]
    record(run(*recalled, is_read=False), TASK, paces)
    assert (paces.of("e").runs, paces.of("e").surveys) == ((), ())


def test_of_a_part_of_a_video_that_part_counts(paces: TimingStats) -> None:
    record(run(selection=Selection(start_seconds=3.0, end_seconds=5.0)), TASK, paces)
    assert paces.of("e").surveys[0].video_seconds == 2.0
