"""Forecasts of requests' times from the times of earlier requests."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from framelens.analysis.planning import forecast
from framelens.analysis.planning.forecast import StatsRecorder, look_seconds, observed
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
from framelens.store.model_records import TimingStats
from tests.reports.test_reports import analysis

LAYOUT = Layout(448, 2, 4, 150.0, True, ((1, 2), (3, 4)))
TASK = Task(AnalysisRequest(Path("/v/clip.mp4")), "job")


def result(number: int, prompt: int = 1000, answer: int = 100, **changes: object) -> ChunkResult:
    frames = (number, number + 1) if number > 0 else (1,)
    usage = Usage(prompt, answer)
    made = ChunkResult(number, frames, "messages", "", (), (), "", "stop", usage, 2.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_requests_are_timed_by_kind_and_attempts() -> None:
    # Frames and texts are timed apart.
    results = [result(1), result(3), result(-1, seconds=5.0), result(0, seconds=7.0)]
    assert observed(results) == {"frames": 1.0, "texts": 6.0}
    assert observed([result(1, recalled=True)]) == {}  # recalled answers have no time
    assert observed([result(1, attempts=2)]) == {"frames": 0.5}  # retried answer counts as two requests


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


def test_run_is_timed_by_request_kind(paces: TimingStats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "time", SimpleNamespace(monotonic=lambda: 0.0))  # facts take no time
    record(run(*results()), TASK, paces)
    known = paces.get("e")
    assert len(known.frames) == len(known.texts) == 1
    assert (known.in_flight, known.max_model_len) == (4, 4096)
    assert known.readings[0] == pytest.approx(1 / 9.0 / 0.2304)
    assert paces.get("other").readings == known.readings


def test_what_was_answered_before_a_resume_is_not_counted_again(paces: TimingStats) -> None:
    first, second, summary = results()
    task = replace(TASK, done=EarlierResults(AnalysisState(layout=LAYOUT, results=(first,))))
    record(run(first, replace(second, seconds=8.0), summary), task, paces)
    assert paces.get("e").frames == (4.0,)


def test_start_of_an_engine_is_timed_without_its_download(paces: TimingStats) -> None:
    phases = (EngineProgress(name) for name in ("downloading", "launching", "loading", "ready"))
    record(phases, TASK, paces)
    record([EngineProgress("joining"), EngineProgress("ready")], TASK, paces)
    (seconds,) = paces.get("e").starts
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
    assert paces.get("e").looks == (0.5,)
    paces.note("e", frames=2.0)
    assert paces.get("e").looks == (0.5,) and paces.get("e").frames == (2.0,)


def test_only_a_new_answer_with_a_search_is_recorded(paces: TimingStats) -> None:
    over = AnswerChanged(searched(), is_over=True)
    record([over], replace(TASK, done=EarlierResults(AnalysisState(answer=over.answer))), paces)
    bare = replace(over.answer, answers=(replace(over.answer.answers[0], searches=()),))
    record([AnswerChanged(bare, is_over=True)], TASK, paces)
    assert paces.get("e").looks == () and look_seconds(bare) is None


def test_recalled_answers_and_recalled_surveys_tell_nothing(paces: TimingStats) -> None:
    recalled = [replace(answer, recalled=True) for answer in results()]
    record(run(*recalled, is_read=False), TASK, paces)
    assert (paces.get("e").frames, paces.get("e").readings) == ((), ())


def test_of_a_part_of_a_video_that_part_counts(paces: TimingStats) -> None:
    record(run(selection=Selection(start_seconds=3.0, end_seconds=5.0)), TASK, paces)
    assert paces.get("e").readings[0] == pytest.approx(1 / 2.0 / 0.2304, rel=0.1)
