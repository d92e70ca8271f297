"""Forecasts of requests' times from the times of earlier requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from framelens.analysis.planning.forecast import (
    EngineThroughput,
    PlannedRequests,
    StatsRecorder,
    facts_rate,
    fit_throughput,
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

PREFILL, DECODE = 0.002, 0.03
LAYOUT = Layout(448, 2, 4, 150.0, True, ((1, 2), (3, 4)))
TASK = Task(AnalysisRequest(Path("/v/clip.mp4")), "job")


def took(requests: int, prompt: int, answer: int, at_once: int) -> RequestTiming:
    """What an engine of exactly these rates takes."""
    each = PREFILL * at_once * prompt + DECODE * at_once**0.25 * answer
    return RequestTiming(requests, requests * 8, requests * prompt, requests * answer, at_once, requests * each)


RUN = (took(1, 3000, 400, 1), took(7, 3000, 400, 4), took(1, 900, 300, 1))


def result(number: int, prompt: int = 1000, answer: int = 100, **changes: object) -> ChunkResult:
    frames = (number, number + 1) if number > 0 else (1,)
    usage = Usage(prompt, answer)
    made = ChunkResult(number, frames, "messages", "", (), (), "", "stop", usage, 2.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_nothing_seen_is_no_pace() -> None:
    assert fit_throughput([]) is None
    assert fit_throughput([()]) is None
    assert survey_rate([]) is None and facts_rate([]) is None


def test_the_rates_of_an_engine_are_found() -> None:
    pace = fit_throughput([RUN, RUN, RUN])
    assert pace
    assert pace.prefill == pytest.approx(PREFILL, rel=0.1)
    assert pace.decode == pytest.approx(DECODE, rel=0.1)


def test_next_request_may_start_before_answer_ends() -> None:
    pace = EngineThroughput(prefill=0.001, decode=0.02, talk=1.0, spread=0.0)
    whole, _ = pace.seconds([PlannedRequests(1, 8, 1000, 400, 1)])
    ahead, _ = pace.seconds([PlannedRequests(1, 8, 1000, 400, 1, waited_for=0.25)])
    assert (whole, ahead) == pytest.approx((1 + 8, 1 + 2))


def test_estimate_uses_times_of_similar_requests() -> None:
    pace = fit_throughput([RUN])
    assert pace
    low, high = pace.seconds([PlannedRequests(8, 8, 3000, 400, 4)])
    really = 2 * (PREFILL * 4 * 3000 + DECODE * 4**0.25 * 400)
    assert low < really < high
    assert low * high == pytest.approx(really**2, rel=0.1)


def test_more_runs_make_the_range_narrower() -> None:
    few, many = fit_throughput([RUN]), fit_throughput([RUN] * 5)
    assert few and many and many.spread < few.spread


def test_runs_that_differ_make_it_wider() -> None:
    slow = tuple(replace(one, seconds=4 * one.seconds) for one in RUN)
    steady, unsteady = fit_throughput([RUN] * 4), fit_throughput([RUN, slow, RUN, slow])
    assert steady and unsteady and unsteady.spread > steady.spread


def test_the_latest_runs_count_most() -> None:
    slow = tuple(replace(one, seconds=4 * one.seconds) for one in RUN)
    quick_then_slow, slow_then_quick = fit_throughput([RUN] * 6 + [slow] * 6), fit_throughput([slow] * 6 + [RUN] * 6)
    assert quick_then_slow and slow_then_quick and quick_then_slow.decode > slow_then_quick.decode


@pytest.mark.parametrize("only", [RUN[:1], RUN[1:2], RUN[2:]])
def test_one_kind_of_requests_is_enough_for_that_kind(only: tuple[RequestTiming, ...]) -> None:
    pace, one = fit_throughput([only]), only[0]
    assert pace and pace.prefill >= 0 and pace.decode >= 0
    coming = PlannedRequests(
        one.requests, 8, one.prompt_tokens // one.requests, one.completion_tokens // one.requests, one.at_once
    )
    low, high = pace.seconds([coming])
    waves = -(-one.requests // one.at_once)
    assert low < waves * one.seconds / one.requests < high


def test_an_engine_that_says_little_is_expected_to_say_little() -> None:
    short = fit_throughput([(replace(RUN[0], completion_tokens=40),)])
    assert short
    assert usual_answer_tokens(8, short, 1024) < usual_answer_tokens(8, None, 1024)
    assert usual_answer_tokens(8, None, 100) == 100


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


def test_recalled_and_uncounted_answers_tell_nothing() -> None:
    assert observed([result(1, recalled=True), result(3, usage=Usage())], in_flight=4) == ()


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
