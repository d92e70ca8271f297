"""A model that is asked for moments alone: what it gets, what it may answer, and what the search makes of it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import framelens
from framelens import Cancelled, EngineError
from framelens.plugins.search.finder import Finder, parse_spans
from tests.cards import draw_card, to_jpeg, write_card_video
from tests.llm.scripted import Refuse, Server, serve
from tests.questions.test_when import looking, session, spans

ALL = "[[0, 1.5], [3.5, 5]]"
JPEG = to_jpeg(draw_card("blue"))


def proposing(answer: str) -> Any:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield answer

    return behave


def ask(server: Server, end: float = 5.0, start: float = 0.0, cancel: threading.Event | None = None) -> Any:
    finder = Finder(server.base_url, "TimeLens2-8B", "key", 10.0)
    steps = finder.spans("a red card", lambda _: JPEG, start, end, cancel=cancel or threading.Event())
    looked = []
    while True:
        try:
            looked.append(next(steps))
        except StopIteration as stop:
            return looked, stop.value


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("[[0, 3.5], [10, 12]]", [(0, 3.5), (10, 12)]),
        ("The event happens in 12.5 - 14 seconds.", [(12.5, 14)]),
        ("From 2.0s to 3.5s, and 7 seconds – 9 seconds", [(2, 3.5), (7, 9)]),
        ("[[5, 2]]", []),
        ("The card is never shown.", []),
        ("[]", []),
    ],
)
def test_spans_are_read_in_any_form(answer: str, found: list[tuple[float, float]]) -> None:
    assert parse_spans(answer) == found


def test_frames_follow_their_times_in_parts_of_two_minutes() -> None:
    with serve(proposing("[[1, 2], [100, 500]]")) as server:
        looked, found = ask(server, end=150.0, start=10.0)
        bodies = server.requests
    assert [(step.done, step.total) for step in looked] == [(0, 2), (1, 2)]
    assert found == [(11, 12), (110, 130), (131, 132)]  # a part ends where the video does
    content = bodies[0]["messages"][0]["content"]
    assert "temporal grounding" in content[0]["text"] and "a red card" in content[0]["text"]
    assert [part["text"] for part in content[1:6:2]] == ["0.00s", "0.50s", "1.00s"]
    assert sum(part["type"] == "image_url" for part in content) == 240
    assert bodies[0]["model"] == "TimeLens2-8B" and bodies[0]["temperature"] == 0
    assert bodies[0]["presence_penalty"] == 1.5 and bodies[0]["max_tokens"] == 512


def test_a_part_too_long_for_the_model_is_halved() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        pictures = sum(part["type"] == "image_url" for part in body["messages"][0]["content"])
        if pictures > 5:
            message = "This model's maximum context length is 1024 tokens. However, you requested 3000 tokens"
            raise Refuse(400, message)
        yield f"[[{body['messages'][0]['content'][1]['text'][:-1]}, 99]]"

    with serve(behave) as server:
        _, found = ask(server)
    assert found == [(0, 5), (2.5, 5)]


def test_a_search_that_is_stopped_asks_no_more() -> None:
    stopped = threading.Event()
    stopped.set()
    with serve(proposing(ALL)) as server, pytest.raises(Cancelled):
        ask(server, cancel=stopped)


def test_a_finder_that_refuses_says_why() -> None:
    def behave(body: dict[str, Any]) -> Iterator[str]:
        raise Refuse(401, "wrong key")
        yield ""

    with serve(behave) as server, pytest.raises(EngineError, match="engine_key_rejected"):
        ask(server)


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Twelve seconds with a red card for 0.3 s at 6 s, and their analysis with few frames."""
    folder = tmp_path_factory.mktemp("flash")
    colours = ["blue"] * 20 + ["red"] + ["blue"] * 19
    video = write_card_video(folder / "flash.mp4", colours, seconds_per_card=0.3)
    framelens.analyse(video, frames=2, use_model=False, data_dir=folder / "data")
    return video, folder / "data"


@pytest.mark.slow
@pytest.mark.usefixtures("no_text_reading")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_a_finder_proposes_is_looked_at_and_voted_on(
    language: Any, flash: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    video, data = flash
    question = {"en": "When is the red card visible?", "zh": "红色卡片什么时候出现？"}[language]
    with serve(looking()) as server, serve(proposing("[[2, 3], [6, 7]]")) as finder:
        monkeypatch.setenv("FRAMELENS_FINDER", f"{finder.base_url} TimeLens2-8B")
        with session(server, data) as one:
            turn = one.ask(video, question, language=language).last
        sent = json.dumps(finder.requests[0], ensure_ascii=False)
    assert spans(turn) == [(60, 62)]
    assert turn.evidence
    looked = {sample.frame_index for moments in turn.evidence.moments for sample in moments.samples}
    assert {60, 62, 65, 67, 70} <= looked
    assert ("red card" in sent or "红色卡片" in sent) and "TimeLens2-8B" in turn.answer
    assert {"en": "proposed 2", "zh": "2 个可能的时段"}[language] in turn.answer


@pytest.mark.slow
@pytest.mark.usefixtures("no_text_reading")
def test_a_search_does_without_a_finder_that_fails(flash: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    video, data = flash
    monkeypatch.setenv("FRAMELENS_FINDER", "http://127.0.0.1:9/v1 TimeLens2-8B")
    with serve(looking()) as server, session(server, data) as one:
        turn = one.ask(video, "How often is the red card visible?").last
    assert turn.state == "complete" and "did without it" in turn.answer
