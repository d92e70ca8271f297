"""What the page offers and says before, during and after an analysis, and what it does with faults."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.formatting import local_time
from framelens.analysis.task import Task
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, Language, Notice, ReportedAnswer, ReportedConversation
from framelens.core.errors import ConfigError, EngineError
from framelens.core.events import AnalysisEvent, AnswerChanged, AnswerDelta, HashProgress, Noticed, StageStarted
from framelens.engine.base import EngineStatus
from framelens.i18n import LANGUAGES, error_text, t
from framelens.reports.content.page_text import error_words, plain
from framelens.reports.formats import FORMATS
from tests.app.conftest import Open
from tests.app.fake_services import ScriptedEngine, ended, script, wait, with_bench


def texts(page: AppTest) -> str:
    """All that is written on the page, the escapes of Markdown taken out. A leading emoji is kept apart as an icon."""
    kinds = [page.markdown, page.caption, page.error, page.warning, page.info, page.text]
    written = (f"{getattr(each, 'icon', '')} {each.value}".strip() for kind in kinds for each in kind)
    return "\n".join(written).replace("\\", "")


def parts_shown(page: AppTest) -> list[Any]:
    """What the page's own components were given, those first that stand first."""
    elements = page.get("bidi_component")
    return [json.loads(element.proto.json) for element in elements if element.proto.json]


def is_reported(page: AppTest) -> bool:
    """Whether a report is shown."""
    return any(one.key == "compare" for one in page.button)


def open_details(page: AppTest, tab: str, language: Language = "en") -> AppTest:
    """The page with the details of a report unfolded at a tab."""
    page.session_state["details"] = True
    page.session_state["report_tab"] = t(f"ui.tab_{tab}", language)
    return page.run()


def save_buttons(page: AppTest) -> list[dict[str, str]]:
    """The buttons that save a file."""
    shown = [one for one in parts_shown(page) if "writing" in one.get("words", {})]
    return [item for one in shown for group in one["groups"] for item in group["items"]]


def started(page: AppTest, services: Services) -> str:
    """Chooses the sample, presses the button, and returns the job's id."""
    page.run()
    page.button(key="use_sample").click().run()
    page.button(key="start").click().run()
    assert not page.exception
    return page.query_params["job"]


def test_first_page_offers_sample_and_path(page: AppTest, services: Services) -> None:
    page.run()
    assert not page.exception
    assert page.button(key="start").disabled
    assert page.text_input(key="path")


def test_without_allowed_folders_no_path_is_asked_for(page: AppTest, services: Services) -> None:
    bare = with_bench(services, settings=replace(services.settings, input_dirs=()))
    resources.install(resources.Installed(services=bare, key="key"))
    page.run()
    assert "path" not in [field.key for field in page.text_input]


@pytest.mark.slow
def test_the_sample_leads_to_a_report(page: AppTest, services: Services) -> None:
    job = started(page, services)
    ended(services, job)
    page.run()
    assert not page.exception
    assert is_reported(page)
    assert not page.tabs, "the details are folded"
    open_details(page, "record")
    assert [tab.label for tab in page.tabs] == [t(f"ui.tab_{name}", "en") for name in ("frames", "shots", "record")]


@pytest.mark.slow
def test_report_offers_every_fitting_format_and_frames(page: AppTest, services: Services) -> None:
    job = ended(services, started(page, services))
    page.run()
    labels = {one["label"] for one in save_buttons(page)}
    assert job.analysis
    fitting = [name for name, form in FORMATS.items() if form.fits(job.analysis)]
    assert labels == {t(f"ui.download_{name}", "en") for name in (*fitting, "frames", "sheet", "everything")}


@pytest.mark.slow
def test_what_was_chosen_is_what_is_asked(page: AppTest, services: Services, card_video: Path) -> None:
    page.run()
    page.text_input(key="path").input("cards.mp4").run()
    page.button_group(key="template").set_value("log")
    page.text_area(key="question").input("What comes after red?")
    page.toggle(key="is_automatic").set_value(False).run()
    page.number_input(key="frames").set_value(5)
    page.selectbox(key="report_language").select("zh")
    page.run()
    page.button(key="start").click().run()
    request = services.jobs.snapshot(page.query_params["job"]).request
    assert request == AnalysisRequest(card_video, 5, "log", "What comes after red?", "zh")


@pytest.mark.slow
def test_question_of_one_video_is_not_asked_of_the_next(page: AppTest, services: Services) -> None:
    page.run()
    page.text_area(key="question").input("What comes after red?").run()
    page.text_input(key="path").input("cards.mp4").run()
    assert page.text_area(key="question").value == "What comes after red?"
    page.button(key="start").click().run()
    page.button(key="new").click().run()
    page.button(key="use_sample").click().run()
    assert page.text_area(key="question").value == ""


@pytest.mark.slow
def test_what_was_set_before_is_taken_on_request(page: AppTest, services: Services) -> None:
    page.run()
    page.text_input(key="path").input("cards.mp4").run()
    page.text_area(key="question").input("What comes after red?")
    page.button_group(key="template").set_value("log")
    page.toggle(key="is_automatic").set_value(False).run()
    page.number_input(key="frames").set_value(5).run()
    page.button(key="start").click().run()
    page.button(key="new").click().run()
    page.button(key="use_sample").click().run()
    assert page.button_group(key="template").value == "describe" and page.toggle(key="is_automatic").value
    page.button(key="as_last_time").click().run()
    assert page.text_area(key="question").value == "What comes after red?"
    assert page.button_group(key="template").value == "log"
    assert page.number_input(key="frames").value == 5
    assert not [one for one in page.button if one.key == "as_last_time"]


def test_a_path_outside_is_reported_in_a_sentence(page: AppTest, services: Services) -> None:
    page.run()
    page.text_input(key="path").input("/etc/passwd").run()
    assert not page.exception
    assert "/etc/passwd" in texts(page)
    assert "not in an allowed folder" in texts(page)


def test_an_error_moves_nothing_below_it(page: AppTest, services: Services) -> None:
    """Streamlit replaces a component that moves, and its upload would end."""

    def places(block: Any, above: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
        found = {}
        for place, child in block.children.items():
            if key := getattr(child, "key", None):
                found[key] = (*above, place)
            if hasattr(child, "children"):
                found |= places(child, (*above, place))
        return found

    before = places(page.run().main)
    after = places(page.text_input(key="path").input("/etc/passwd").run().main)
    assert page.error and after["use_sample"] == before["use_sample"]


@pytest.mark.slow
def test_a_file_that_is_no_video_is_reported_in_a_sentence(page: AppTest, services: Services, card_video: Path) -> None:
    (card_video.parent / "text.mp4").write_text("this is no video")
    page.run()
    page.text_input(key="path").input("text.mp4").run()
    assert not page.exception
    assert page.error
    assert page.button(key="start").disabled


@pytest.mark.slow
def test_a_change_of_language_keeps_every_choice(page: AppTest, services: Services) -> None:
    page.run()
    page.button(key="use_sample").click().run()
    page.button_group(key="template").set_value("log")
    page.text_area(key="question").input("who?")
    page.toggle(key="is_automatic").set_value(False).run()
    page.number_input(key="frames").set_value(21)
    page.run()
    page.button_group(key="language").set_value("zh").run()
    assert page.button(key="start").label == t("ui.start", "zh")
    assert page.button_group(key="template").value == "log"
    assert page.text_area(key="question").value == "who?"
    assert page.number_input(key="frames").value == 21
    assert page.query_params["video"]


def test_the_language_set_for_the_server_is_the_first_language(page: AppTest, services: Services) -> None:
    chinese = with_bench(services, settings=replace(services.settings, language="zh"))
    resources.install(resources.Installed(services=chinese, key="key"))
    page.run()
    assert page.button(key="start").label == t("ui.start", "zh")


@pytest.mark.slow
def test_a_closed_tab_comes_back_to_its_analysis(page: AppTest, services: Services) -> None:
    job = started(page, services)
    ended(services, job)
    again = AppTest.from_file(page._script_path, default_timeout=30)
    again.query_params["job"] = job
    again.run()
    assert is_reported(again)


def test_an_unknown_analysis_in_the_address_is_told_and_left(page: AppTest, services: Services) -> None:
    page.query_params["job"] = "nobody"
    page.run()
    assert not page.exception
    assert "is not known here" in texts(page)


@pytest.mark.slow
def test_the_answer_shows_while_it_comes_and_cancel_ends_it(
    page: AppTest, open_services: Open, hold: threading.Event
) -> None:
    services = open_services(script(hold=hold))
    job = started(page, services)
    while not services.jobs.snapshot(job).progress.answers:
        time.sleep(0.01)
    page.run()
    assert "⚠️ Messages format not supported" in texts(page)
    page.button(key="cancel").click().run()
    assert ended(services, job).state == "cancelled"
    page.run()
    assert t("ui.state_cancelled", "en") in texts(page)


@pytest.mark.slow
def test_notice_moves_no_answer_that_is_read(page: AppTest, open_services: Open, hold: threading.Event) -> None:
    def noticing(task: Task) -> Iterator[AnalysisEvent]:
        for event in script(hold=hold)(task):
            yield from [Noticed(Notice("sight_unknown"))] if isinstance(event, AnswerDelta) else ()
            yield event

    services = open_services(noticing)
    job = started(page, services)
    while not services.jobs.snapshot(job).progress.answers:
        time.sleep(0.01)
    page.run()
    captions = [one.value for one in page.caption]
    assert captions.index(t("ui.keyframes", "en")) < captions.index(plain(t("notice.sight_unknown", "en")))


@pytest.mark.slow
def test_stopped_analysis_shows_its_question_and_answer(
    page: AppTest, open_services: Open, hold: threading.Event
) -> None:
    def answering(task: Task) -> Iterator[AnalysisEvent]:
        events = script()(task)
        yield from takewhile(lambda event: event != StageStarted("ask", 1), events)
        answer = ReportedAnswer(task.request.question, "", "A red card is seen.", "stopped")
        yield AnswerChanged(ReportedConversation("a", "", "", "en", (answer,)), "words")
        wait(hold, task.control)

    services = open_services(answering)
    page.run()
    page.button(key="use_sample").click().run()
    page.text_area(key="question").set_value("When is it red?")
    page.button(key="start").click().run()
    job = page.query_params["job"]
    while not services.jobs.snapshot(job).progress.answer:
        time.sleep(0.01)
    for state in ("running", "cancelled"):
        page.run()
        assert services.jobs.snapshot(job).state == state
        assert "When is it red?" in texts(page) and "A red card is seen." in json.dumps(parts_shown(page))
        if state == "running":
            page.button(key="cancel").click().run()
            ended(services, job)


@pytest.mark.slow
def test_reading_a_large_file_shows_and_can_be_cancelled(
    page: AppTest, open_services: Open, hold: threading.Event
) -> None:
    def reading(task: Task) -> Iterator[AnalysisEvent]:
        yield StageStarted("survey")
        yield HashProgress(3 << 30, 10 << 30)
        wait(hold, task.control)

    services = open_services(reading)
    job = started(page, services)
    while services.jobs.snapshot(job).progress.hashing is None:
        time.sleep(0.01)
    page.run()
    assert "Reading the file, 30 %" in texts(page)
    page.button(key="cancel").click().run()
    assert ended(services, job).state == "cancelled"


@pytest.mark.slow
@pytest.mark.usefixtures("models_page")
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_mode_is_said_openly_in_the_report(page: AppTest, services: Services, language: str) -> None:
    job = started(page, services)
    ended(services, job)
    page.button_group(key="language").set_value(language).run()
    banner = (
        "Messages format not supported, using text mode" if language == "en" else "Messages 格式不支持，使用文本模式"
    )
    assert banner in texts(page)
    assert t("ui.text_mode", language) in texts(page)
    page.button(key="text_mode_model").click().run()
    assert not page.exception


@pytest.mark.slow
def test_report_without_model_says_none_described_the_frames(page: AppTest, open_services: Open) -> None:
    services = open_services(script(with_model=False))
    ended(services, started(page, services))
    page.run()
    assert t("notice.no_model", "en") in texts(page)


@pytest.mark.slow
def test_unstartable_engine_is_explained_and_optional(page: AppTest, open_services: Open) -> None:
    error = EngineError("upload_busy", id="x")
    runs = script()

    def failing(task: Task):  # type: ignore[no-untyped-def]
        if task.request.use_model:
            raise error
        yield from runs(task)

    services = open_services(failing)
    job = started(page, services)
    assert ended(services, job).state == "failed"
    page.run()
    assert error_text(error, "en") in texts(page)
    page.button(key="without_model").click().run()
    assert page.query_params["job"] == job
    assert not services.jobs.snapshot(job).request.use_model
    assert ended(services, job).analysis
    page.run()
    assert not page.exception


def test_sidebar_shows_engine_state_error_and_log(page: AppTest, services: Services) -> None:
    assert isinstance(services.engine, ScriptedEngine)
    services.engine.now = EngineStatus("failed", "vllm", "org/Tiny-VL", error=EngineError("upload_busy", id="x"))
    page.run()
    assert "Tiny-VL" in texts(page)
    assert t("ui.engine_failed", "en") in texts(page)
    assert "Another connection is still writing" in texts(page)
    assert page.code[0].value.startswith("INFO loading weights")


@pytest.mark.slow
def test_recent_analyses_are_there_to_come_back_to(page: AppTest, services: Services) -> None:
    job = started(page, services)
    ended(services, job)
    page.button(key="new").click().run()
    assert "job" not in page.query_params
    (row,) = next(part["jobs"] for part in parts_shown(page) if "jobs" in part)
    assert (row["id"], row["icon"], row["is_open"]) == (job, "done", False)
    assert row["lines"][-1] == local_time(services.jobs.snapshot(job).created).split(" ")[1]
    page.query_params["job"] = job
    page.run()
    (row,) = next(part["jobs"] for part in parts_shown(page) if "jobs" in part)
    assert row["is_open"]
    assert is_reported(page)


def test_foreign_analysis_shows_report_without_video(page: AppTest, services: Services, tmp_path: Path) -> None:
    job = services.jobs.submit(AnalysisRequest(tmp_path / "elsewhere.mp4"), name="elsewhere.mp4")
    ended(services, job)
    page.query_params["job"] = job
    page.query_params["video"] = services.videos.sample()
    page.run()
    assert "“elsewhere.mp4” was analysed on the command line" in texts(page)
    assert is_reported(page)


def test_page_bug_is_a_sentence_and_a_logged_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        from app.error_boundary import show_error

        try:
            print(1 // 0)
        except ZeroDivisionError as error:
            assert show_error(error)

    with caplog.at_level(logging.ERROR, logger="app.error_boundary"):
        page = AppTest.from_function(broken, default_timeout=30).run()
    assert "Something inside FrameLens failed" in texts(page)
    assert "Traceback" not in texts(page)
    assert "integer division or modulo by zero" in caplog.text


def test_a_wrong_setting_is_reported_in_the_page(page: AppTest) -> None:
    resources.install(resources.Installed(error=ConfigError("upload_busy", id="x")))
    page.run()
    assert not page.exception
    assert "Another connection" in texts(page)


def test_addresses_are_no_links_and_errors_have_one_icon() -> None:
    assert plain("Set HF_ENDPOINT=https://hf-mirror.com.") == "Set HF\\_ENDPOINT=`https://hf-mirror.com`\\."
    assert plain("打开https://hf-mirror.com再试") == "打开`https://hf-mirror.com`再试"
    assert plain("![x](http://evil.example/x.png)") == "\\!\\[x\\]\\(`http://evil.example/x.png`\\)"
    assert plain("a model wrote ❌") == "a model wrote ❌"
    folder = EngineError("model_folder_missing", model="/m", existing="/")
    assert error_words(folder) == error_text(folder, "en").removeprefix("❌ ")


@pytest.mark.parametrize(
    "text", ["![x](//evil.example)", "[a](b)", "<img src=x>", ":red[x] $a$", "# h", "a\\b *c* `d`"]
)
def test_text_from_outside_is_shown_letter_by_letter(text: str) -> None:
    escaped = plain(text)
    assert all(escaped[place - 1] == "\\" for place, letter in enumerate(escaped) if letter in "![](<>:$#*`")
    assert escaped.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") == text
