"""The question of an analysis: answered as in a conversation, before the description, with its moments as evidence.

With the real engine: tests/browser/test_front_in_browser.py.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import framelens
from framelens.composition import Services, open_services
from framelens.config import load
from framelens.core.domain import AnalysisRequest, ReportedAnswer
from framelens.core.events import AnswerChanged
from framelens.i18n import t
from framelens.jobs.snapshot import JobSnapshot
from framelens.reports.formats import FORMATS
from framelens.reports.json import reader
from tests.cards import write_card_video
from tests.llm.scripted import Behave, Refuse, Server, has_pictures, serve
from tests.questions.test_when import COLOURS, looking, session
from tests.thorough import first_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_text_reading")]
WHEN = "When does a red card appear?"
DESCRIBED = json.dumps({"findings": [{"frames": [1], "text": "A card."}], "title": "Cards", "overview": []})


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten cards of 1.5 s at 10 frames a second: red in [3, 4.5) and [9, 12)."""
    return write_card_video(tmp_path_factory.mktemp("asked") / "cards.mp4", COLOURS, seconds_per_card=1.5)


def describing(*, always: bool = False) -> Behave:
    """Vote by the colour, describe in the form that is asked for, and answer questions with "x"."""
    vote = looking(always=always)

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body.get("logprobs"):
            yield from vote(body)
        elif "findings" in json.dumps(body.get("response_format")):
            yield DESCRIBED
        else:
            yield "x"

    return behave


def answer_of(analysis: framelens.Analysis) -> ReportedAnswer:
    assert analysis.question_answer
    return analysis.question_answer


def spans(answer: ReportedAnswer) -> list[tuple[int, int]]:
    (search,) = answer.searches
    return [(interval.first.frame_index, interval.last.frame_index) for interval in search.moments.intervals]


def test_question_is_answered_by_a_search(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        events = list(one.analyse_events(video, WHEN, 4))
        analysis = events[-1].analysis
        (conversation,) = one.conversations.find(analysis_ids=[analysis.id])
        again = one.analyse(video, WHEN, 4)
    answer = answer_of(analysis)
    assert spans(answer) == [(30, 44), (90, 119)] and answer.state == "complete"
    assert analysis.brief == "“a red card” was seen 2 times: 00:03.000–00:04.500, 00:09.000–00:12.000"
    assert not analysis.chunks and analysis.outcome == "done" and again.id == analysis.id
    assert analysis.answer and conversation.id == analysis.answer.id
    assert again.answer == analysis.answer
    grown = [event for event in events if isinstance(event, AnswerChanged)]
    assert [event.is_over for event in grown] == [*[False] * (len(grown) - 1), True]
    looked = [event.looked for event in grown if event.step == "search"]
    assert looked == sorted(looked) and looked[-1] > 0
    assert "ask" not in [event.stage for event in events if isinstance(event, framelens.StageStarted)]


@pytest.mark.parametrize(
    "question", ["Describe the video and say when a red card appears.", "描述一下视频，并说明红色卡片什么时候出现？"]
)
def test_question_for_both_is_described_too(question: str, video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        analysis = one.analyse(video, question, 4)
    assert spans(answer_of(analysis)) == [(30, 44), (90, 119)] and "x" not in answer_of(analysis).answer.split()
    assert analysis.title == "Cards" and analysis.outcome == "done"


def test_description_is_added_to_an_answer(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, services_on(server, tmp_path) as services:
        job_id = submitted(services, video, template="question")
        found = ended(services, job_id)
        votes = votes_of(server)
        services.jobs.describe(job_id)
        described = ended(services, job_id)
        again = submitted(services, video, template="question")
    assert (found.state, found.can_describe, described.state, described.can_describe) == ("done", True, "done", False)
    assert described.analysis and described.analysis.title == "Cards" and found.analysis
    assert described.analysis.answer == found.analysis.answer and votes_of(server) == votes and again == job_id


def test_cancelled_description_leaves_the_answer(video: Path, tmp_path: Path) -> None:
    with serve(slow_to_describe) as server, services_on(server, tmp_path) as services:
        job_id = submitted(services, video)
        readable = until(services, job_id, lambda job: job.state == "describing")
        services.jobs.cancel(job_id)
        job = ended(services, job_id)
    assert readable.is_readable and readable.analysis and answer_of(readable.analysis).is_found
    assert (job.state, job.can_describe) == ("done", True) and job.analysis and "00:03.0" in markdown(job)


def test_same_thing_asked_in_other_words_needs_no_new_votes(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        analysis = one.analyse(video, WHEN, 4)
        votes = votes_of(server)
        for question in ("How often are red cards visible?", "Does a red card appear?"):
            turn = one.ask(analysis.id, question).last
            assert turn.state == "complete" and turn.evidence and len(turn.evidence.moments[0].intervals) == 2
    assert votes_of(server) == votes


def slow_to_describe(body: dict[str, Any]) -> Iterator[str]:
    if "findings" in json.dumps(body.get("response_format")):
        for _ in range(200):
            yield " "
            time.sleep(0.05)
    yield from describing()(body)


@contextmanager
def services_on(server: Server, data: Path) -> Iterator[Services]:
    services = open_services(
        load({"FRAMELENS_BASE_URL": server.base_url, "FRAMELENS_DATA_DIR": str(data), "FRAMELENS_LANGUAGE": "en"})
    )
    try:
        yield services
    finally:
        services.close()


def submitted(services: Services, video: Path, question: str = WHEN, **options: Any) -> str:
    return services.jobs.submit(AnalysisRequest(video, frames=4, question=question, **options), name=video.name)


def until(services: Services, job_id: str, is_wanted: Callable[[JobSnapshot], bool]) -> JobSnapshot:
    while not is_wanted(job := services.jobs.snapshot(job_id)):
        time.sleep(0.02)
    return job


def ended(services: Services, job_id: str) -> JobSnapshot:
    return until(services, job_id, lambda job: job.is_over)


def looked(job: JobSnapshot) -> int:
    answer = job.progress.answer
    return sum(len(search.moments.samples) for search in answer.answers[0].searches) if answer else 0


def votes_of(server: Server) -> int:
    return sum("Is there a red card" in json.dumps(body) for body in server.requests)


def markdown(job: JobSnapshot) -> str:
    assert job.analysis
    return FORMATS["markdown"].write(job.analysis, "en").decode()


@pytest.mark.parametrize("wish", first_of(["pause", "cancel"]))
def test_stopped_search_continues(wish: str, video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server:
        with services_on(server, tmp_path) as services:
            job_id = submitted(services, video)
            running = until(services, job_id, lambda job: looked(job) > 0)
            assert running.progress.stage == "answer" and running.can_pause and 0.3 <= running.share < 0.7
            assert running.progress.step and running.progress.total and running.progress.total > running.progress.step
            getattr(services.jobs, wish)(job_id)
            stopped = ended(services, job_id)
        before = votes_of(server)
        with services_on(server, tmp_path) as services:  # as after a restart
            services.jobs.resume(job_id)
            done = ended(services, job_id)
            conversations = services.conversations.find(analysis_ids=[job_id])
    assert stopped.state == ("paused" if wish == "pause" else "cancelled") and looked(stopped) < looked(done)
    assert done.state == "done" and done.analysis and spans(answer_of(done.analysis)) == [(30, 44), (90, 119)]
    assert votes_of(server) - before < looked(done)  # the first votes were not asked for again
    assert len(conversations) == 1 and done.analysis.brief.startswith("“a red card” was seen 2 times: 00:03.000–")


@pytest.mark.thorough
def test_interrupted_program_continues_the_search(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server:
        with services_on(server, tmp_path) as services:
            job_id = submitted(services, video)
            until(services, job_id, lambda job: looked(job) > 0)
        with services_on(server, tmp_path) as services:
            done = ended(services, job_id)
    assert done.state == "done" and done.analysis and spans(answer_of(done.analysis)) == [(30, 44), (90, 119)]


def test_failed_answer_is_named_first_and_asked_again(video: Path, tmp_path: Path) -> None:
    is_broken = True

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if is_broken and body.get("logprobs"):
            raise Refuse(500, "out of luck")
        yield from describing()(body)

    with serve(behave) as server, services_on(server, tmp_path) as services:
        job_id = submitted(services, video)
        failed = ended(services, job_id)
        is_broken = False
        services.jobs.resume(job_id)
        done = ended(services, job_id)
    assert failed.state == "failed" and failed.analysis and failed.analysis.title == "Cards"
    lines = [line for line in markdown(failed).splitlines() if line.strip()]
    assert lines[0].startswith("# When")
    assert (
        any("out of luck" in line for line in lines[2:5])
        and markdown(failed).count("out of luck") == 1
        and failed.analysis.brief == "Cards"
    )
    assert done.state == "done" and done.analysis and spans(answer_of(done.analysis)) == [(30, 44), (90, 119)]
    assert sum("findings" in json.dumps(body.get("response_format")) for body in server.requests) == 1


def test_failed_description_leaves_the_answer(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "findings" in json.dumps(body.get("response_format")):
            raise Refuse(500, "out of luck")
        yield from describing()(body)

    with serve(behave) as server, services_on(server, tmp_path) as services:
        job = ended(services, submitted(services, video))
    assert job.state == "incomplete" and job.can_resume and job.analysis and job.analysis.outcome == "incomplete"
    assert markdown(job).count("out of luck") == 1 and t("report.answer_unaffected", "en") in markdown(job)
    assert job.analysis.brief.startswith("“a red card” was seen 2 times") and "00:03.0" in markdown(job)


@pytest.mark.thorough
def test_search_stays_in_the_range(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        analysis = one.analyse(video, WHEN, 4, start=6.0, end=10.0)
    assert spans(answer_of(analysis)) == [(90, 99)]


def test_model_without_eyes_answers_from_facts(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield DESCRIBED if "findings" in json.dumps(body.get("response_format")) else "At [2]."

    with serve(behave) as server, session(server, tmp_path) as one:
        answer = answer_of(one.analyse(video, WHEN, 4))
    assert answer.answer == "At [2]." and answer.mode == "text" and not answer.searches
    assert [notice.key for notice in answer.notices][:1] == ["text_mode"]


def test_question_without_a_model_is_kept(video: Path, tmp_path: Path) -> None:
    analysis = framelens.analyse(video, WHEN, 4, use_model=False, data_dir=tmp_path, language="en")
    assert analysis.answer is None and analysis.outcome == "without_model"
    text = FORMATS["markdown"].write(analysis, "en").decode()
    assert "Question** When does a red card appear?" in text and "No model has seen" in text


def test_video_of_one_frame(tmp_path: Path) -> None:
    single = write_card_video(tmp_path / "one.mp4", ["red"], frame_rate=1, seconds_per_card=1.0)
    with serve(describing()) as server, session(server, tmp_path / "data") as one:
        analysis = one.analyse(single, WHEN, 4)
    assert spans(answer_of(analysis)) == [(0, 0)] and analysis.outcome == "done"


def test_report_has_the_moments_and_their_pictures(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        analysis = one.analyse(video, WHEN, 4)
    written = FORMATS["json"].write(analysis, "en")
    read = reader.read(written, name="report.json")
    assert read.answer == replace(analysis.answer, answers=read.answer.answers) if analysis.answer else False
    assert spans(answer_of(read)) == [(30, 44), (90, 119)] and read.brief == analysis.brief
    assert "conversations" not in json.loads(written)
    pictures = json.loads(written)["answer"]["pictures"]
    assert len(pictures) == 4 and all(picture["picture"] or picture["keyframe"] for picture in pictures)
    page = FORMATS["html"].write(analysis, "en").decode()
    answer = page[page.index('id="reply"') :]
    assert answer.index("00:03.0") < answer.index("00:12.000") < answer.index("data:image/jpeg")
    with serve(describing()) as server, services_on(server, tmp_path / "other") as services:
        imported = services.jobs.snapshot(services.reports.add(read))
    assert imported.analysis and imported.analysis.answer == read.answer


@pytest.mark.thorough
def test_two_questions_in_one_are_both_answered(video: Path, tmp_path: Path) -> None:
    question = "When does a red card appear and which card follows it?"
    with serve(describing()) as server, session(server, tmp_path) as one:
        analysis = one.analyse(video, question, 4)
        turn = one.ask(video, question).last  # the same path
    answer = answer_of(analysis)
    assert spans(answer) == [(30, 44), (90, 119)]
    assert answer.answer.startswith("“a red card” was seen 2 times:\n1. 00:03.000") and answer.answer.endswith("\n\nx")
    assert turn.answer == answer.answer and turn.evidence and len(turn.evidence.moments) == 1
    (asked,) = (body for body in server.requests[:-1] if "Answer only the other part" in json.dumps(body))
    content = asked["messages"][-1]["content"]
    assert sum(part["type"] == "image_url" for part in content) == len(answer.pictures) == 6  # first, middle, last
    assert "which card follows it?" in content[-1]["text"] and "was seen 2 times" in content[-1]["text"]


@pytest.mark.thorough
def test_two_searches_in_one_question(video: Path, tmp_path: Path) -> None:
    with serve(describing()) as server, session(server, tmp_path) as one:
        turn = one.ask(video, "Is there a red card, and when does a purple card appear?").last
    assert turn.evidence and [len(search.intervals) for search in turn.evidence.moments] == [2, 0]
    yes, no = turn.answer.split("\n\n")
    assert yes.startswith("Yes. “a red card” was seen 2 times:") and no.startswith("“a purple card” was not seen.")
    assert [ref.number for ref in turn.cited] == [1, 2, 3, 4]


@pytest.mark.thorough
def test_part_without_an_answer_is_named(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if "Answer only the other part" in json.dumps(body):
            return
        yield from describing()(body)

    with serve(behave) as server, session(server, tmp_path) as one:
        turn = one.ask(video, "When does a red card appear and which card follows it?").last
    assert turn.state == "complete" and [notice.key for notice in turn.notices] == ["ask_part_unanswered"]


def test_too_long_question_is_refused(video: Path, tmp_path: Path) -> None:
    with pytest.raises(framelens.ConfigError, match=r"20,000"):
        framelens.analyse(video, "x" * 20_001, data_dir=tmp_path, language="en")
