"""Questions through the API, answered by a scripted engine behind the real services."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from framelens.api import Gate
from framelens.composition import Services
from framelens.core.domain import Notice
from framelens.core.roles import as_user
from framelens.i18n import in_language, notice_text
from framelens.plugins.server import api_keys
from framelens.plugins.server.api_records import ApiStore
from framelens.plugins.server.v1.questions import ask_question
from framelens.plugins.server.v1.schemas import Answer, NewQuestion
from framelens.questions.conversation import Turn
from tests.app.fake_services import ended
from tests.cards import write_card_video
from tests.jobs.test_answers import two_colours
from tests.llm.scripted import serve
from tests.plugins.server.v1.conftest import client_of, services_on
from tests.plugins.server.v1.test_jobs import events
from tests.users import ADA, BEN, add_users

pytestmark = pytest.mark.usefixtures("no_text_reading")


@pytest.fixture
def services(going: threading.Event, tmp_path: Path) -> Iterator[Services]:
    with serve(two_colours(going)) as server:
        yield from services_on(server.base_url, tmp_path)


@pytest.fixture
def job(services: Services, tmp_path: Path) -> str:
    video = write_card_video(tmp_path / "cards.mp4", ["red", "blue"])
    return services.asking.prepare_frames(video, "cards.mp4", "en")


@pytest.mark.slow
def test_a_question_is_answered_with_citations(api: TestClient, job: str) -> None:
    asked = api.post(f"jobs/{job}/questions", json={"question": "Which colours?", "wait_seconds": 60})
    assert asked.status_code == 201, asked.text
    talk = asked.json()
    (answer,) = talk["answers"]
    assert (answer["state"], answer["text"]) == ("complete", "Red [1], then blue [2].")
    assert [(one["number"], one["job"]) for one in answer["cited"]] == [(1, job), (2, job)]
    assert talk["jobs"] == [job] and api.get(f"conversations/{talk['id']}").json() == talk
    more = {"question": "And then?", "conversation": talk["id"], "wait_seconds": 60}
    assert len(api.post(f"jobs/{job}/questions", json=more).json()["answers"]) == 2


@pytest.mark.slow
def test_question_that_asks_no_model_is_not_answered_by_it(api: TestClient, job: str) -> None:
    asked = {"question": "Which colours?", "use_model": False, "wait_seconds": 60}
    (answer,) = api.post(f"jobs/{job}/questions", json=asked).json()["answers"]
    assert (answer["state"], answer["text"]) == ("failed", "")
    assert any("needs a model" in notice for notice in answer["notices"])


def test_notices_have_the_language_of_their_conversation() -> None:
    turn = Turn(1, 0, "什么颜色？", "2026-01-01", notices=(Notice("sound_not_analysed"),))
    with in_language("en"):
        answer = Answer.of(turn, "zh", is_running=False)
    assert answer.notices == [notice_text(Notice("sound_not_analysed"), "zh")]


@pytest.mark.slow
def test_client_that_leaves_ends_the_answer_it_waits_for(services: Services, job: str, going: threading.Event) -> None:
    going.clear()
    store = ApiStore(services.store)
    api_keys.create(store, "leaver")

    async def leave() -> dict[str, str]:
        return {"type": "http.disconnect"}

    given = NewQuestion(question="Which colours?", wait_seconds=60)
    with in_language("en"):
        found = asyncio.run(ask_question(job, given, services, store.keys()[0], Request({"type": "http"}, leave)))
    assert not services.answers.is_running(found.id)
    assert services.conversations.get(found.id).last.state == "stopped"


@pytest.mark.slow
def test_an_answer_is_streamed_as_it_grows(api: TestClient, job: str, going: threading.Event) -> None:
    going.clear()
    talk = api.post(f"jobs/{job}/questions", json={"question": "Which?", "wait_seconds": 0}).json()
    assert talk["answers"][0]["state"] == "running"
    again = {"question": "Which?", "conversation": talk["id"]}
    refused = api.post(f"jobs/{job}/questions", json=again)
    assert (refused.status_code, refused.json()["key"]) == (409, "answer_under_way")
    texts = []
    for name, _, answer in events(api, f"conversations/{talk['id']}/events"):
        assert name == "answer"
        texts.append(answer["text"])
        if answer["text"]:
            going.set()
    assert "Red [1], " in texts and texts[-1] == "Red [1], then blue [2]."


@pytest.mark.slow
def test_all_reports_are_asked_and_asked_further(
    api: TestClient, services: Services, job: str, going: threading.Event
) -> None:
    ended(services, job)
    going.clear()
    talk = api.post("questions", json={"question": "Cards?", "wait_seconds": 0}).json()  # as the video is called
    assert (talk["library"], talk["jobs"], talk["answers"][0]["state"]) == (True, [], "running")
    going.set()
    *_, (_, _, answer) = events(api, f"conversations/{talk['id']}/events")
    assert (answer["state"], answer["text"]) == ("complete", "Red [1], then blue [2].")
    more = {"question": "In which videos is a blue van?", "conversation": talk["id"], "use_model": False}
    first, second = api.post("questions", json=more).json()["answers"]
    assert first == answer and "is in none of the 1 video" in second["text"]
    assert api.post(f"jobs/{job}/questions", json=more).json()["key"] == "conversation_unknown"
    about_job = api.post(f"jobs/{job}/questions", json={"question": "Which?"}).json()
    assert about_job["library"] is False
    assert api.post("questions", json=more | {"conversation": about_job["id"]}).json()["key"] == "conversation_unknown"


@pytest.mark.slow
def test_all_reports_are_those_of_the_user(gate: Gate, services: Services, job: str, tmp_path: Path) -> None:
    add_users(services.store, ADA, BEN)
    with as_user(BEN):
        own = services.asking.prepare_frames(write_card_video(tmp_path / "van.mp4", ["green"]), "blue van.mp4", "en")
    ended(services, own)
    asked = {"question": "In which videos is a blue van?", "use_model": False}
    for user, said in ((BEN, "was found in 1 of 1 video:"), (ADA, "There is no analysis yet")):
        with client_of(gate, api_keys.create(ApiStore(services.store), user.name, account_id=user.id)) as api:
            talk = api.post("questions", json=asked).json()
            assert said in talk["answers"][0]["text"]
            assert [cited["job"] for cited in talk["answers"][0]["cited"]] == [own] * (user == BEN)
    assert api.get(f"conversations/{services.conversations.find()[-1].id}").status_code == 404


@pytest.mark.parametrize(
    ("job_id", "given", "status", "key"),
    [
        ("nothere", {"question": "x"}, 404, "job_unknown"),
        ("", {"question": "x", "conversation": "nothere"}, 404, "conversation_unknown"),
        ("", {"question": " "}, 409, "ask_question_missing"),
        ("", {"question": ""}, 422, "api_body_wrong"),
        ("", {"question": "x" * 20_001}, 422, "api_body_wrong"),
    ],
)
def test_wrong_questions_are_refused(
    api: TestClient, job: str, job_id: str, given: dict[str, str], status: int, key: str
) -> None:
    answer = api.post(f"jobs/{job_id or job}/questions", json=given)
    assert (answer.status_code, answer.json()["key"]) == (status, key)
