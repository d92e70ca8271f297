"""The two test models through the real vLLM engine: tiny-vl sees every frame and votes; tiny-text refuses pictures."""

import base64
import math
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx
import numpy as np
import pytest

from framelens.core.domain import Language
from framelens.i18n import in_language, t
from tests.cards import CARDS, card_jpegs, draw_card, expected_answer, to_jpeg, write_card_video
from tests.thorough import first_of

pytestmark = pytest.mark.engine
FIXTURES = Path(__file__).parent / "fixtures"
SYSTEM = "You look at frames of one video. Say only what is visible, and cite frames like this: [frame 2]."
QUESTION = "Describe every frame in one line, in order."
CHINESE_SYSTEM = "你看到的是同一段视频的若干帧。只描述可见的内容，并用 [第 2 帧] 这样的写法注明依据。"
CHINESE_QUESTION = "请按顺序逐帧描述，每帧一行；看不清的地方请直说，不要猜测，也不要写出任何时间。" * 8


class Endpoint(Protocol):
    base_url: str
    api_key: str
    model: str


def post(endpoint: Endpoint, system: str, *turns: Sequence[str | bytes], **options: object) -> httpx.Response:
    """A chat completion after turns of user and assistant; each part of a turn is a text or a JPEG."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
    for number, content in enumerate(turns):
        parts: list[dict[str, Any]] = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {
                "type": "image_url",
                "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(part).decode()},
            }
            for part in content
        ]
        messages.append({"role": "assistant" if number % 2 else "user", "content": parts})
    return httpx.post(
        f"{endpoint.base_url}/chat/completions",
        headers={"Authorization": f"Bearer {endpoint.api_key}"},
        json={"model": endpoint.model, "messages": messages, "temperature": 0, "max_tokens": 64, **options},
        timeout=120,
    )


def ask(endpoint: Endpoint, system: str, *turns: Sequence[str | bytes]) -> str:
    response = post(endpoint, system, *turns)
    assert response.status_code == 200, response.text
    choice = response.json()["choices"][0]
    assert choice["finish_reason"] == "stop"
    return str(choice["message"]["content"])


def marked(
    pictures: Sequence[bytes], question: str = QUESTION, *, mark: str = "[frame {} · 00:{:02d}.500]"
) -> list[str | bytes]:
    """Each picture after its mark, then the question."""
    numbered = ((mark.format(number, number - 1), picture) for number, picture in enumerate(pictures, 1))
    return [*(part for pair in numbered for part in pair), question]


@pytest.fixture(scope="module")
def colours() -> list[str]:
    return random.Random(7).sample(list(CARDS), 8)


@pytest.fixture(scope="module")
def cards(colours: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """JPEG frames decoded from an H.264 video of eight cards."""
    video = write_card_video(tmp_path_factory.mktemp("cards") / "cards.mp4", colours)
    pictures = card_jpegs(video)
    assert len(pictures) == len(colours)
    return pictures


@pytest.mark.parametrize("count", range(1, 9))
def test_every_frame_of_a_video_is_seen_in_order(
    vl_endpoint: Endpoint, cards: list[bytes], colours: list[str], count: int
) -> None:
    assert ask(vl_endpoint, SYSTEM, marked(cards[:count])) == expected_answer(colours[:count])


def test_swapping_two_frames_swaps_their_answers(vl_endpoint: Endpoint, cards: list[bytes], colours: list[str]) -> None:
    order = [0, 4, 2, 3, 1, 5]
    plain = ask(vl_endpoint, SYSTEM, marked(cards[:6]))
    swapped = ask(vl_endpoint, SYSTEM, marked([cards[i] for i in order]))
    assert plain != swapped
    assert swapped == expected_answer([colours[i] for i in order])


@pytest.mark.parametrize(("width", "height"), [(320, 180), (1280, 720), (360, 640)])
def test_frames_of_other_sizes_are_seen(vl_endpoint: Endpoint, tmp_path: Path, width: int, height: int) -> None:
    shown = ["blue", "white", "orange", "black", "green"]
    pictures = card_jpegs(write_card_video(tmp_path / "cards.mp4", shown, width=width, height=height))
    assert ask(vl_endpoint, SYSTEM, marked(pictures)) == expected_answer(shown)


def test_a_long_chinese_question_does_not_hide_the_frames(
    vl_endpoint: Endpoint, cards: list[bytes], colours: list[str]
) -> None:
    content = marked(cards, CHINESE_QUESTION, mark="[第 {} 帧 · 00:{:02d}.500]")
    assert ask(vl_endpoint, CHINESE_SYSTEM, content) == expected_answer(colours)


def test_vision_model_without_frames_says_so(vl_endpoint: Endpoint) -> None:
    assert ask(vl_endpoint, SYSTEM, [QUESTION]) == expected_answer([])
    described = "[frame 1 · 00:00.000] red, 80 %, top\n[frame 2 · 00:01.000] blue, 64 %, bottom-left\n\n" + QUESTION
    assert ask(vl_endpoint, SYSTEM, [described]) == expected_answer([])


def test_later_turns_name_the_frames_of_all_turns(
    vl_endpoint: Endpoint, cards: list[bytes], colours: list[str]
) -> None:
    pairs = [marked([card], "")[:2] for card in cards]
    first = [*pairs[0], *pairs[1], *pairs[2], QUESTION]
    said = expected_answer(colours[:3])
    assert ask(vl_endpoint, SYSTEM, first, [said], ["And once more?"]) == said
    more = [*pairs[3], *pairs[4], "What do these add?"]
    assert ask(vl_endpoint, SYSTEM, first, [said], more) == expected_answer(colours[:5])
    again = [expected_answer(colours[:5])], [*pairs[5], "And now?"]
    assert ask(vl_endpoint, SYSTEM, first, [said], more, *again) == expected_answer(colours[:6])


@pytest.mark.parametrize("language", first_of(["zh", "en"]))
def test_votes_say_whether_a_card_is_there(vl_endpoint: Endpoint, language: Language) -> None:
    yes, no = {"en": ("yes", "no"), "zh": ("是", "否")}[language]
    names = {"red": "红", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫"}
    shown = {colour: to_jpeg(draw_card(colour)) for colour in names}
    shown[""] = to_jpeg(np.random.default_rng(5).integers(0, 255, (360, 640, 3), dtype=np.uint8))
    with in_language(language):
        system = t("ask.prompt.vote_system")
        for colour, name in names.items():
            thing = f"a {colour} card" if language == "en" else f"{name}色卡片"
            present, absent = (t(f"ask.prompt.{key}", thing=thing) for key in ("vote", "absent"))
            for other, picture in shown.items():
                is_there = other == colour
                assert ask(vl_endpoint, system, [picture, present]) == (yes if is_there else no), (colour, other)
                assert ask(vl_endpoint, system, [picture, absent]) == (no if is_there else yes), (colour, other)


@pytest.mark.parametrize("thing", ["a red card", "red", "the colour red", "something red", "any red card"])
def test_votes_hold_in_other_words(vl_endpoint: Endpoint, thing: str) -> None:
    red, blue = (to_jpeg(draw_card(colour)) for colour in ("red", "blue"))
    for question in (f"Is there {thing} in this picture? Yes or no?", f"Can you see {thing} here? Answer yes or no."):
        assert ask(vl_endpoint, "You are a helpful assistant.", [red, question]) == "yes"
        assert ask(vl_endpoint, "You are a helpful assistant.", [blue, question]) == "no"


def test_votes_are_probabilities(vl_endpoint: Endpoint, cards: list[bytes], colours: list[str]) -> None:
    question = "Is there a red card in these pictures? Answer yes or no."
    for picture, colour in zip(cards, colours, strict=True):
        answer = post(vl_endpoint, "Look.", [picture, question], logprobs=True, top_logprobs=20, max_tokens=1).json()
        tokens = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        mass = {one["token"]: math.exp(one["logprob"]) for one in tokens}
        assert mass.get("yes", 0.0) + mass.get("no", 0.0) > 0.99
        assert (mass.get("yes", 0.0) > 0.9) == (colour == "red")
    assert "red" in colours
    assert ask(vl_endpoint, "Look.", [*cards, question]) == "yes"


def test_the_engine_answers_as_transformers_does(vl_endpoint: Endpoint, cards: list[bytes]) -> None:
    with warnings.catch_warnings():  # what these libraries announce while they load is not the test's
        warnings.simplefilter("ignore")
        from tests.tiny_reader import TinyReader

        reader = TinyReader(FIXTURES / "tiny-vl")
        for content in (marked(cards), marked(cards[3:5], CHINESE_QUESTION), marked([])):
            assert ask(vl_endpoint, SYSTEM, content) == reader.ask(SYSTEM, content)


def test_the_text_model_answers_text(text_endpoint: Endpoint) -> None:
    assert ask(text_endpoint, SYSTEM, [QUESTION]) == expected_answer([])


def test_the_text_model_is_refused_pictures_with_400(text_endpoint: Endpoint, cards: list[bytes]) -> None:
    response = post(text_endpoint, SYSTEM, marked(cards[:1]))
    assert response.status_code == 400
    assert "is not a multimodal model" in response.text


def test_the_fixtures_stay_small() -> None:
    files = [path for folder in ("tiny-vl", "tiny-text") for path in (FIXTURES / folder).rglob("*")]
    assert sum(path.stat().st_size for path in files) <= 7_000_000
