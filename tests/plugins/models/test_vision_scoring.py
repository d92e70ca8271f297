"""The vision check scores what was seen and in which order, whatever words it comes in, and no answer breaks it."""

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image

from framelens.engine.base import Endpoint
from framelens.i18n import t
from framelens.llm.chat import EngineChat, connect
from framelens.llm.vision_check import VisionCard
from framelens.plugins.models.vision_scoring import VisionCheckResult, cards, check_vision, score
from tests.llm.scripted import Refuse, Server, has_pictures, saying, serve

pytestmark = pytest.mark.usefixtures("english")

EIGHT = cards(8)
CHINESE = {
    "red": "红色", "blue": "蓝色", "green": "绿色", "yellow": "黄色", "white": "白色", "purple": "紫色",
    "orange": "橙色", "cyan": "青色", "circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "五角星",
}  # fmt: skip


def chat_at(server: Server) -> EngineChat:
    return connect(server.base_url, api_key="key", model="model")


def figures(seen: VisionCheckResult) -> tuple[int, int, int, bool]:
    return seen.colours, seen.forms, seen.digits, seen.ordered


def as_asked(shown: tuple[VisionCard, ...]) -> str:
    return "\n".join(f"{place}: {one.colour} {one.form} {one.digit}" for place, one in enumerate(shown, 1))


WORDINGS: dict[str, Callable[[tuple[VisionCard, ...]], str]] = {
    "as it was asked": as_asked,
    "on one line": lambda shown: as_asked(shown).replace("\n", "; "),
    "with marks": lambda shown: "\n".join(
        f"[frame {place} · 00:0{place - 1}.000] A {one.colour.title()} card, a {one.form} with the number {one.digit}."
        for place, one in enumerate(shown, 1)
    ),
    "as a list in Markdown": lambda shown: "\n".join(
        f"- **Frame {place}:** {one.colour}, {one.form}, {one.digit}" for place, one in enumerate(shown, 1)
    ),
    "without numbers": lambda shown: "\n".join(f"a {one.colour} card: {one.form}, {one.digit}" for one in shown),
    "in a sentence": lambda shown: "I see " + ", ".join(f"{one.colour} {one.form} {one.digit}" for one in shown) + ".",
    "in Chinese": lambda shown: "\n".join(
        f"第{place}帧：{CHINESE[one.colour]} {CHINESE[one.form]} {one.digit}" for place, one in enumerate(shown, 1)
    ),
    "in a Chinese sentence": lambda shown: "，".join(
        f"{CHINESE[one.colour]}{CHINESE[one.form]}{one.digit}" for one in shown
    ),
}


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_right_answer_scores_all_in_any_wording(wording: str) -> None:
    seen = score(WORDINGS[wording](EIGHT), EIGHT)
    assert figures(seen) == (8, 8, 8, True)
    assert seen.verdict == "well"


def test_seeing_everything_in_the_wrong_order_is_reported_apart() -> None:
    swapped = (*EIGHT[4:], *EIGHT[:4])
    seen = score(as_asked(swapped), EIGHT)
    assert figures(seen) == (8, 8, 8, False)
    assert seen.verdict == "poor"


def test_half_or_coarse_sight_is_not_enough() -> None:
    # Colours alone are a coarse sight.
    seen = score("; ".join(f"{place}: {one.colour}" for place, one in enumerate(EIGHT, 1)), EIGHT)
    assert figures(seen) == (8, 0, 0, True)
    assert seen.verdict == "coarse"
    # Half of the cards is not enough.
    seen = score(as_asked(EIGHT[:4]), EIGHT)
    assert figures(seen) == (4, 4, 4, True)
    assert seen.verdict == "poor"
    # Light blue is one colour in scoring.
    answer = as_asked(EIGHT).replace("cyan", "light blue").replace("purple", "blue")
    assert figures(score(answer, EIGHT)) == (7, 8, 8, True)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "1:",
        "no images",
        "!!!!" * 500,
        "I cannot see any frames.",
        "\x00\ufffd",
        "1: 1: 1: 1:",
        "3" * 4000,
    ],
)
def test_nonsense_scores_nothing_and_breaks_nothing(answer: str) -> None:
    seen = score(answer, EIGHT)
    assert figures(seen) == (0, 0, 0, False)
    assert seen.verdict == "poor"


def test_the_cards_are_what_they_say() -> None:
    assert {card.colour for card in EIGHT} == set(VisionCard.COLOURS)
    assert all(one.form != other.form and one.digit != other.digit for one, other in pairwise(EIGHT))
    assert cards(8, turn=1)[0] != EIGHT[0]
    with Image.open(BytesIO(EIGHT[0].draw(448, 252))) as picture:
        assert picture.size == (448, 252)
        red, green, blue = picture.getpixel((5, 5))  # type: ignore[misc]
        assert red > 150 > max(green, blue) + 50


def test_cards_are_sent_in_order_and_scored() -> None:
    reported: list[str] = []
    with serve(saying(as_asked(EIGHT))) as server:
        seen = check_vision(chat_at(server), on_progress=reported.append)
    assert seen.verdict == "well" and reported == ["probing", "reading"]
    content = server.requests[-1]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"] * 8 + ["text"]
    assert "frame 1" in content[0]["text"] and "frame 8" in content[14]["text"]
    assert content[-1]["text"] == t("vision_check.question", "en", count=8)


def test_engines_without_sight_are_blind() -> None:
    # Engine that drops pictures is blind.
    with serve(saying(as_asked(EIGHT)), sees=False) as server:
        seen = check_vision(chat_at(server))
    assert seen.verdict == "blind" and seen.reason and seen.reason.key == "pictures_dropped"
    assert len(server.requests) == 2
    # Model that says it sees no cards is blind.
    with serve(saying("I'm unable to view images.")) as server:
        seen = check_vision(chat_at(server))
    assert seen.verdict == "blind" and seen.reason and seen.reason.key == "pictures_unseen"


def test_a_model_that_takes_fewer_pictures_is_shown_fewer() -> None:
    def three(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body) and sum(part["type"] == "image_url" for part in body["messages"][-1]["content"]) > 3:
            raise Refuse(400, "At most 3 image(s) may be provided in one prompt.", "image")
        yield as_asked(EIGHT[:3])

    with serve(three) as server:
        seen = check_vision(chat_at(server))
    assert (seen.shown, seen.verdict) == (3, "well")


def test_a_refusal_is_a_verdict_with_its_reason() -> None:
    def refuse(body: dict[str, Any]) -> Iterator[str]:
        if has_pictures(body):
            raise Refuse(400, "model is not a multimodal model")
        yield "x"

    with serve(refuse) as server:
        seen = check_vision(chat_at(server))
    assert seen.verdict == "blind" and seen.reason and "multimodal" in str(seen.reason.values["reason"])


@pytest.mark.engine
def test_real_engine_sees_cards_in_order(vl_endpoint: Endpoint) -> None:
    chat = connect(vl_endpoint.base_url, api_key=vl_endpoint.api_key, model=vl_endpoint.model)
    for turn in (0, 3):
        seen = check_vision(chat, turn=turn)
        assert (seen.colours, seen.ordered, seen.verdict) == (8, True, "coarse"), seen.answer
