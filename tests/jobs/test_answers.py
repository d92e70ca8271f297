"""Answers in the background: asked once, stopped, waiting for frames, and kept when nothing else is."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens import config
from framelens.composition import Services, open_services
from framelens.core.errors import InputError
from framelens.questions.conversation import AskSettings, Conversation
from tests.cards import write_card_video
from tests.llm.scripted import Behave, Server, serve

pytestmark = pytest.mark.usefixtures("no_text_reading")
Open = Callable[[], Services]


def two_colours(going: threading.Event) -> Behave:
    """Return an engine's behaviour: the second half of its answer waits for `going`."""

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body["max_tokens"] == 1:
            yield "x"
            return
        yield "Red [1], "
        going.wait(60)
        yield "then blue [2]."

    return behave


@pytest.fixture
def server(going: threading.Event) -> Iterator[Server]:
    going.clear()
    with serve(two_colours(going)) as server:
        yield server


@pytest.fixture
def open_data(server: Server, tmp_path: Path) -> Iterator[Open]:
    """Open the services on the data folder of the test, as a program that starts does."""
    opened: list[Services] = []

    def open_now() -> Services:
        environ = {"FRAMELENS_DATA_DIR": str(tmp_path / "data"), "FRAMELENS_BASE_URL": server.base_url}
        opened.append(open_services(config.load(environ, dotenv=tmp_path / "no.env")))
        return opened[-1]

    yield open_now
    for services in opened:
        services.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("answers") / "cards.mp4", ["red", "blue"])


def asked(services: Services, video: Path, question: str = "Which?") -> Conversation:
    """A question about frames that are still being chosen."""
    job_id = services.asking.prepare_frames(video, "cards.mp4", "en")
    return Conversation.begun_about([job_id], "en").with_question(question, AskSettings())


def wait_for_text(services: Services, conversation: Conversation) -> None:
    while not ((task := services.answers.get(conversation.id)) and task.progress):
        time.sleep(0.01)
    while not task.progress.conversation.last.answer:
        assert task.is_running
        time.sleep(0.01)


def ended(services: Services, conversation: Conversation) -> Conversation:
    while services.answers.is_running(conversation.id):
        time.sleep(0.01)
    return services.conversations.get(conversation.id)


@pytest.mark.slow
def test_answer_waits_for_frames_and_is_written_once(
    open_data: Open, server: Server, video: Path, going: threading.Event
) -> None:
    services = open_data()
    conversation = asked(services, video)
    services.answers.start(conversation)
    waited = set()
    while not (progress := services.answers.get(conversation.id).progress).conversation.last.answer:
        waited.add(progress.waits_for)
        time.sleep(0.01)
    assert conversation.about[0] in waited
    with pytest.raises(InputError, match="answer_under_way"):
        services.answers.start(conversation)
    going.set()
    turn = ended(services, conversation).last
    assert (turn.state, turn.answer) == ("complete", "Red [1], then blue [2].")
    assert [ref.analysis_id for ref in turn.cited] == [*conversation.about] * 2
    assert len([body for body in server.requests if body["max_tokens"] > 1]) == 1
    assert services.answers.get(conversation.id) is None


@pytest.mark.slow
def test_stopped_answer_keeps_its_text(open_data: Open, video: Path) -> None:
    services = open_data()
    conversation = asked(services, video)
    services.answers.start(conversation)
    wait_for_text(services, conversation)
    services.answers.stop(conversation.id)
    turn = services.conversations.get(conversation.id).last
    assert (turn.state, turn.answer, turn.why.key) == ("stopped", "Red [1], ", "ask_stopped")
    services.answers.start(services.conversations.get(conversation.id).with_question("Again?", AskSettings()))


def test_question_stopped_before_its_frames_is_kept(open_data: Open, video: Path) -> None:
    services = open_data()
    conversation = asked(services, video, "Kept?")
    services.answers.start(conversation)
    services.answers.stop(conversation.id)
    turn = ended(services, conversation).last
    assert (turn.question, turn.state, turn.answer) == ("Kept?", "stopped", "")


@pytest.mark.slow
def test_question_is_stored_while_it_waits_for_frames(open_data: Open, video: Path, going: threading.Event) -> None:
    services = open_data()
    conversation = asked(services, video, "Kept?")
    services.answers.start(conversation)
    task = services.answers.get(conversation.id)
    while not (task and task.progress and task.progress.waits_for):
        time.sleep(0.001)
    kept = open_data().conversations.get(conversation.id)  # as a program that starts after a kill would
    assert [(turn.question, turn.state, turn.answer) for turn in kept.turns] == [("Kept?", "stopped", "")]
    going.set()
    assert [(turn.question, turn.state) for turn in ended(services, conversation).turns] == [("Kept?", "complete")]


@pytest.mark.slow
def test_closing_the_program_keeps_what_there_is(open_data: Open, video: Path) -> None:
    services = open_data()
    conversation = asked(services, video)
    services.answers.start(conversation)
    wait_for_text(services, conversation)
    services.close()
    turn = open_data().conversations.get(conversation.id).last
    assert (turn.state, turn.answer) == ("stopped", "Red [1], ")


def test_question_that_cannot_be_stored_stays_visible(open_data: Open) -> None:
    services = open_data()
    conversation = Conversation.begun_about(["no-such-analysis"], "en").with_question("Lost?", AskSettings())
    services.answers.start(conversation)
    task = services.answers.get(conversation.id)
    assert task
    task.wait(30)
    kept = services.answers.get(conversation.id)
    assert kept is task and task.error and task.error.key == "job_unknown"
    assert task.progress and task.progress.conversation.last.question == "Lost?"
