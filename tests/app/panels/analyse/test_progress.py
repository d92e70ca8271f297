"""What is shown of the parts while they are answered, and after a run that stopped."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.components.report_blocks import PartView
from app.panels.analyse.progress import POLL_SECONDS, build_views, failures, poll_seconds
from app.panels.analyse.stopped_job import answered_text, why_stopped
from app.panels.work.rows import progress_words
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest, Notice, ReportedAnswer, ReportedConversation
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    AnswerDelta,
    AnswerStep,
    ChunkDone,
    KeyframesChosen,
    ModeChosen,
    Noticed,
    Planned,
    StageStarted,
    SurveyProgress,
)
from framelens.i18n import in_language, t
from framelens.jobs.snapshot import JobSnapshot, State
from tests.app import rich
from tests.updates import after

NONE: frozenset[int] = frozenset()


def incoming(part: PartView) -> object:
    """The text of an answer that is still coming."""
    (block,) = part.blocks
    return block["text"]


def running(parts: int = 4) -> JobSnapshot:
    job = JobSnapshot("job", "a.mp4", "2026-01-01", AnalysisRequest(Path("a.mp4")), state="running")
    job = after(job, KeyframesChosen(rich.frames(parts * rich.FRAMES_EACH), rich.whole_decode(parts)))
    return after(job, Planned(rich.layout(parts)))


def answering(job: JobSnapshot, place: int, text: str) -> JobSnapshot:
    number = 1 + place * rich.FRAMES_EACH
    return after(job, ModeChosen(number, "messages"), AnswerDelta(number, text, restart=True))


def answered(job: JobSnapshot, place: int, findings: int = 3) -> JobSnapshot:
    part = rich.part(place, findings=findings)
    return after(answering(job, place, part.answer), ChunkDone(part))


def test_frames_and_answers_are_polled_while_the_job_runs() -> None:
    polled = {state: poll_seconds(replace(running(), state=state)) for state in ("queued", "running", "measuring")}
    assert polled == {"queued": None, "running": POLL_SECONDS, "measuring": None}
    assert poll_seconds(None) is None


def test_progress_of_a_job_rises_from_nothing_to_all() -> None:
    job = JobSnapshot("job", "a.mp4", "2026-01-01", AnalysisRequest(Path("a.mp4")), state="running")
    stages = [StageStarted("survey"), SurveyProgress(5.0, 10.0), StageStarted("engine"), StageStarted("ask", 1)]
    shares = [job.share]
    for event in (*stages, ChunkDone(rich.part(0, findings=1)), StageStarted("summary", 1), StageStarted("facts", 8)):
        job = (
            after(job, AnswerDelta(1, rich.part(0, findings=1).answer, restart=True))
            if isinstance(event, ChunkDone)
            else job
        )
        job = after(job, event)
        shares.append(job.share)
    assert shares == [0.0, 0.0, 0.15, 0.3, 0.4, 0.9, 0.9, 1.0]
    measured = JobSnapshot("job", "a.mp4", "2026-01-01", replace(job.request, use_model=False), state="running")
    assert [after(measured, one).share for one in (StageStarted("survey"), StageStarted("facts", 8))] == [0.0, 0.7]


def looking(step: AnswerStep, looked: int = 0, total: int | None = None) -> AnswerChanged:
    answer = ReportedAnswer("When?", "", "", "stopped")
    return AnswerChanged(ReportedConversation("a", "When?", "", "en", (answer,)), step, looked, total)


WITH_SEARCH: list[tuple[AnalysisEvent, str]] = [
    (StageStarted("survey"), "0 % · Finding keyframes"),
    (SurveyProgress(4.0, 10.0), "8 % · Finding keyframes · 00:04 / 00:10"),
    (StageStarted("engine"), "20 % · Getting the model ready"),
    (StageStarted("answer"), "30 % · Looking for the answer"),
    (looking("question"), "30 % · Looking for the answer"),
    (looking("thumbnails", 5, 10), "33 % · Looking for the answer · 5 / 10"),
    (looking("search", 40, 160), "43 % · Looking for the answer · 40 / 160"),
    (looking("search", 60, 300), "43 % · Looking for the answer · 60 / 300"),  # more to look at: the bar stays
    (looking("search", 300, 300), "70 % · Looking for the answer · 300 / 300"),
    (looking("words"), "70 % · Looking for the answer"),
    (StageStarted("ask", 5), "70 % · Model analyses frames · 0 / 5"),
    (StageStarted("summary", 1), "95 % · Summarising · 0 / 1"),
    (StageStarted("facts", 8), "100 % · Measuring frames · 0 / 8"),
]
WITH_FRAMES: list[tuple[AnalysisEvent, str]] = [
    (StageStarted("answer"), "30 % · Looking for the answer"),
    (looking("votes", 20, 40), "46 % · Looking for the answer · 20 / 40"),
    (looking("frames"), "54 % · Looking for the answer"),
    (looking("words"), "56 % · Looking for the answer"),
]


@pytest.mark.parametrize("events", [WITH_SEARCH, WITH_FRAMES])
def test_progress_with_a_question_never_falls(events: list[tuple[AnalysisEvent, str]]) -> None:
    request = AnalysisRequest(Path("a.mp4"), question="When?")
    job = JobSnapshot("job", "a.mp4", "2026-01-01", request, state="running")
    shares = [job.share]
    for event, words in events:
        job = after(job, event)
        shares.append(job.share)
        with in_language("en"):
            assert progress_words(job) == words
    assert shares == sorted(shares) and shares[0] == 0.0
    assert replace(job, state="done").share == 1.0 and job.restarted().share == 0.0


@pytest.mark.parametrize("state", ["paused", "cancelled", "interrupted"])
def test_stopped_job_says_whether_its_frames_are_kept(state: State) -> None:
    job = replace(running(), state=state)
    with in_language("en"):
        assert "Everything finished is kept" in why_stopped(job)
        assert "starts over" in why_stopped(replace(job, progress=AnalysisState()))


def test_pause_is_offered_while_parts_are_not_asked() -> None:
    job = running(2)
    assert job.can_pause and not replace(job, request=replace(job.request, use_model=False)).can_pause
    assert answering(job, 0, "so far").can_pause
    assert not answering(answered(job, 0), 1, "so far").can_pause
    assert not answering(running(1), 0, "so far").can_pause
    planless = replace(job, progress=AnalysisState())
    assert not planless.can_pause and replace(planless, request=replace(job.request, frames=9)).can_pause


def test_parts_stand_in_time_order_whichever_is_answered_first() -> None:
    job = answering(answered(running(), 2), 0, "so far")
    shown = build_views(job, NONE)
    assert [part.state for part in shown] == ["busy", "waiting", "done", "waiting"]
    assert [part.title for part in shown][:2] == [
        "Part 1 · 00:00.000 – 00:10.000",
        "Part 2 · 00:10.000 – 00:20.000",
    ]
    assert incoming(shown[0]) == "so far"
    assert "3 findings" in shown[2].note


def test_a_part_that_is_done_is_a_line_until_it_is_unfolded() -> None:
    job = answered(running(), 0)
    (folded, *_), (opened, *_) = build_views(job, NONE), build_views(job, frozenset({1}))
    assert not folded.blocks
    assert folded.brief == "In part 1 somebody crosses the yard."
    assert [block["kind"] for block in opened.blocks] == ["paragraph", "rows"]
    assert len(opened.blocks[1]["rows"]) == 3


def test_many_parts_with_long_answers_stay_a_small_message() -> None:
    job = running(64)
    for place in range(60):
        job = answered(job, place, findings=150)
    job = answering(job, 60, "word " * 10_000)
    shown = build_views(job, NONE)
    assert sum(len(str(vars(part))) for part in shown) < 64 * 500 + 5_000
    assert incoming(shown[60]).startswith("… ")


def test_retried_chunk_is_pending_until_answered() -> None:
    job = answering(answered(running(), 0), 0, "anew")
    assert build_views(job, NONE)[0].state == "busy"
    part = replace(rich.part(0, findings=1), answer="anew")
    assert build_views(after(job, ChunkDone(part)), NONE)[0].state == "done"


def test_a_part_that_failed_says_why() -> None:
    notice = Notice("part_failed", {"first": "00:10.000", "last": "00:17.500", "reason": Notice("no_model")}, "error")
    job = after(answered(running(), 0), Noticed(notice))
    shown = build_views(job, NONE)
    assert [part.state for part in shown] == ["done", "failed", "waiting", "waiting"]
    assert shown[1].brief.startswith("No model has seen")
    assert list(failures(job.progress)) == ["00:10.000"]


def test_unfinished_part_is_shown_but_not_counted() -> None:
    part = replace(rich.part(1, findings=2), troubles=("broke_off",))
    job = replace(answered(running(), 0), state="failed")
    job = after(job, AnswerDelta(part.number, part.answer, restart=True), ChunkDone(part))
    with in_language("en"):
        view = build_views(job, frozenset({part.number}))[1]
        assert (view.state_text, view.note) == (t("ui.part_unfinished"), t("ui.part_findings", n=2))
        assert t("trouble.broke_off") in str(view.blocks)
    for language, words in (("en", "**1 of 4 parts is answered** and kept. The engine"), ("zh", "已完成 1 个")):
        with in_language(language):
            assert words in answered_text(job) and answered_text(job).endswith(t("trouble.broke_off"))


@pytest.mark.usefixtures("chinese")
def test_stopped_run_shows_no_pending_chunks() -> None:
    job = replace(answering(answered(running(), 0), 1, "half"), state="paused")
    shown = build_views(job, NONE)
    assert [part.state for part in shown] == ["done", "waiting", "waiting", "waiting"]
    assert shown[1].state_text == t("ui.part_waiting", "zh")


def test_before_the_plan_is_there_the_opening_is_shown() -> None:
    job = JobSnapshot("job", "a.mp4", "2026-01-01", AnalysisRequest(Path("a.mp4")), state="running")
    assert build_views(job, NONE) == []
    shown = build_views(after(job, AnswerDelta(1, "first words")), NONE)
    assert [(part.state, incoming(part)) for part in shown] == [("busy", "first words")]
