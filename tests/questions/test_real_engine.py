"""Conversations with the real vLLM engine: a model that sees, and a text model."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest

import framelens
from framelens.engine.base import Endpoint
from framelens.llm import client
from framelens.questions import frames
from tests.cards import draw_card, to_jpeg, write_card_video

COLOURS = ["red", "blue", "green", "yellow"]
SEEN = "1: red; 2: blue; 3: green; 4: yellow"


def session(endpoint: Endpoint, data: Path) -> framelens.Session:
    return framelens.Session(
        base_url=endpoint.base_url, api_key=endpoint.api_key, model=endpoint.model, data_dir=data, language="en"
    )


@pytest.mark.thorough
def test_real_engine_sees_the_frames_of_every_turn(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None
) -> None:
    video = write_card_video(tmp_path / "cards.mp4", COLOURS)
    with session(vl_endpoint, tmp_path / "data") as one:
        first = one.ask(video, "Name the colours of the frames in order.", temperature=0.0, max_tokens=64)
        seeded = [one.ask(first, "And again?", seed=7, max_tokens=32).last for _ in range(2)]
        prompt = [turn.usage.prompt_tokens for turn in (first.last, *seeded)]
    turn = first.last
    assert turn.state == "complete" and turn.answer == SEEN and turn.notices == ()
    assert turn.context.pictures == (1, 2, 3, 4) and turn.context.context_tokens == 4096
    assert seeded[0].answer == seeded[1].answer == SEEN  # the frames are seen in later turns, too
    assert prompt[0] < prompt[1] == prompt[2] < prompt[0] + 60  # what follows the frames, and no second copy of them


def test_real_engine_without_eyes_gets_measured_facts(
    text_endpoint: Endpoint, tmp_path: Path, no_text_reading: None
) -> None:
    video = write_card_video(tmp_path / "cards.mp4", COLOURS)
    with session(text_endpoint, tmp_path / "data") as one:
        turn = one.ask(video, "Which colour is first?", max_tokens=48).last
    assert turn.state == "complete" and turn.answer == "no images"
    assert turn.context.mode == "text" and turn.context.described == (1, 2, 3, 4)
    assert [notice.key for notice in turn.notices] == ["text_mode"]


def test_real_engine_is_asked_without_a_video(text_endpoint: Endpoint, tmp_path: Path) -> None:
    with session(text_endpoint, tmp_path / "data") as one:
        conversation = one.ask(one.ask([], "Hello?", max_tokens=8), "And?", max_tokens=8)
    assert conversation.last.context.mode == "none" and all(not turn.notices[1:] for turn in conversation.turns)
    assert {turn.state for turn in conversation.turns} == {"complete"}


@pytest.mark.thorough
def test_real_engine_sees_pictures_of_any_turn(vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None) -> None:
    videos = [write_card_video(tmp_path / f"{colour}.mp4", [colour]) for colour in ("red", "blue")]
    image = tmp_path / "card.jpg"
    image.write_bytes(to_jpeg(draw_card("green")))
    with session(vl_endpoint, tmp_path / "data") as one:
        first = one.ask(videos, "Name the colours of the frames in order.", temperature=0.0, max_tokens=64)
        second = one.ask(first, "And now?", images=[image], temperature=0.0, max_tokens=64)
        alone = one.ask([], "Name the colours of the images in order.", images=[image, image], temperature=0.0)
    assert first.last.context.pictures == (1, 2, 3, 4) and first.last.state == "complete"  # first and last of each
    assert second.last.context.pictures == (1, 2, 3, 4, 5) and second.last.state == "complete"
    assert second.last.usage.prompt_tokens > first.last.usage.prompt_tokens
    assert alone.last.context.pictures == (1,) and alone.last.usage.prompt_tokens > 100  # the same image is sent once


@pytest.mark.thorough
def test_real_engine_is_sent_each_picture_once(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    send = openai.AsyncOpenAI.request

    async def noted(self: Any, kind: Any, options: Any, **form: Any) -> Any:
        sizes.append(len(json.dumps(options.json_data)))
        return await send(self, kind, options, **form)

    monkeypatch.setattr(openai.AsyncOpenAI, "request", noted)
    monkeypatch.setattr(client, "_sent", {})
    video = write_card_video(tmp_path / "cards.mp4", COLOURS)
    with session(vl_endpoint, tmp_path / "data") as one:
        first = one.ask(video, "Name the colours of the frames in order.", temperature=0.0, max_tokens=64)
        full, sizes[:] = sizes[-1], []
        again = one.ask(first, "And again?", temperature=0.0, max_tokens=64)
        assert again.last.answer == SEEN and len(sizes) == 1 and sizes[0] < 0.2 * full
        # Pictures that the engine doesn't have although they were sent: it refuses, and gets them.
        sent = client._sent[vl_endpoint.base_url]
        other = write_card_video(tmp_path / "other.mp4", ["white", "black", "purple"])
        monkeypatch.setattr(sent, "_known", Everything())
        sizes.clear()
        lost = one.ask(other, "Name the colours of the frames in order.", temperature=0.0, max_tokens=64).last
    assert lost.answer == "1: white; 2: black; 3: purple" and len(sizes) == 2 and sizes[0] < sizes[1]
    assert sent.is_useful


class Everything(dict[str, None]):
    def __contains__(self, key: object) -> bool:
        return True

    def clear(self) -> None:
        """Nothing is forgotten: the next request has all pictures all the same."""


@pytest.mark.thorough
def test_real_engine_answers_many_conversations_at_once(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None
) -> None:
    video = write_card_video(tmp_path / "cards.mp4", COLOURS)
    begin = threading.Barrier(20)
    with session(vl_endpoint, tmp_path / "data") as one:
        analysis = one.analyse(video, frames=4, use_model=False)

        def ask(number: int) -> tuple[framelens.Turn, list[int]]:
            begin.wait()
            events = list(one.ask_events(analysis.id, f"Name the colours, {number}.", temperature=0.0, max_tokens=48))
            done = events[-1]
            assert isinstance(done, framelens.AnswerDone)
            return done.conversation.last, [event.place for event in events if isinstance(event, framelens.Queued)]

        with ThreadPoolExecutor(20) as pool:
            answered = list(pool.map(ask, range(20)))
    assert {(turn.state, turn.answer) for turn, _ in answered} == {("complete", SEEN)}
    assert all(places[-1] == 0 for _, places in answered) and any(places[0] for _, places in answered)


def test_real_engine_classifies_and_votes_on_candidates(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "Scope", partial(frames.Scope, seconds=300.0))
    video = write_card_video(tmp_path / "long.mp4", COLOURS * 2, frame_rate=2, seconds_per_card=8.0)
    with session(vl_endpoint, tmp_path / "data") as one:
        turn = one.ask(video, "Which card follows the red card?", frames=4, max_tokens=32).last
    assert turn.state == "complete" and turn.evidence and turn.evidence.choice
    choice = turn.evidence.choice
    assert choice.outcome in ("chosen", "flat") and choice.look_for == ("a red card",)
    assert choice.voted == choice.candidates >= 32  # a frame in two seconds, and every cut
    assert len(turn.attached) == 4


@pytest.mark.thorough
def test_real_engine_answers_with_one_of_the_letters(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None
) -> None:
    video = write_card_video(tmp_path / "cards.mp4", COLOURS)
    with session(vl_endpoint, tmp_path / "data") as one:
        turn = one.ask(video, "Which is first? A. red B. blue", letters="AB", temperature=0.0).last
    assert turn.state == "complete" and turn.answer in ('"A"', '"B"')


def test_real_engine_finds_the_moment_to_the_frame(
    vl_endpoint: Endpoint, tmp_path: Path, no_text_reading: None
) -> None:
    video = write_card_video(tmp_path / "cards.mp4", [*COLOURS, "blue"], seconds_per_card=1.2)
    with session(vl_endpoint, tmp_path / "data") as one:
        turn = one.ask(video, "When is the green card visible?").last
    assert turn.evidence
    (found,) = turn.evidence.moments
    assert [
        (interval.first.frame_index, interval.last.frame_index, interval.issues) for interval in found.intervals
    ] == [(24, 35, ())]
    assert found.ended == "complete" and turn.answer.startswith("“a green card” was seen once:\n1. 00:02.400–")
