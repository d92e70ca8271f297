"""A report with parts, and a job that stopped: what is shown, what can be done, and what is asked of the services."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.components import report_blocks
from app.formatting import local_time
from app.panels.report import comparison
from app.panels.report.report import PAGE, _actions, brief
from framelens.analysis.task import Task
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, Notice, ReportedAnswer, ReportedConversation
from framelens.core.errors import EngineBrokeOff, EngineError
from framelens.core.events import (
    AnalysisEvent,
    AnswerChanged,
    Answered,
    ChunkDone,
    FactsMeasured,
    Finished,
    Noticed,
    StageStarted,
)
from framelens.i18n import LANGUAGES, as_notice, in_language, notice_text, t
from framelens.reports.content import builder
from framelens.reports.json import reader, writer
from tests.app import rich
from tests.app.conftest import Open
from tests.app.fake_services import Run, ended, queue, wait
from tests.app.views.test_analyse import is_reported, open_details, parts_shown, save_buttons, texts
from tests.reports.test_reports import analysis


@pytest.fixture
def page_of(page: AppTest, open_services: Open) -> Callable[..., tuple[AppTest, Services, str]]:
    """Opens the page of a job that has run to its end."""

    def open_page(run: Run, request: AnalysisRequest | None = None) -> tuple[AppTest, Services, str]:
        services = open_services(run)
        path = services.videos.path(services.videos.sample())
        job = services.jobs.submit(request or AnalysisRequest(path, frames=12), name="cards.mp4")
        ended(services, job)
        page.query_params["job"] = job
        page.run()
        assert not page.exception
        return page, services, job

    return open_page


def written(page: AppTest) -> str:
    """All texts of the page, without the backslashes of Markdown and JSON."""
    return (texts(page) + json.dumps(parts_shown(page), ensure_ascii=False)).replace("\\", "")


def headings(page: AppTest) -> list[str]:
    """The headings of the sections that are drawn."""
    blocks = [block.get("heading", block) for data in parts_shown(page) for block in data.get("blocks", ())]
    return [block["line"][0]["text"] for block in blocks if block.get("level") == 2]


def stopping(after: int, error: Exception) -> Run:
    """A run that ends with this error after so many parts; the next run continues to the end."""
    left = [error]

    def run(task: Task) -> Iterator[AnalysisEvent]:
        answered = 0
        for event in rich.script(parts=4)(task):
            yield event
            answered += type(event).__name__ == "ChunkDone"
            if left and answered == after:
                raise left.pop()

    return run


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_reports_all_that_it_holds(page_of: Callable[..., Any], language: str) -> None:
    page, _, _ = page_of(rich.script())
    page.button_group(key="language").set_value(language).run()
    reported = written(page)
    for text in (
        "An afternoon at the gate",
        "The man in the red jacket comes to the door.",
        "A man brings a parcel and leaves.",
        "Chapter 2: at the gate",
        "Who or what",
        t("unverified.no_frame", language),  # type: ignore[arg-type]
        t("trouble.repeats", language),  # type: ignore[arg-type]
        t("ui.part_retry", language),  # type: ignore[arg-type]
    ):
        assert text in reported
    assert notice_text(Notice("sound_not_analysed"), language) in written(open_details(page, "record", language))  # type: ignore[arg-type]


def drawn(page: AppTest) -> str:
    """The texts of the report's blocks, in the order in which they are drawn."""

    def gather(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from gather(one)

    return "\n".join(text for data in parts_shown(page) for text in gather(data.get("blocks")))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_page_says_what_the_files_say_in_their_order(page_of: Callable[..., Any], language: Any) -> None:
    page, services, job = page_of(rich.script())
    page.button_group(key="language").set_value(language).run()
    analysis = services.jobs.snapshot(job).analysis
    on_page = ""
    on_page += drawn(page)
    for tab in ("frames", "shots", "transcript", "record"):
        on_page += drawn(open_details(page, tab, language))
    names = ("answer", "summary", "chapters", "findings", "frames", "shots", "transcript", "how")
    with in_language(language):
        sections = builder.sections(analysis)
        pieces = list(report_blocks.pieces(block for name in names for block in sections[name]()))
    place = 0
    for piece in pieces:
        lines = [line for block in piece.blocks for line in report_blocks.lines_of(block)]
        said = [span.text.strip() for line in lines for span in line if analysis.created not in span.text]
        places = {text: on_page.find(text, place) for text in said}
        assert -1 not in places.values(), places
        place = min(places.values(), default=place)
    assert place > len(on_page) / 2


@pytest.mark.slow
def test_each_part_can_be_asked_again_where_it_begins() -> None:
    made = rich.rich(AnalysisRequest(Path("/videos/a.mp4")), "job", parts=3, without=frozenset({2}))
    bare = [
        replace(
            part,
            findings=tuple(replace(finding, fields={}, frames=finding.frames or (1,)) for finding in part.findings),
        )
        for part in made.chunks
    ]
    made = replace(made, chunks=tuple(bare), field_names={})
    sections = builder.sections(made)
    pieces = list(report_blocks.pieces([*sections["findings"](), *sections["frames"]()]))
    anchors = {anchor: action.number for anchor, action in _actions(made, pieces).items()}
    assert anchors == {"part-2": 5, "part-3": 9}, "those with a whole answer need no button"
    alone = replace(made, chunks=made.chunks[:1], layout=rich.layout(1))
    sections = builder.sections(replace(alone, chunks=(replace(alone.chunks[0], troubles=("cut",)),)))
    pieces = list(report_blocks.pieces([*sections["findings"](), *sections["frames"]()]))
    cut = replace(alone, chunks=(replace(alone.chunks[0], troubles=("cut",)),))
    assert list(_actions(cut, pieces)) == ["findings"]


def test_report_order_is_reply_summary_findings(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script())
    reported = json.dumps(
        [part for part in parts_shown(page) if "src" not in part]
    )  # the player has chapters of its own
    places = [reported.index(text) for text in ("comes to the door", "brings a parcel", "Chapter 1", "number 0.0")]
    assert places == sorted(places)


@pytest.mark.slow
def test_only_the_tab_that_is_open_is_drawn(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script())
    assert "From the subtitles" not in written(page)
    open_details(page, "transcript")
    assert "Spoken line 1" in written(page)
    assert "From the subtitles: English" in written(page)


@pytest.mark.slow
def test_provenance_shows_layout_settings_and_prompts(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script())
    open_details(page, "record")
    reported = written(page)
    assert "frames at most 448 px long · 3 parts, 4 at a time · 218 tokens a frame, counted by the engine" in reported
    assert "/models/Tiny-VL" in reported
    assert "1,200 + 160" in reported
    places = [reported.index(prompt) for prompt in ("PROMPT OF PART 1", "PROMPT OF PART 3", "PROMPT OF THE SUMMARY")]
    assert places == sorted(places)


@pytest.mark.slow
def test_ten_thousand_findings_are_paged_and_searchable(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script(parts=50, findings=200))
    assert "1–40 of 10008" in texts(page)
    assert drawn(page).count("A man walks past") <= PAGE
    page.text_input(key="search_document").input("number 49.199.").run()
    assert drawn(page).count("A man walks past") == 1
    page.text_input(key="search_document").input("nobody says this").run()
    assert t("ui.findings_none", "en") in texts(page)
    page.text_input(key="search_document").input("")
    page.toggle(key="doubtful_document").set_value(True).run()
    assert drawn(page).count("A man walks past") in (39, 40)


@pytest.mark.slow
def test_a_job_that_failed_reports_what_is_kept_and_continues(page_of: Callable[..., Any]) -> None:
    page, services, job = page_of(stopping(2, EngineError("engine_empty_answer")))
    assert "2 of 4 parts are answered" in texts(page)
    assert "returned an empty answer" in texts(page)
    assert "In part 2 somebody crosses the yard." in written(page)
    page.button(key="continue").click().run()
    assert ended(services, job).state == "done"
    page.run()
    assert is_reported(page)


def test_parts_without_an_answer_are_named_with_their_time(page_of: Callable[..., Any]) -> None:
    def run(task: Task) -> Iterator[AnalysisEvent]:
        made = rich.rich(task.request, task.job_id, parts=3, without=frozenset({1}))
        values = {"first": "00:10.000", "last": "00:17.500", "reason": Notice("no_model")}
        failed = Notice("part_failed", values, "error")
        yield from rich.opening(made)
        yield Noticed(failed)
        yield from (ChunkDone(part) for part in made.chunks)
        yield Finished(replace(made, notices=(failed,)))
        raise EngineError("engine_empty_answer")

    page, _, _ = page_of(run)
    reported = written(page)
    assert "The part from 00:10.000 to 00:17.500 could not be answered" in reported
    assert "2 of 3 parts are answered" in reported
    assert t("ui.part_ask", "en") in reported
    assert page.button(key="continue")


@pytest.mark.slow
def test_changed_settings_are_compared_before_resume(page: AppTest, open_services: Open, tmp_path: Path) -> None:
    services = open_services(rich.script())
    settings = {"model": "/models/Tiny-VL"}
    script = stopping(2, EngineError("engine_empty_answer"))
    jobs = queue(services.store, script, tmp_path / "other", conditions=lambda request: dict(settings))
    resources.install(resources.Installed(services=replace(services, jobs=jobs), key="key"))
    job = jobs.submit(AnalysisRequest(services.videos.path(services.videos.sample())), name="cards.mp4")
    ended(replace(services, jobs=jobs), job)
    settings["model"] = "/models/Other-VL"
    page.query_params["job"] = job
    page.run()
    table = next(block for data in parts_shown(page) for block in data.get("blocks", ()) if block["kind"] == "table")
    cells = [[cell[0]["text"] for cell in row] for row in table["rows"]]
    assert cells == [["Model", "/models/Tiny-VL", "/models/Other-VL"]]
    assert "continue" not in [button.key for button in page.button]
    assert t("ui.changed_lost", "en", names="FrameLens").split("{")[0][:20] in written(page)
    page.button(key="continue_changed").click().run()
    finished = ended(replace(services, jobs=jobs), job)
    assert (finished.state, finished.conditions) == ("done", settings)
    jobs.close()


@pytest.mark.slow
def test_a_report_is_compared_with_another_of_the_same_video(page_of: Callable[..., Any]) -> None:
    page, services, job = page_of(rich.script())
    page.button(key="compare").click().run()
    assert t("ui.compare_none", "en") in texts(page)
    other = services.jobs.submit(services.jobs.snapshot(job).request, name="cards.mp4")
    ended(services, other)
    page.run()
    assert "12 frames in common" in page.selectbox(key="compare_choice").options[0]
    page.button(key="compare_start").click().run()
    assert (page.query_params["job"], page.query_params["with"]) == (job, other)
    assert all("cards.mp4" in str(data["names"][0]) for data in parts_shown(page) if "names" in data)
    rows = [row for data in parts_shown(page) if "rows" in data and "names" in data for row in data["rows"]]
    assert len(rows) == 5 + 12
    page.toggle(key="compare_only").set_value(True).run()
    rows = [row for data in parts_shown(page) if "rows" in data and "names" in data for row in data["rows"]]
    assert len(rows) == 5


@pytest.mark.slow
def test_a_comparison_with_what_is_not_there_is_reported(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script())
    page.query_params["with"] = "nobody"
    page.run()
    assert not page.exception
    assert "is not known here" in texts(page)


@pytest.mark.slow
def test_imported_report_offers_no_impossible_question(
    page_of: Callable[..., Any],
) -> None:
    page, services, job = page_of(rich.script())
    made = services.jobs.snapshot(job).analysis
    again = reader.read(writer.write(replace(made, id="elsewhere"), "en"), name="report.json")
    page.query_params["job"] = services.jobs.import_report(again)
    page.run()
    assert t("library.other_machine_why", "en") not in written(page)  # the other report has the video
    services.jobs.remove(job)
    page.run()
    assert not page.exception
    reported = written(page)
    assert t("library.other_machine_why", "en") in reported and "A man brings a parcel and leaves." in reported
    assert t("ui.part_retry", "en") not in reported
    open_details(page, "shots")
    assert t("report.timeline", "en") in headings(page)  # without the video, there is no player that shows it


def measuring(through: threading.Event) -> Run:
    """A run whose report is there when the first frame is measured; the other frames wait."""

    def run(task: Task) -> Iterator[AnalysisEvent]:
        made = rich.rich(task.request, task.job_id, parts=3)
        yield from rich.opening(replace(made, facts=()))
        yield from (ChunkDone(part) for part in made.requests)
        yield StageStarted("facts", len(made.keyframes))
        yield FactsMeasured(made.facts[0])
        pending = (*made.notices, Notice("facts_pending", level="info"))
        yield Answered(replace(made, facts=made.facts[:1], notices=pending))
        wait(through, task.control)
        yield from (FactsMeasured(frame_facts) for frame_facts in made.facts[1:])
        yield Finished(made)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_is_shown_while_frames_are_measured(page: AppTest, open_services: Open, language: Any) -> None:
    through = threading.Event()
    services = open_services(measuring(through))
    path = services.videos.path(services.videos.sample())
    job = services.jobs.submit(AnalysisRequest(path, frames=12), name="cards.mp4")
    while services.jobs.snapshot(job).state != "measuring":
        time.sleep(0.02)
    page.query_params["job"] = job
    page.run()
    page.button_group(key="language").set_value(language).run()
    assert not page.exception
    assert "An afternoon at the gate" in texts(page)
    assert is_reported(page)
    open_details(page, "frames", language)
    assert [bar.proto.text.replace("\\", "") for bar in page.get("progress")] == [
        t("ui.measuring", language, done=1, total=12)
    ]
    assert save_buttons(page), "a report that is not all measured can be saved"
    through.set()
    ended(services, job)
    page.run()
    assert not page.get("progress")


def breaking_off(task: Task) -> Iterator[AnalysisEvent]:
    """A run whose engine breaks off within the answer and within the description."""
    error = EngineBrokeOff("engine_broke_off", base_url="http://127.0.0.1:1/v1")
    made = rich.rich(task.request, task.job_id, parts=1)
    answer = ReportedAnswer("When?", "", "Frame 1 shows a v", "failed", why=as_notice(error))
    asked = ReportedConversation("a", "When?", "", "en", (answer,))
    part = replace(made.chunks[0], troubles=("broke_off",))
    yield from rich.opening(made)
    yield AnswerChanged(asked, "words", is_over=True)
    yield ChunkDone(part)
    yield Finished(replace(made, chunks=(part,), summary=None, joins=(), answer=asked))
    raise error


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_error_that_broke_all_is_stated_once(page_of: Callable[..., Any], language: Any) -> None:
    page, services, job = page_of(breaking_off)
    page.button_group(key="language").set_value(language).run()
    assert services.jobs.snapshot(job).state == "failed"
    reason = {"en": "in the middle of an answer; it may", "zh": "的回答在中途断开"}[language]
    blocks = json.dumps([one["blocks"] for one in parts_shown(page) if "blocks" in one], ensure_ascii=False)
    assert "Frame 1 shows a v" in blocks and reason not in blocks
    assert texts(page).count(reason) == texts(page).count(t("trouble.broke_off", language)) == 1
    assert next(one.key for one in page.button if one.proto.type == "primary") == "continue"


def broken(task: Task) -> Iterator[AnalysisEvent]:
    """A run whose only answer repeats itself."""
    made = rich.rich(task.request, task.job_id, parts=1)
    words = "white " * 100
    part = replace(made.chunks[0], answer=words, title=words, overview=(), findings=(), troubles=("repeats", "empty"))
    yield from rich.opening(made)
    yield ChunkDone(part)
    yield Finished(replace(made, chunks=(part,), summary=None, joins=()))


@pytest.mark.slow
@pytest.mark.usefixtures("models_page")
@pytest.mark.parametrize("language", LANGUAGES)
def test_repeating_answer_is_no_headline(page_of: Callable[..., Any], language: Any) -> None:
    page, services, job = page_of(broken)
    page.button_group(key="language").set_value(language).run()
    said = t("report.answer_unusable", language, why=t("trouble.repeats", language))
    assert said in texts(page)
    assert not [one for one in page.markdown if one.value.startswith("### ") and "white" in one.value]
    assert page.button(key="unusable_model")
    page.button(key="unusable_again").click().run()
    assert page.query_params["job"] != job
    ended(services, page.query_params["job"])


@pytest.mark.slow
def test_report_without_model_shows_facts_first(
    page_of: Callable[..., Any],
) -> None:
    def run(task: Task) -> Iterator[AnalysisEvent]:
        made = rich.rich(task.request, task.job_id, parts=1)
        yield from rich.opening(made)
        yield Finished(replace(made, chunks=(), summary=None, joins=(), transcript=None, engine=None))

    page, _, _ = page_of(run)
    assert headings(page)[0] == t("report.shots", "en")
    assert t("report.frames_measured", "en") not in headings(page)
    *_, sources = (block for data in parts_shown(page) for block in data.get("blocks", ()))
    assert sources["kind"] == "paragraph" and "FrameLens" in json.dumps(sources)
    open_details(page, "shots")
    assert [tab.label for tab in page.tabs] == [t(f"ui.tab_{name}", "en") for name in ("frames", "shots", "record")]


def test_an_answer_without_findings_has_no_heading_for_them(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(broken)
    assert t("report.reply", "en") not in headings(page)


@pytest.mark.slow
def test_a_notice_is_one_line_and_what_helps_opens(page_of: Callable[..., Any]) -> None:
    page, _, _ = page_of(rich.script())
    notices = tuple(Notice("part_failed", {"first": "a", "last": "b", "reason": "c"}, level) for level in ("error",))
    assert brief(notice_text(notices[0])) in notice_text(notices[0])
    assert notice_text(Notice("sound_not_analysed"), "en") in written(open_details(page, "record"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("The sound was not analysed: no model is set. Set one.", "The sound was not analysed"),
        ("⚠️ Messages format not supported, using text mode: …", "Messages format not supported, using text mode"),
        ("The part from 00:10.000 to 00:20.000 failed. Why?", "The part from 00:10.000 to 00:20.000 failed"),
        ("未分析声音：视频有音轨，但没有字幕。", "未分析声音"),
        ("Nothing more to say", "Nothing more to say"),
    ],
)
def test_the_line_of_a_notice_is_its_first_clause(text: str, line: str) -> None:
    assert brief(text) == line


def test_compared_reports_are_named_by_video_and_time() -> None:
    one = analysis()
    other = replace(one, video=replace(one.video, name="other.mp4"), created="2026-01-02T03:04:05+00:00")
    names = comparison._names((one, other))
    assert names[0].startswith(f"A · {one.video.name} · {local_time(one.created)}")
    assert names[1].startswith(f"B · other.mp4 · {local_time(other.created)}")


@pytest.mark.slow
def test_suggested_question_is_put_into_the_field(page_of: Callable[..., tuple[AppTest, Services, str]]) -> None:
    page, services, job = page_of(rich.script())
    pressed = page.button(key="ask_new_suggested_0")
    suggested = pressed.label.replace("\\", "")
    assert suggested.endswith("?")
    pressed.click().run()
    assert not page.exception and page.chat_input[0].value == suggested
    assert not services.conversations.find(analysis_ids=[job])
