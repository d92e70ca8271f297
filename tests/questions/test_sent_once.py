"""Pictures that an engine keeps are sent once, and again where it has lost them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framelens.llm import client
from tests.cards import write_card_video
from tests.llm.scripted import Refuse, serve
from tests.questions.test_answer import questions
from tests.questions.test_when import session

pytestmark = pytest.mark.usefixtures("no_text_reading")


class Vllm:
    """The multimodal cache of vLLM: pictures by uuid, and its refusal of a missing picture."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.seen: list[list[str]] = []

    def __call__(self, body: dict[str, Any]) -> Iterator[str]:
        seen = []
        for index, part in enumerate(image_parts(body)):
            uuid = part.get("uuid") or part["image_url"]["url"]
            if part["image_url"]:
                self.kept[uuid] = part["image_url"]["url"]
            if uuid not in self.kept:
                raise Refuse(400, f"Cache miss for image at index {index} but data is not provided.")
            seen.append(self.kept[uuid])
        if body["max_tokens"] != 1:
            self.seen.append(seen)
        yield "Red [1]."


def image_parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    return [part for content in contents for part in content if part["type"] == "image_url"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_card_video(tmp_path / "cards.mp4", ["red", "blue", "green", "yellow"], width=1280, height=720)


@pytest.mark.slow
def test_follow_up_sends_no_picture_again(video: Path, tmp_path: Path) -> None:
    engine = Vllm()
    with serve(engine, owner="vllm") as server, session(server, tmp_path) as one:
        one.ask(one.ask(video, "Which?", frames=4), "And then?")
        first, second = questions(server)
    assert engine.seen[0] == engine.seen[1] and len(engine.seen[0]) == 4  # the engine has the same before it
    assert len(json.dumps(second)) <= 0.05 * len(json.dumps(first))
    assert [len(part["uuid"]) for part in image_parts(second)] == [64] * 4


@pytest.mark.thorough
@pytest.mark.slow
def test_pictures_that_the_engine_has_lost_are_sent_again(video: Path, tmp_path: Path) -> None:
    engine = Vllm()
    with serve(engine, owner="vllm") as server, session(server, tmp_path) as one:
        conversation = one.ask(video, "Which?", frames=4)
        engine.kept.popitem()
        conversation = one.ask(conversation, "And then?")
        conversation = one.ask(conversation, "And last?")
        sizes = [len(json.dumps(body)) for body in questions(server)]
    assert conversation.last.state == "complete" and conversation.last.notices == ()
    assert [number > 10_000 for number in sizes] == [True, False, True, False]  # a miss, then all, then no pictures
    assert engine.seen[0] == engine.seen[1] == engine.seen[2]


@pytest.mark.thorough
@pytest.mark.slow
def test_engine_that_keeps_nothing_is_sent_everything(video: Path, tmp_path: Path) -> None:
    engine = Vllm()
    with serve(engine, owner="vllm") as server, session(server, tmp_path) as one:
        conversation = one.ask(video, "Which?", frames=4)
        for number in range(5):
            engine.kept.clear()
            conversation = one.ask(conversation, f"And {number}?")
        bodies = questions(server)
    assert len(bodies) == 1 + 2 * 3 + 2 and len(engine.seen) == 6
    assert all(len(pictures) == 4 for pictures in engine.seen)


@pytest.mark.thorough
@pytest.mark.slow
def test_engine_that_refuses_the_field_gets_plain_parts(video: Path, tmp_path: Path) -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        if any("uuid" in part for part in image_parts(body)):
            raise Refuse(400, "Extra inputs are not permitted: uuid")
        yield "Red [1]."

    with serve(behave, owner="vllm") as server, session(server, tmp_path) as one:
        turn = one.ask(one.ask(video, "Which?", frames=4), "And then?").last
        bodies = questions(server)
    assert turn.state == "complete" and len(turn.attached) == 4 and len(bodies) == 2
    assert all(part["image_url"] and "uuid" not in part for body in bodies for part in image_parts(body))


@pytest.mark.slow
def test_other_engines_are_sent_plain_parts(video: Path, tmp_path: Path) -> None:
    with serve(lambda body: iter(["Red [1]."])) as server, session(server, tmp_path) as one:
        one.ask(one.ask(video, "Which?", frames=4), "And then?")
        parts = [part for body in questions(server) for part in image_parts(body)]
    assert len(parts) == 8 and all(part["image_url"] and "uuid" not in part for part in parts)
    assert server.base_url not in client._sent


@pytest.mark.slow
def test_analysis_uses_what_a_conversation_has_sent(video: Path, tmp_path: Path) -> None:
    engine = Vllm()
    with serve(engine, owner="vllm") as server, session(server, tmp_path) as one:
        one.ask(video, "Which?", frames=4)
        one.analyse(video, frames=4)
        bodies = questions(server)
    assert all(len(json.dumps(body)) < 20_000 for body in bodies[1:]) and len(engine.seen) > 1
