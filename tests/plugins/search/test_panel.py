"""Moments on the Library page: as pictures that open their reports, and the offer of the model."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.context import LANGUAGE_KEY
from app.state import PageState
from framelens.composition import Services
from framelens.core.errors import InputError
from framelens.jobs.asking import Asking
from framelens.jobs.stored.library_search import Moment, MomentHits, MomentQuery
from framelens.plugins.search.critic import checks_of
from framelens.plugins.search.moment_index import MomentIndex
from framelens.store.library_index import LibraryQuery
from tests.app.panels.report.test_report import parts_shown
from tests.reports.test_reports import analysis

MODEL = str(Path(__file__).parents[2] / "fixtures" / "tiny-search")


def library_page() -> None:
    from app.components import slots
    from app.page_tools import TOOLS
    from app.views import library

    slots.pass_tools(TOOLS)
    library.draw()


def page(words: str, **state: Any) -> AppTest:
    shown = AppTest.from_function(library_page, default_timeout=60)
    shown.session_state["framelens"] = PageState()
    shown.session_state[LANGUAGE_KEY] = "en"
    for name, value in state.items():
        shown.session_state[name] = value
    shown.query_params["q"] = words
    shown.run()
    assert not shown.exception
    return shown


def moments(shown: AppTest) -> list[dict[str, Any]]:
    return next((list(part["moments"]) for part in parts_shown(shown) if part.get("moments")), [])


@pytest.fixture
def index(services: Services, monkeypatch: pytest.MonkeyPatch) -> MomentIndex:
    """An index that finds nothing, of a library with a report."""
    services.jobs.import_report(analysis())
    index = MomentIndex(services.store, services.jobs.library)
    monkeypatch.setattr(index, "find", lambda query: MomentHits((), "tiny"))
    object.__setattr__(services, "library_search", index)
    object.__setattr__(services.settings, "search_model_path", MODEL)
    return index


def test_moments_are_pictures_with_their_times(index: MomentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[MomentQuery] = []
    job_id = index._library.find(LibraryQuery(), order="newest", offset=0, limit=1)[0].id

    def find(query: MomentQuery) -> MomentHits:
        asked.append(query)
        seen = Moment(job_id, "street.mp4", 62.4, 31, ("seen", "words"), 0.5, "a blue van turns")
        return MomentHits(tuple(seen for _ in range(12)), "tiny")

    monkeypatch.setattr(index, "find", find)
    shown = page("blue van")
    assert asked[0].words == "blue van" and not asked[0].picture
    first, *others = moments(shown)
    assert (first["time"], first["seconds"], first["why"]) == (
        "01:02",
        62.4,
        "picture shows it · words · a blue van turns",
    )
    assert f"jobs/{job_id}/frames/31.jpg" in first["picture"] and len(others) == 7
    shown.button(key="find_more_button").click().run()
    assert len(moments(shown)) == 12 and not shown.exception


def test_what_cannot_be_found_or_compared_is_said(index: MomentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    from framelens.plugins.search.panels.library import QueryPicture

    picture = {"find_picture": QueryPicture("van.jpg", b"\xff\xd8")}
    nothing = page("", **picture)
    assert "Nothing like that" in nothing.info[0].value and not moments(nothing)

    def fail(query: MomentQuery) -> MomentHits:
        raise InputError("search_model_unusable", model="tiny", reason="it is torn")

    monkeypatch.setattr(index, "find", fail)
    assert "it is torn" in page("", **picture).error[0].value


def test_a_part_of_the_picture_is_looked_for(
    services: Services, index: MomentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from framelens.plugins.search.panels.library import QueryPicture

    asked: list[MomentQuery] = []
    monkeypatch.setattr(index, "find", lambda query: asked.append(query) or MomentHits((), "tiny"))
    chosen = QueryPicture("van.jpg", b"\xff\xd8", (0.25, 0.25, 0.5, 0.75))
    shown = page("", find_picture=chosen)
    assert [query.region for query in asked] == [(0.25, 0.25, 0.5, 0.75)]
    (part,) = [part for part in parts_shown(shown) if "query" in part]
    assert list(part["query"]["region"]) == [0.25, 0.25, 0.5, 0.75] and "Drag" in part["words"]["hint"]
    wrong = page("", find_picture=QueryPicture("van.jpg", b"\xff\xd8", (0.5, 0.5, 0.25, 0.75)))
    assert "no part of a picture" in wrong.error[0].value
    object.__setattr__(services.settings, "search_model_path", "")
    offered = page("", find_picture=chosen)
    assert "Only a model can find a part" in offered.caption[-1].value and offered.button(key="find_download")
    assert len(asked) == 1


def test_the_model_is_offered_with_its_size(services: Services, index: MomentIndex) -> None:
    object.__setattr__(services.settings, "search_model_path", "")
    assert "418 MB" in page("blue van").button(key="find_download").label
    assert not [button for button in page("").button if button.key == "find_download"]


def test_the_model_looks_when_it_is_told_to(
    services: Services, index: MomentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = index._library.find(LibraryQuery(), order="newest", offset=0, limit=1)[0].id
    hits = tuple(Moment(job_id, "street.mp4", seconds, 0, ("seen",), 0.5) for seconds in (1.0, 62.4))
    monkeypatch.setattr(index, "find", lambda query: MomentHits(hits, "tiny"))
    looks = [(False, "a red one"), (True, "a blue van")]
    monkeypatch.setattr(Asking, "_look", lambda self, thing, frames, content, cancel: iter(looks))
    monkeypatch.setattr(Asking, "has_model", lambda self: False)
    assert "find_check_button" not in [button.key for button in page("blue van").button]
    monkeypatch.setattr(Asking, "has_model", lambda self: True)
    shown = page("blue van")
    shown.button(key="find_check_button").click().run()
    (task,) = checks_of(services)._tasks.values()
    task.wait(30)
    shown.run()
    assert [moment["why"] for moment in moments(shown)] == [
        "yes · a blue van · picture shows it",
        "no · a red one · picture shows it",
    ]
    assert not shown.exception and "find_check_button" not in [button.key for button in shown.button]
