"""Conversations with the real vLLM engine: a model that sees, and one without eyes."""

from __future__ import annotations

from pathlib import Path

import framelens
from app.engine import Endpoint
from tests.cards import write_card_video

COLOURS = ["red", "blue", "green", "yellow"]
SEEN = "1: red; 2: blue; 3: green; 4: yellow"


def session(endpoint: Endpoint, data: Path) -> framelens.Session:
    return framelens.Session(
        base_url=endpoint.base_url, api_key=endpoint.api_key, model=endpoint.model, data_dir=data, language="en"
    )


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
