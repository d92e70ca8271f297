"""The Library page without a browser: what it lists, what the address says, and what its buttons do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from app import formatting
from app.context import LANGUAGE_KEY
from app.state import PageState
from framelens.composition import Services
from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import AnalysisRequest, Language, Selection
from framelens.core.errors import InputError
from framelens.i18n import LANGUAGES
from framelens.jobs.snapshot import to_row
from framelens.jobs.stored.library_entries import SearchIndexer
from framelens.questions.conversation import AskSettings, Conversation
from framelens.store.library_index import LibraryIndex
from tests.app import rich
from tests.app.fake_services import ended
from tests.app.panels.report.test_report import parts_shown
from tests.app.views.test_analyse import save_buttons, texts
from tests.reports.test_reports import analysis

Show = Callable[..., AppTest]


def library_page() -> None:
    from app.components import dialogs
    from app.views import library

    library.draw()
    dialogs.draw_dialog()  # as app/entry.py does


@pytest.fixture
def show(services: Services) -> Show:
    """The page with this in its address and these selected."""

    def show_with(language: Language = "en", *, chosen: frozenset[str] = frozenset(), **address: str) -> AppTest:
        page = AppTest.from_function(library_page, default_timeout=60)
        page.session_state["framelens"] = PageState(chosen=chosen)
        page.session_state[LANGUAGE_KEY] = language
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    return show_with


def cards(page: AppTest) -> list[dict[str, Any]]:
    return next((list(shown["entries"]) for shown in parts_shown(page) if "entries" in shown), [])


def names(page: AppTest) -> list[str]:
    return [card["name"] for card in cards(page)]


def import_report(services: Services, number: int, name: str, **changes: object) -> str:
    given = analysis(id=f"job{number:03d}abc", created=f"2026-01-01T00:00:{number % 60:02d}+00:00", **changes)
    return services.jobs.import_report(replace(given, video=replace(given.video, name=name)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_analysis_is_a_card_with_what_there_is_to_know(
    show: Show, services: Services, language: Language
) -> None:
    job_id = import_report(services, 1, "<b>gate</b>.mp4")
    services.jobs.rename(job_id, "<b>gate</b> *1*")
    services.jobs.library.tag([job_id], "大门")
    (card,) = cards(show(language))
    assert (card["name"], card["id"]) == ("<b>gate</b> *1*", job_id)
    assert f"library/{job_id}.jpg" in card["cover"]
    assert "model" in card["facts"][0]
    assert "2026-01-01 00:00" in card["facts"][1]  # no browser is there, and this machine's time is UTC in tests
    assert ["tag", "大门"] in card["badges"]
    assert len(card["badges"]) == 3  # its state, that it is from elsewhere, and the tag


def test_analyses_of_one_video_are_reported_apart(show: Show, services: Services) -> None:
    """By the model's title, then file, question, range and model."""
    part = Selection(start_seconds=1.0, end_seconds=61.0)
    request = AnalysisRequest(Path("/v/clip.mp4"), question="Is there a red car?", selection=part)
    services.jobs.import_report(rich.rich(request, "job123456", parts=2, findings=3))
    import_report(services, 1, "gate.mp4")
    first, second = cards(show())
    assert (first["title"], first["name"]) == ("An afternoon at the gate", "clip.mp4")
    assert first["facts"][:2] == ["“Is there a red car?”", "00:01–01:01 · Tiny-VL · 8 frames · 6 findings"]
    assert (second["title"], second["name"]) == ("", "gate.mp4")


def test_failed_analysis_shows_its_state_in_place_of_a_picture(show: Show, services: Services) -> None:
    job_id = services.jobs.submit(AnalysisRequest(Path("/v/nothing.mp4")), name="nothing.mp4")
    services.jobs.cancel(job_id)
    state = ended(services, job_id).state
    (card,) = cards(show())
    assert (card["icon"], card["cover"] == "") == (state, not services.jobs.snapshot(job_id).progress.keyframes)


def test_times_are_those_of_the_readers_time_zone(
    show: Show, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_report(services, 1, "gate.mp4")
    monkeypatch.setattr(formatting, "_zone", lambda: ZoneInfo("Asia/Shanghai"))
    (card,) = cards(show())
    assert "2026-01-01 08:00" in card["facts"][1]


def test_add_after_enter_has_nothing_to_do(show: Show, services: Services) -> None:
    job_id = import_report(services, 1, "gate.mp4")
    page = show(chosen=frozenset({job_id}))
    next(one for one in page.button if "Add" in one.label).click().run()
    assert not page.error


def test_delete_is_red_and_comes_after_cancel(show: Show, services: Services) -> None:
    page = show(chosen=frozenset({import_report(services, 1, "gate.mp4")}))
    page.button(key="library_delete").click().run()
    cancel, delete = (one for one in page.button if one.key in ("library_delete_not", "library_delete_sure"))
    assert (cancel.key, delete.key) == ("library_delete_not", "library_delete_sure")
    assert delete.label.startswith(":red[") and delete.proto.type == "secondary"
    assert any(one.value.endswith("mp4 · Describe") for one in page.markdown)


def test_empty_library_differs_from_empty_search(show: Show, services: Services) -> None:
    assert "no analysis yet" in texts(show())
    import_report(services, 1, "gate.mp4")
    assert "No analysis matches" in texts(show(q="lorry"))


def test_the_address_says_what_is_looked_for(show: Show, services: Services) -> None:
    import_report(services, 1, "gate.mp4")
    import_report(services, 2, "停车场.mp4")
    assert names(show(q="停车")) == ["停车场.mp4"]
    assert names(show(sort="name")) == ["gate.mp4", "停车场.mp4"]
    assert names(show(state="failed")) == []
    assert names(show(model="some/model", template="describe", **{"in": "en"})) == ["停车场.mp4", "gate.mp4"]
    assert names(show(made="day")) == []
    (card,) = cards(show(q="later gate"))
    assert [piece for piece, is_found in card["hits"][0]["pieces"] if is_found] == ["later"]
    assert (card["hits"][0]["time"], card["hits"][0]["seconds"]) == ("00:04", 4.0)


def test_what_is_typed_and_chosen_goes_into_the_address(show: Show, services: Services) -> None:
    import_report(services, 1, "gate.mp4")
    import_report(services, 2, "yard.mp4")
    page = show(page="2")
    page.text_input(key="library_q").set_value(" gate ").run()
    assert page.query_params["q"] == "gate"
    assert "page" not in page.query_params
    assert names(page) == ["gate.mp4"]
    page.selectbox(key="library_sort").set_value("oldest").run()
    assert page.query_params["sort"] == "oldest"
    page.selectbox(key="library_state").set_value("done").run()
    page.button(key="library_clear").click().run()
    assert "state" not in page.query_params
    assert page.query_params["q"] == "gate"
    assert not page.exception


@pytest.mark.parametrize("address", [{"page": "-1"}, {"page": "９"}, {"page": "99"}, {"sort": "x"}, {"state": "x'"}])
def test_an_address_that_somebody_has_written_does_no_harm(
    show: Show, services: Services, address: dict[str, str]
) -> None:
    import_report(services, 1, "gate.mp4")
    assert names(show(**address)) == ([] if "state" in address else ["gate.mp4"])


@pytest.mark.slow
def test_a_long_library_comes_in_pages(show: Show, services: Services) -> None:
    for number in range(30):
        import_report(services, number, f"{number:02d}.mp4")
    assert len(names(show())) == 24
    assert names(show(page="2")) == [f"{number:02d}.mp4" for number in range(5, -1, -1)]
    assert "25–30 of 30" in texts(show(page="2"))


def test_the_selected_are_deleted_only_when_that_is_said_twice(show: Show, services: Services) -> None:
    kept, gone = import_report(services, 1, "kept.mp4"), import_report(services, 2, "gone.mp4")
    page = show(chosen=frozenset({gone}))
    assert [card["is_chosen"] for card in cards(page)] == [True, False]
    page.button(key="library_delete").click().run()
    assert names(page) == ["gone.mp4", "kept.mp4"]
    page.button(key="library_delete_sure").click().run()
    assert not page.exception
    assert names(page) == ["kept.mp4"]
    assert services.jobs.snapshot(kept)
    with pytest.raises(InputError):
        services.jobs.snapshot(gone)


def delete(page: AppTest) -> AppTest:
    page.button(key="library_delete").click().run()
    page.button(key="library_delete_sure").click().run()
    assert not page.exception
    return page


@pytest.mark.slow
def test_deleted_come_back_with_one_click(show: Show, services: Services) -> None:
    ids = [import_report(services, number, f"{number}.mp4") for number in (1, 2, 3)]
    page = delete(show(chosen=frozenset(ids[:2])))
    assert names(page) == ["3.mp4"] and "2 analyses deleted" in texts(page)
    page.button(key="report_undo_deletion").click().run()
    assert names(page) == ["3.mp4", "2.mp4", "1.mp4"] and "deleted" not in texts(page)
    assert "library_trash" not in {one.key for one in page.expander}
    page = delete(show(chosen=frozenset(ids[:1])))
    page.button(key="report_undo_close").click().run()
    assert "1 analysis deleted" not in texts(page) and names(page) == ["3.mp4", "2.mp4"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_dialog_names_what_goes(show: Show, services: Services, language: Language) -> None:
    ids = [import_report(services, number, f"*{number}*.mp4") for number in range(7)]
    page = show(language, chosen=frozenset(ids))
    page.button(key="library_delete").click().run()
    shown = texts(page)
    assert shown.count(".mp4") == 5 and "*0*.mp4" in shown
    assert {"en": "and 2 more", "zh": "以及另外 2 条"}[language] in shown
    assert {"en": "undo this for 30 days", "zh": "30 天内可以恢复"}[language] in shown
    assert {"en": "No video is deleted", "zh": "不会删除视频"}[language] in shown


def test_dialog_says_whether_videos_go_along(show: Show, services: Services) -> None:
    upload = services.videos.create_upload("clip.mp4", 3)
    with services.videos.part(upload.id, 0) as part:
        part.write(b"abc")
    path = services.videos.path(services.videos.finish(upload.id))
    ids = [services.jobs.submit(AnalysisRequest(path), name="clip.mp4", force=True) for _ in range(2)]
    for job_id in ids:
        services.jobs.cancel(job_id)
        ended(services, job_id)
    services.jobs.indexing.catch_up()
    for chosen, said in ((ids[:1], "No video is deleted"), (ids, "1 uploaded video that no other analysis uses goes")):
        page = show(chosen=frozenset(chosen))
        page.button(key="library_delete").click().run()
        assert said in texts(page)


@pytest.mark.slow
def test_trash_is_listed_restored_and_emptied(show: Show, services: Services) -> None:
    first, second, third = (import_report(services, number, f"{number}.mp4") for number in (1, 2, 3))
    talk = services.conversations.add(Conversation.begun_about([third], "en").with_question("Which?", AskSettings()))
    services.conversations.discard(talk.id)
    services.jobs.discard([first, second])
    page = show()
    assert texts(page).count("Conversation · deleted") == 1
    page.button(key=f"library_restore_{talk.id}").click().run()
    assert [one.id for one in services.conversations.find()] == [talk.id]
    services.conversations.discard(talk.id)
    services.jobs.discard([third])
    page = show()
    assert "30 days left" in texts(page) and [one.label for one in page.expander if one.key] == ["Trash · 4"]
    page.button(key=f"library_restore_{first}").click().run()
    assert names(page) == ["1.mp4"]
    page.button(key=f"library_purge_{second}").click().run()
    assert "can't be undone" in texts(page)
    page.button(key="library_purge_sure").click().run()
    assert [entry.id for entry in services.jobs.trash.entries()] == [third, talk.id]
    page.button(key="library_purge_all").click().run()
    page.button(key="library_purge_sure").click().run()
    assert not page.exception and services.jobs.trash.entries() == []
    assert names(page) == ["1.mp4"]


@pytest.mark.slow
def test_two_pages_delete_and_restore(show: Show, services: Services) -> None:
    job_id = import_report(services, 1, "gate.mp4")
    page, other = show(chosen=frozenset({job_id})), show(chosen=frozenset({job_id}))
    other.button(key="library_delete").click().run()
    delete(page)
    other.button(key="library_delete_sure").click().run()
    assert not other.exception and [one.value for one in other.error]
    assert "library_delete" not in {one.key for one in other.button}  # nothing is selected any more
    page.button(key="report_undo_deletion").click().run()
    other.button(key=f"library_restore_{job_id}").click().run()
    assert not other.exception and [one.value for one in other.error if "in the trash" in one.value]
    assert names(other) == ["gate.mp4"]


@pytest.mark.slow
def test_long_trash_comes_in_pages(show: Show, services: Services) -> None:
    ids = [import_report(services, number, f"{number}.mp4") for number in range(25)]
    services.jobs.discard(ids)
    page = show()
    assert sum((one.key or "").startswith("library_restore_") for one in page.button) == 20


def test_tag_is_added_to_and_removed_from_selection(show: Show, services: Services) -> None:
    ids = [import_report(services, number, f"{number}.mp4") for number in (1, 2)]
    page = show(chosen=frozenset(ids))
    page.text_input(key="library_tag_new").set_value("gate")
    next(one for one in page.button if "Add" in one.label).click().run()
    assert services.jobs.library.choices()["tag"] == {"gate": 2}
    page.button(key="library_untag_gate").click().run()
    assert services.jobs.library.choices()["tag"] == {}


def test_two_selected_are_compared_on_the_page_of_reports(show: Show, services: Services) -> None:
    first, second = import_report(services, 1, "a.mp4"), import_report(services, 2, "b.mp4")
    page = show(chosen=frozenset({first, second}))
    page.button(key="library_compare").click().run()
    assert page.query_params["job"] == first
    assert page.query_params["with"] == second
    assert "library_compare" not in {one.key for one in show(chosen=frozenset({first})).button}


def test_a_zip_of_the_selected_is_offered_under_an_address(show: Show, services: Services) -> None:
    job_id = import_report(services, 1, "a.mp4")
    (button,) = save_buttons(show(chosen=frozenset({job_id})))
    assert button["url"] == f"/api/library.zip?ids={job_id}&formats=html,json&conversations=1&lang=en"


def test_what_has_no_report_is_named_before_the_export(show: Show, services: Services) -> None:
    with_report = import_report(services, 1, "a.mp4")
    without = import_report(services, 2, "gate.mp4")
    job = replace(services.jobs.snapshot(without), state="cancelled", progress=AnalysisState())
    services.store.save(to_row(job, ""))
    services.jobs.indexing.index(job)
    page = show(chosen=frozenset({with_report, without}))
    assert "1 of 2 selected has no report and is left out: gate.mp4 (cancelled)" in texts(page)
    (button,) = save_buttons(page)
    assert button["label"] == "Export 1 as ZIP"


def test_indexing_that_fails_says_why(
    show: Show, services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LibraryIndex, "stale", lambda _: ["one"])
    monkeypatch.setattr(SearchIndexer, "_make", lambda *_: 1 / 0)
    services.jobs.indexing.begin()
    services.jobs.indexing.task.wait()
    page = show()
    assert "indexing failed" in texts(page) and "ZeroDivisionError" in texts(page)
    assert "the task 'library' failed" in caplog.text


def test_imported_report_has_no_player_and_says_so(page: AppTest, services: Services) -> None:
    page.query_params["job"] = import_report(services, 1, "a.mp4")
    page.run()
    assert not page.exception
    assert "made on another machine" in texts(page)
    assert "another_ask" not in {one.key for one in page.button}
    shown = parts_shown(page)
    assert not any("src" in part and "scenery" in part for part in shown)


def test_the_library_is_a_page_of_the_app(page: AppTest, services: Services) -> None:
    page.run()
    assert any(link.proto.label == "Library" for link in page.get("page_link"))
