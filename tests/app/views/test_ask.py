"""The Ask page without a browser, over real services and a scripted engine: what it draws, and what its buttons do."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import framelens
from app import resources
from app.context import LANGUAGE_KEY
from app.panels.ask import turns
from framelens import config
from framelens.composition import Services, open_services
from framelens.core.domain import ReportedAnswer, ReportedSearch
from framelens.core.evidence import Interval, Moments, Point, VoteSample
from framelens.i18n import LANGUAGES, Language, notice_text, sentences, t
from framelens.jobs.answers import Answers
from framelens.questions.conversation import AskSettings, Conversation, Evidence, FrameRef, Look
from framelens.reports.content.page_text import plain
from framelens.reports.content.searches import found_by_search
from tests.app.views.test_analyse import parts_shown, texts
from tests.cards import write_card_video
from tests.llm.scripted import HangUp, Server, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")
HOSTILE = "<script>alert(1)</script> ![x](http://evil.example/x.png) [here](http://evil.example) $x$ :red[y]"
Ask = Callable[..., Conversation]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an analysed video; each test has conversations of its own."""
    folder = tmp_path_factory.mktemp("ask-page")
    video = write_card_video(folder / "cards.mp4", ["red", "blue", "green"])
    framelens.analyse(video, frames=3, use_model=False, data_dir=folder / "data")
    return folder


@pytest.fixture
def server(going: threading.Event) -> Iterator[Server]:
    def behave(body: dict[str, Any]) -> Iterator[str | dict[str, str]]:
        if body["max_tokens"] == 1:
            yield "x"
            return
        yield {"reasoning_content": "Two frames are red."}
        yield "Red [1], "
        going.wait(60)
        yield f"then blue [2] and [9]. {HOSTILE}"

    with serve(behave) as server:
        yield server


@pytest.fixture
def services(server: Server, data: Path) -> Iterator[Services]:
    environ = {"FRAMELENS_DATA_DIR": str(data / "data"), "FRAMELENS_BASE_URL": server.base_url}
    environ["FRAMELENS_INPUT_DIRS"] = str(data)
    opened = open_services(config.load(environ, dotenv=data / "no.env"))
    resources.install(resources.Installed(services=opened, key="key"))
    yield opened
    opened.close()
    resources.install(resources.Installed())


@pytest.fixture
def job_id(services: Services) -> str:
    services.jobs.indexing.catch_up(threading.Event())
    return services.jobs.recent(1)[0].id


@pytest.fixture
def asked(services: Services, job_id: str) -> Ask:
    """Ask questions in sequence, and return the conversation with the answers."""

    def ask(*questions: str, **settings: Any) -> Conversation:
        conversation = Conversation.begun_about([job_id], "en")
        for question in questions:
            services.answers.start(conversation.with_question(question, AskSettings(**settings)))
            conversation = over(services, conversation.id)
        return conversation

    return ask


def over(services: Services, conversation_id: str) -> Conversation:
    while services.answers.is_running(conversation_id):
        time.sleep(0.01)
    return services.conversations.get(conversation_id)


def ask_page() -> None:
    from app.views import ask

    ask.draw()


def shown(conversation: Conversation | None = None, language: str = "en") -> AppTest:
    page = AppTest.from_function(ask_page, default_timeout=60)
    page.session_state[LANGUAGE_KEY] = language
    if conversation:
        page.query_params["chat"] = conversation.id
    page.run()
    assert not page.exception
    return page


def key(conversation: Conversation, name: str, number: int | None = None) -> str:
    return "_".join(["ask", conversation.id, *([] if number is None else [str(number)]), name])


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_answer_is_inert_and_shows_its_evidence(asked: Ask, language: str) -> None:
    conversation = asked(f"Which? {HOSTILE}")
    page = shown(conversation, language)
    assert [message.name for message in page.chat_message] == ["user", "assistant"]
    for element in page.chat_message[0].markdown:
        assert "<script>" not in element.value and "![x]" not in element.value
    prose, gallery = next(part["blocks"] for part in parts_shown(page) if "blocks" in part)
    assert prose["kind"] == "prose" and HOSTILE in prose["text"] and prose["live"] is False
    assert [(one["number"], one["seconds"]) for one in gallery["pictures"]] == [(1, 0.0), (2, 1.2)]
    assert all(one["src"].startswith("/api/jobs/") for one in gallery["pictures"])
    assert t("ask.unknown_frames", language, frames="9") in texts(page)  # type: ignore[arg-type]
    assert "Two frames are red." in page.expander[0].caption[0].value.replace("\\", "")
    assert t("ask.page.sent_pictures", language) in texts(page)  # type: ignore[arg-type]


@pytest.mark.slow
def test_edited_question_becomes_a_version(asked: Ask, services: Services) -> None:
    conversation = asked("First?", "Second?")
    page = shown(conversation)
    page.button(key=key(conversation, "edit", 1)).click().run()
    page.text_area(key=key(conversation, "edited", 1)).set_value("Other first?")
    next(one for one in page.button if one.label == t("ask.page.ask_edited", "en")).click().run()
    over(services, conversation.id)
    page.run()
    assert "Other first?" in texts(page) and "2/2" in texts(page) and "Second?" not in texts(page)
    page.button(key=key(conversation, "previous", 3)).click().run()
    assert "First?" in texts(page) and "1/2" in texts(page) and "Second?" in texts(page)
    assert services.conversations.get(conversation.id).current == 2


@pytest.mark.slow
def test_cleared_conversation_begins_again(asked: Ask, services: Services) -> None:
    conversation = asked("First?")
    page = shown(conversation)
    page.button(key=key(conversation, "clear")).click().run()
    assert not page.chat_message and t("ask.page.cleared", "en") in texts(page)
    page.button(key="ask_show_again").click().run()
    assert len(page.chat_message) == 2


@pytest.mark.slow
def test_answer_uses_kept_settings_and_last_instructions(asked: Ask, services: Services) -> None:
    conversation = asked("First?", temperature=0.1, system_prompt="Be brief.")
    Answers.keep_settings(services.settings.data_dir, AskSettings(temperature=0.2, seed=5, max_tokens=64))
    page = shown(conversation)
    assert page.text_area(key=key(conversation, "system_prompt")).value == "Be brief."
    page.button(key=key(conversation, "again", 1)).click().run()
    again = over(services, conversation.id).last.settings
    assert again == AskSettings(temperature=0.2, seed=5, max_tokens=64, system_prompt="Be brief.")
    page = shown()  # a new conversation begins with the instructions, too
    assert page.text_area(key="ask_new_system_prompt").value == "Be brief."


@pytest.mark.slow
def test_question_is_about_the_chosen_reports(services: Services, job_id: str, going: threading.Event) -> None:
    page = shown()
    page.session_state["framelens"].ask_about([job_id])
    page.run()
    assert page.button(key=f"ask_leave_{job_id}").label == plain("cards.mp4 · Describe")
    page.chat_input[0].set_value("What does the sign say?").run()
    assert not page.exception
    conversation = over(services, page.query_params["chat"])
    assert conversation.about == (job_id,)
    assert (conversation.last.look, conversation.last.answer[:3]) == (Look(), "Red")
    page.button(key="ask_all").click().run()
    assert f"ask_leave_{job_id}" not in {one.key for one in page.button}  # the next may be about something else


@pytest.mark.slow
def test_running_answer_can_be_stopped(services: Services, job_id: str, going: threading.Event) -> None:
    going.clear()
    # No other test asks this: its answer would be stored.
    conversation = Conversation.begun_about([job_id], "en").with_question("Which are there, slowly?", AskSettings())
    services.answers.start(conversation)
    while not services.answers.get(conversation.id).progress.conversation.last.answer:
        time.sleep(0.01)
    page = shown(conversation)
    shown_blocks = [block for part in parts_shown(page) for block in part.get("blocks", ())]
    prose = next(block for block in shown_blocks if block["kind"] == "prose")
    assert prose["text"].startswith("Red") and prose["live"] is True
    assert page.chat_input[0].disabled and page.button(key=key(conversation, "edit", 1)).disabled
    page.button(key=key(conversation, "stop", 1)).click().run()
    while services.answers.is_running(conversation.id):  # the click waits only for a while
        time.sleep(0.01)
    page.run()
    assert t("notice.ask_stopped", "en") in texts(page)
    assert not page.chat_input[0].disabled


@pytest.mark.slow
def test_search_is_a_strip_and_can_be_continued(services: Services, job_id: str, data: Path) -> None:
    services.videos.from_path(str(data / "cards.mp4"))
    samples = (VoteSample(0, 0.0, 0.1, 0.1, 1), VoteSample(12, 1.2, 1.3, 0.9, 1), VoteSample(20, 2.0, 2.1, 0.1, 1))
    seen = Interval(Point(12, 1.2), Point(19, 1.9), None, Point(20, 2.0), Point(12, 1.2), 1, 0, 0.9)
    found = Moments(job_id, "a blue card", 0.0, 3.0, samples, intervals=(seen,), rounds=1, ended="frames")
    conversation = Conversation.begun_about([job_id], "en").with_question("When is it blue?", AskSettings())
    turn = replace(conversation.last, answer="Once.", state="complete", evidence=Evidence(moments=(found,)))
    page = shown(services.conversations.add(conversation.with_turn(turn)))
    (strip,) = [one for part in parts_shown(page) for one in part.get("blocks", ()) if one["kind"] == "search"]
    assert (strip["yes"], strip["no"], strip["intervals"]) == ([1.2], [0.0, 2.0], [[1.2, 2.0]])
    # The player's own timeline shows it, too.
    (on_timeline,) = [one["scenery"]["search"] for one in parts_shown(page) if "scenery" in one]
    assert on_timeline == {"yes": [1.2], "no": [0.0, 2.0], "intervals": [[1.2, 2.0]]}
    assert page.button(key=key(conversation, "again", 1)).label == t("ask.page.continue_search", "en")


def test_interrupted_answer_says_so(services: Services, job_id: str) -> None:
    conversation = Conversation.begun_about([job_id], "en").with_question("Which?", AskSettings())
    kept = services.conversations.add(conversation.with_turn(replace(conversation.last, answer="Red")))
    assert t("ask.page.interrupted", "en") in texts(shown(kept))


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_broken_answer_is_kept_with_one_reason(
    services: Services, server: Server, job_id: str, language: Language
) -> None:
    def breaking(body: dict[str, Any]) -> Iterator[str]:
        yield "Red [1], th" if body["max_tokens"] > 1 else "x"
        if body["max_tokens"] > 1:
            raise HangUp

    server.behave = breaking
    asked = Conversation.begun_about([job_id], "en").with_question("Which?", AskSettings())
    services.answers.start(asked)
    conversation = over(services, asked.id)
    page = shown(conversation, language)
    prose = next(one for part in parts_shown(page) for one in part.get("blocks", ()) if one["kind"] == "prose")
    assert prose["text"] == "Red [1], th"
    assert conversation.last.why
    said = plain(
        sentences([notice_text(conversation.last.why, language), t("ask.page.unfinished", language)], language)
    )
    assert [one.value for one in page.caption].count(f":red[:material/error:] {said}") == 1
    assert not page.error and "ask_retry" not in {one.key for one in page.button}
    assert page.button(key=key(conversation, "again", 1)).label == t("ask.page.retry", language)


def test_intervals_of_another_video_open_it() -> None:
    seen = [Interval(Point(n, float(n)), Point(n, n + 0.5), None, None, Point(n, n), 1, 0, 0.9) for n in (3, 7)]
    moments = Moments("other", "a blue card", 0.0, 9.0, (VoteSample(3, 3.0, 3.1, 0.9, 1),), intervals=tuple(seen))
    answer = ReportedAnswer("When?", "", "a blue card: seen", "complete")
    line = {}
    for video in ("", "other.mp4"):
        (brief,), _ = found_by_search(replace(answer, searches=(ReportedSearch(moments, video),)))
        frames = {("other", 3.0): FrameRef(5, 3.0, "other"), ("other", 7.0): FrameRef(6, 7.0, "other")}
        value = turns._search_result(brief, frames)
        line[video] = [(one.get("at"), one.get("opens")) for one in value["line"] if one.get("style") == "strong"]
    assert line == {"": [(3.0, None), (7.0, None)], "other.mp4": [(None, 5), (None, 6)]}


@pytest.mark.slow
def test_heading_does_not_repeat_the_question(asked: Ask, services: Services) -> None:
    conversation = asked("Where is the zebra?", "And the lion?")
    assert "#### Where is the zebra?" not in [one.value for one in shown(conversation).markdown]
    services.conversations.rename(conversation.id, "Animals")
    assert "#### Animals" in [one.value for one in shown(conversation).markdown]


@pytest.mark.slow
def test_list_finds_renames_and_deletes(asked: Ask, services: Services) -> None:
    conversation = asked("Where is the zebra?")
    page = shown()
    rows = next(part["jobs"] for part in parts_shown(page) if "jobs" in part)
    assert (rows[0]["name"], rows[0]["lines"][0].split(" · ")[0]) == ("Where is the zebra?", "cards.mp4")
    page = shown(conversation)
    page.text_input(key=key(conversation, "name")).set_value("Zebras")
    next(one for one in page.button if one.label == t("ask.page.rename", "en")).click().run()
    assert services.conversations.get(conversation.id).name == "Zebras"
    page.button(key=key(conversation, "delete")).click().run()
    assert conversation.id not in [one.id for one in services.conversations.find()]
    assert "chat" not in page.query_params
    assert t("library.deleted_conversation", "en") in texts(page)
    page.button(key="conversation_undo_deletion").click().run()
    assert services.conversations.get(conversation.id).name == "Zebras"
    assert t("library.deleted_conversation", "en") not in texts(page)


def test_unknown_conversation_leads_to_the_list(services: Services) -> None:
    page = AppTest.from_function(ask_page, default_timeout=60)
    page.query_params["chat"] = "nothing-like-it"
    page.run()
    assert not page.exception and page.error and page.chat_input


def test_the_whole_library_is_asked(services: Services, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(services.jobs.library), "count", lambda self, query: 2)
    page = shown()
    page.toggle(key="ask_everywhere").set_value(True).run()
    page.chat_input[0].set_value("In which videos is a blue van?").run()
    (conversation,) = services.conversations.find("blue van")
    answered = over(services, conversation.id)
    assert answered.is_everywhere and not answered.about
    assert "“a blue van” is in none of the 2 videos" in answered.last.answer
    assert "no model compares pictures here" in texts(shown(answered))
    rows = next(part["jobs"] for part in parts_shown(shown()) if "jobs" in part)
    assert rows[0]["lines"][0].split(" · ")[0] == t("ask.page.everywhere", "en")
