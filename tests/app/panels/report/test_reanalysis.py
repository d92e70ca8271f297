"""Which frames are looked at: chosen before, changed by hand afterwards, and a part looked at again."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from app.state import PageState
from framelens.core.domain import Selection
from framelens.i18n import LANGUAGES, t
from framelens.services.container import Services
from tests.app.fake_services import ended
from tests.app.views.test_analyse import is_reported, open_details, parts_shown, started, texts


def chosen_video(page: AppTest) -> None:
    page.run()
    page.button(key="use_sample").click().run()


def submitted(page: AppTest, services: Services) -> tuple[Selection, int]:
    page.button(key="start").click().run()
    assert not page.exception
    request = services.jobs.snapshot(page.query_params["job"]).request
    return request.selection, request.frames


def keys_of(page: AppTest) -> list[str]:
    """The keys of the page's own components."""
    return [key for part in page.get("bidi_component") for key in ("blocks_document",) if key in part.proto.id]


def reported(page: AppTest, services: Services) -> str:
    job = started(page, services)
    ended(services, job)
    page.run()
    return job


def state_of(page: AppTest) -> PageState:
    state = page.session_state["framelens"]
    assert isinstance(state, PageState)
    return state


@pytest.mark.slow
def test_the_usual_way_takes_one_click(page: AppTest, services: Services) -> None:
    chosen_video(page)
    assert submitted(page, services) == (Selection(), 256)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_strategy_has_a_name_and_a_line_that_explains_it(
    page: AppTest, services: Services, language: str
) -> None:
    chosen_video(page)
    page.button_group(key="language").set_value(language).run()
    strategies = page.radio(key="strategy")
    assert len(strategies.options) == 6
    assert t("strategy.scenes", language) in strategies.options  # type: ignore[arg-type]
    assert len(strategies.proto.captions) == 6


@pytest.mark.slow
def test_frames_every_few_seconds_of_a_part_of_the_video(page: AppTest, services: Services) -> None:
    chosen_video(page)
    page.radio(key="strategy").set_value("every").run()
    page.number_input(key="every").set_value(0.5)
    page.number_input(key="frames_most").set_value(100)
    page.text_input(key="range_start").input("0:00.5").run()
    page.text_input(key="range_end").input("1.5").run()
    assert "00:00.5–00:01.5" in texts(page)
    expected = Selection("every", 0.5, start_seconds=0.5, end_seconds=1.5)
    assert submitted(page, services) == (expected, 100)


@pytest.mark.slow
def test_frames_at_times_that_were_written(page: AppTest, services: Services) -> None:
    chosen_video(page)
    page.radio(key="strategy").set_value("times").run()
    page.button(key="start").click().run()
    assert "No times were given" in texts(page)
    page.text_input(key="times").input("0.5, soon").run()
    page.button(key="start").click().run()
    assert "“soon” is not a time" in texts(page)
    page.text_input(key="times").input("0.5, 0:01.25").run()
    assert submitted(page, services) == (Selection("times", times_seconds=(0.5, 1.25)), 256)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "end", "output"),
    [("x", "", "“x” is not a time"), ("2", "1", "The range from 2 to 1 is empty"), ("", "0", "The range from 0 to 0")],
)
def test_invalid_range_is_reported_and_starts_nothing(
    page: AppTest, services: Services, start: str, end: str, output: str
) -> None:
    chosen_video(page)
    page.text_input(key="range_start").input(start).run()
    page.text_input(key="range_end").input(end).run()
    assert output in texts(page)
    page.button(key="start").click().run()
    assert "job" not in page.query_params


@pytest.mark.slow
def test_a_choice_of_frames_survives_a_change_of_language(page: AppTest, services: Services) -> None:
    chosen_video(page)
    page.radio(key="strategy").set_value("scenes").run()
    page.text_input(key="range_end").input("1.5").run()
    page.button_group(key="language").set_value("zh").run()
    assert page.radio(key="strategy").value == "scenes"
    assert page.text_input(key="range_end").value == "1.5"


@pytest.mark.slow
def test_a_range_is_looked_at_again(page: AppTest, services: Services) -> None:
    first = reported(page, services)
    state_of(page).range_texts = ("0.5", "1.5")  # as the timeline tells it
    page.run()
    page.button(key="ask_again").click().run()
    page.text_area(key="question").input("What falls?")
    page.button(key="start").click().run()
    second = page.query_params["job"]
    request = ended(services, second).request
    assert request.selection == Selection(start_seconds=0.5, end_seconds=1.5)
    assert (request.adapts, request.question) == (True, "What falls?")
    page.run()
    assert state_of(page).range is None
    assert is_reported(page) and second != first


@pytest.mark.slow
def test_hand_chosen_frames_make_a_new_report(page: AppTest, services: Services) -> None:
    first = reported(page, services)
    before = services.jobs.snapshot(first)
    page.button(key="edit_frames").click().run()
    assert page.button(key="edits_ask").disabled
    state = state_of(page)
    assert state.edits
    state.edits = state.edits.after(0, [["remove", 1.0], ["add", 0.5], ["add", 1.7]])
    page.run()
    assert "3 frames" in texts(page)
    assert "1 removed, 2 added" in texts(page)
    page.button(key="edits_ask").click().run()
    second = page.query_params["job"]
    job = ended(services, second)
    assert job.request.selection == Selection("times", times_seconds=(0.0, 0.5, 1.7))
    assert (job.request.frames, job.follows) == (3, first)
    assert services.jobs.snapshot(first) == before
    page.run()
    assert page.button(key="way_back")


@pytest.mark.slow
def test_leaving_the_choice_by_hand_changes_nothing(page: AppTest, services: Services) -> None:
    first = reported(page, services)
    page.button(key="edit_frames").click().run()
    assert "blocks_document" not in keys_of(page)
    page.button(key="edits_leave").click().run()
    assert "blocks_document" in keys_of(page)
    assert page.query_params["job"] == first


@pytest.mark.slow
def test_no_frame_at_all_cannot_be_asked_about(page: AppTest, services: Services) -> None:
    reported(page, services)
    page.button(key="edit_frames").click().run()
    state = state_of(page)
    assert state.edits
    state.edits = state.edits.after(0, [["remove", 0.0], ["remove", 1.0]])
    page.run()
    assert page.button(key="edits_ask").disabled


@pytest.mark.slow
def test_edits_of_one_report_leave_others_alone(page: AppTest, services: Services) -> None:
    first = reported(page, services)
    page.button(key="new").click().run()
    second = reported(page, services)
    page.button(key="edit_frames").click().run()
    page.query_params["job"] = first  # as the browser's history leads there
    page.run()
    assert "blocks_document" in keys_of(page)
    page.query_params["job"] = second
    page.run()
    assert "blocks_document" not in keys_of(page)


@pytest.mark.slow
def test_how_the_frames_were_chosen_is_in_the_report(page: AppTest, services: Services) -> None:
    chosen_video(page)
    page.radio(key="strategy").set_value("scenes").run()
    page.text_input(key="range_start").input("0.5").run()
    submitted(page, services)
    ended(services, page.query_params["job"])
    open_details(page, "record")
    assert "Where shots begin · from 00:00.5" in json.dumps(parts_shown(page), ensure_ascii=False)
