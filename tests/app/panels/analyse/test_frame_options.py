"""Which frames are looked at: chosen before, and a part looked at again."""

import pytest
from streamlit.testing.v1 import AppTest

from app.state import PageState
from framelens.composition import Services
from framelens.core.domain import Selection
from framelens.i18n import LANGUAGES, t
from tests.app.fake_services import ended
from tests.app.views.test_analyse import is_reported, started, texts


def chosen_video(page: AppTest) -> None:
    page.run()
    page.button(key="use_sample").click().run()


def submitted(page: AppTest, services: Services) -> tuple[Selection, int]:
    page.button(key="start").click().run()
    assert not page.exception
    request = services.jobs.snapshot(page.query_params["job"]).request
    return request.selection, request.frames


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
def test_the_usual_strategies_are_offered_by_name(page: AppTest, services: Services, language: str) -> None:
    chosen_video(page)
    page.button_group(key="language").set_value(language).run()
    names = [t(f"strategy.{one}", language) for one in ("auto", "uniform", "every")]  # type: ignore[arg-type]
    assert page.radio(key="strategy").options == names


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
    page.radio(key="strategy").set_value("uniform").run()
    page.text_input(key="range_end").input("1.5").run()
    page.button_group(key="language").set_value("zh").run()
    assert page.radio(key="strategy").value == "uniform"
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
