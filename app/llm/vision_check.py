"""The vision check: does this model, at this quantisation and resolution, see frames and keep their order?

Test cards are sent as frames of a video are, each with its mark, in time order, and the model reads them back. What it
says is read as leniently as a person would: in a list or in prose, in English or Chinese, with or without numbers. No
answer is an error; one that says nothing of the cards scores nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_core.language_models import BaseChatModel

from app.core.domain import Language, Notice
from app.core.errors import PicturesRefused
from app.i18n import t
from app.llm.error_mapping import TooManyPictures
from app.llm.messages import data_url, with_pictures
from app.llm.stream import ask
from app.llm.test_cards import COLOURS, FORMS, Card, as_frames, cards
from app.llm.vision_probe import prove_sight

Verdict = Literal["well", "coarse", "poor", "blind"]
"""well: colours, shapes, digits and their order. coarse: colours and their order. poor: less. blind: no pictures."""

COUNT = 8
SIZE = (448, 252)
_ENOUGH = 0.75
_ANSWER_TOKENS = 400
_LONGEST_SAID = 120
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_ITEM = re.compile(r"(?:^|[\n;；|])\s*(?:[-*•]\s*)?[\[(（【]?\s*(?:frame|card|picture|image|第)?\s*(\d{1,2})"
                   r"(?:\s*[帧张])?[^\n:：.)、\]]{0,16}[\])）】]?\s*[:：.)、]", re.IGNORECASE)  # fmt: skip
_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "red": ("红",), "blue": ("蓝",), "green": ("绿",), "yellow": ("黄",), "white": ("白",),
    "purple": ("紫", "violet", "magenta"), "orange": ("橙", "橘"),
    "cyan": ("青", "turquoise", "teal", "aqua", "light blue", "浅蓝", "天蓝"),
    "circle": ("圆", "round", "ring"), "square": ("正方", "方形", "方框", "矩形", "rectangle"),
    "triangle": ("三角",), "star": ("星", "五角"),
}  # fmt: skip


@dataclass(frozen=True)
class CardSeen:
    """What the model said of one card, and what of it is right."""

    card: Card
    said: str
    colour: bool
    form: bool
    digit: bool


@dataclass(frozen=True)
class Seen:
    """How many of `shown` cards were seen, by what is on them, in whatever order.

    `ordered`: the colours that were named came in the order of the cards, at least two of them. `width`, `height`: of
    the frames sent, in pixels. `reason`: why the verdict is "blind".
    """

    shown: int
    colours: int
    forms: int
    digits: int
    ordered: bool
    width: int
    height: int
    answer: str = ""
    reason: Notice | None = None
    cards: tuple[CardSeen, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.reason is not None:
            return "blind"
        enough = self.shown * _ENOUGH
        if not self.ordered or self.colours < enough:
            return "poor"
        return "well" if min(self.forms, self.digits) >= enough else "coarse"


def check_vision(
    chat: BaseChatModel,
    *,
    size: tuple[int, int] = SIZE,
    count: int = COUNT,
    turn: int = 0,
    language: Language = "en",
    on_progress: Callable[[str], None] = lambda key: None,
    cancel: threading.Event | None = None,
) -> Seen:
    """Prove that pictures arrive, show `count` cards of `size` pixels (fewer where the model takes fewer), and score.

    `count` is 8 at most, for each has its own colour; `turn` shows other cards. on_progress gets "proving" and
    "reading", keys below `sight.`. Raises the AppErrors of an engine that is dead, busy or full, and Cancelled.
    """
    on_progress("proving")
    sight = prove_sight(chat, cancel=cancel)
    if sight.sees is False:
        return _blind(sight.reason or Notice("pictures_dropped", {"tokens": 0}), size)
    on_progress("reading")
    shown = cards(count, turn=turn)
    try:
        return _asked(chat, shown, size, language, cancel)
    except TooManyPictures as refused:
        try:
            return _asked(chat, shown[: refused.limit], size, language, cancel)
        except TooManyPictures:  # it says another number each time
            return _blind(Notice("pictures_rejected", {"reason": str(refused)}), size)
    except PicturesRefused as refused:
        return _blind(Notice("pictures_rejected", {"reason": str(refused.values["reason"])}), size)


def score(answer: str, shown: Sequence[Card], size: tuple[int, int] = SIZE) -> Seen:
    """What of the cards `answer` tells, card by card where it counts them, else piece by piece in its order."""
    text = _THOUGHT.sub("", answer)
    pieces = _pieces(text, len(shown))
    read = tuple(_read(card, _piece_of(card, place, pieces)) for place, card in enumerate(shown, 1))
    return Seen(
        shown=len(shown),
        colours=sum(one.colour for one in read),
        forms=sum(one.form for one in read),
        digits=sum(one.digit for one in read),
        ordered=_is_ordered(pieces, shown),
        width=size[0],
        height=size[1],
        answer=answer.strip()[:4000],
        cards=read,
    )


def _asked(
    chat: BaseChatModel,
    shown: Sequence[Card],
    size: tuple[int, int],
    language: Language,
    cancel: threading.Event | None,
) -> Seen:
    question, system = t("sight.question", language, count=len(shown)), t("sight.system", language)
    frames = as_frames(shown, *size)
    messages = with_pictures(
        frames, question, system=system, language=language, url=lambda one: data_url(one, max(size))
    )
    reply = ask(chat.bind(max_tokens=_ANSWER_TOKENS), messages, cancel=cancel)  # type: ignore[arg-type]
    return score(reply.text, shown, size)


def _blind(reason: Notice, size: tuple[int, int]) -> Seen:
    return Seen(0, 0, 0, 0, False, *size, reason=reason)


# ---- reading the answer ----------------------------------------------------------------------------------------------


def _pieces(text: str, count: int) -> dict[int, str]:
    """What is said of each card, by its number from 1. Where cards are not numbered, the lines and sentences that name
    a colour are counted; where all stands in one of them, what follows each colour.
    """
    found = list(_ITEM.finditer(text))
    if len({one[1] for one in found}) > 1 or (found and count == 1):
        ends = [*(one.start() for one in found[1:]), len(text)]
        told: dict[int, str] = {}
        for one, end in zip(found, ends, strict=True):
            told.setdefault(int(one[1]), text[one.end() : end])
        return dict(sorted(told.items()))
    parts = [part for part in re.split(r"[\n;；。]|(?<!\d)\.\s", text) if _named(part, COLOURS)]
    if len(parts) == 1:
        starts = [start for start, _ in _named(text, COLOURS)]
        parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return dict(enumerate(parts, 1))


def _piece_of(card: Card, place: int, pieces: Mapping[int, str]) -> str:
    """What is said of this card: under its number, unless that names another colour and another piece names its own."""
    own = pieces.get(place, "")
    if _colour(own) == card.colour:
        return own
    return next((piece for piece in pieces.values() if _colour(piece) == card.colour), own)


def _colour(piece: str) -> str:
    """The first colour that is named; "" for none."""
    return next((name for _, name in _named(piece, COLOURS)), "")


def _read(card: Card, piece: str) -> CardSeen:
    """Whether its colour is the first that is named, its shape the only one, and its digit the last."""
    digits = re.findall(r"(?<!\d)\d(?!\d)", piece)
    forms = {name for _, name in _named(piece, FORMS)}
    said = piece.strip(" \t\n*-;；,，、")[:_LONGEST_SAID]
    return CardSeen(card, said, _colour(piece) == card.colour, forms == {card.form}, digits[-1:] == [str(card.digit)])


def _is_ordered(pieces: Mapping[int, str], shown: Sequence[Card]) -> bool:
    order = {card.colour: place for place, card in enumerate(shown)}
    named = [place for piece in pieces.values() for colour, place in order.items() if _colour(piece) == colour]
    firsts = list(dict.fromkeys(named))
    return len(firsts) >= min(2, len(shown)) and firsts == sorted(firsts)


def _named(text: str, wanted: Sequence[str]) -> list[tuple[int, str]]:
    """Where the text names which of `wanted`, in its order; the longer of two names at one place."""
    found: dict[int, tuple[int, str]] = {}
    for name in wanted:
        for word in (name, *_OTHER_WORDS[name]):
            for one in re.finditer(rf"\b{word}" if word.isascii() else word, text, re.IGNORECASE):
                found[one.start()] = max(found.get(one.start(), (0, "")), (one.end(), name))
    kept: list[tuple[int, str]] = []
    last = -1
    for start, (end, name) in sorted(found.items()):
        if start >= last:
            kept.append((start, name))
            last = end
    return kept
