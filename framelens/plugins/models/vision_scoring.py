"""Vision check: whether a model, at its quantisation and resolution, sees frames and keeps their order.

Test cards (a coloured image with the outline of a shape and a digit) are sent like the frames of a video, each with its
mark, in time order, and the model describes them. Its answer is parsed as tolerantly as a person would read it: list or
prose, English or Chinese, with or without numbers. No answer is an error; an answer that doesn't mention the cards
scores zero. Whether images arrive at all is proved first, by `framelens.llm.text_fallback`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_core.language_models import BaseChatModel

from framelens import Keyframe, Notice
from framelens.plugin import t
from framelens.plugin.chat import (
    PicturesRefused,
    TooManyPictures,
    VisionCard,
    ask,
    data_url,
    prove_sight,
    rejection,
    unseen,
    with_pictures,
)

Verdict = Literal["well", "coarse", "poor", "blind"]
"""well: colours, shapes, digits and their order. coarse: colours and their order. poor: less. blind: no images."""
COUNT = 8
"""One card for each colour; fewer are sent if the model accepts fewer."""
SIZE = (448, 252)
"""Pixels, 16:9. The longer side is the same as for frames sent on a CPU."""
_ENOUGH = 0.75
"""Share of the cards that must be recognized."""
_ANSWER_TOKENS = 400
_LONGEST_SAID = 120
"""Characters of an answer about a card that are kept."""
_ITEM = re.compile(r"(?:^|[\n;；|])\s*(?:[-*•]\s*)?[\[(（【]?\s*(?:frame|card|picture|image|第)?\s*(\d{1,2})"
                   r"(?:\s*[帧张])?[^\n:：.)、\]]{0,16}[\])）】]?\s*[:：.)、]", re.IGNORECASE)  # fmt: skip
_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "red": ("红",), "blue": ("蓝",), "green": ("绿",), "yellow": ("黄",), "white": ("白",),
    "purple": ("紫", "violet", "magenta"), "orange": ("橙", "橘"),
    "cyan": ("青", "turquoise", "teal", "aqua", "light blue", "浅蓝", "天蓝"),
    "circle": ("圆", "round", "ring"), "square": ("正方", "方形", "方框", "矩形", "rectangle"),
    "triangle": ("三角",), "star": ("星", "五角"),
}  # fmt: skip


def cards(count: int, *, turn: int = 0) -> tuple[VisionCard, ...]:
    """List `count` cards, of which neighbours differ in everything; another `turn` gives another order."""
    return tuple(
        VisionCard(
            VisionCard.COLOURS[(index * 3 + turn) % 8],
            VisionCard.FORMS[(index + turn) % 4],
            (index * 7 + 3 + turn) % 10,
        )
        for index in range(count)
    )


def as_frames(shown: Sequence[VisionCard], width: int, height: int) -> list[Keyframe]:
    """Convert the cards to keyframes of a video that shows a card each second."""
    return [
        Keyframe(index + 1, index, float(index), "shot", 1, width, height, card.draw(width, height))
        for index, card in enumerate(shown)
    ]


@dataclass(frozen=True)
class VisionCardResult:
    """The model's description of a card, and which parts of it are right."""

    card: VisionCard
    said: str
    colour: bool
    form: bool
    digit: bool


@dataclass(frozen=True)
class VisionCheckResult:
    """Result of a vision check.

    Attributes:
        shown: Number of cards sent.
        colours: Number of cards whose colour was recognized.
        forms: Number of cards whose shape was recognized.
        digits: Number of cards whose digit was recognized.
        ordered: Whether at least two colours were named, in the order of the cards.
        width: Width of the sent frames in pixels.
        height: Height of the sent frames in pixels.
        answer: The model's answer, shortened.
        reason: Why the verdict is "blind".
        cards: Results by card.
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
    cards: tuple[VisionCardResult, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return the verdict that the numbers give."""
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
    turn: int = 0,
    on_progress: Callable[[str], None] = lambda key: None,
    cancel: threading.Event | None = None,
) -> VisionCheckResult:
    """Check that images arrive, send test cards, and score the answer.

    Args:
        chat: The chat model.
        size: (width, height) of the cards in pixels.
        turn: Selects the cards; another number gives other cards.
        on_progress: Called with "probing" and "reading", keys below `vision_check.`.
        cancel: Ends the check within 0.1 s of being set.

    Raises:
        AppError: The engine is dead, busy or full.
        Cancelled: `cancel` was set.
    """
    on_progress("probing")
    sight = prove_sight(chat, cancel=cancel)
    if sight.needs_text:
        return _blind(sight.reason or Notice("pictures_dropped", {"tokens": 0}), size)
    on_progress("reading")
    shown = cards(COUNT, turn=turn)
    try:
        return _ask_about(chat, shown, size, cancel)
    except TooManyPictures as refused:
        try:
            return _ask_about(chat, shown[: refused.limit], size, cancel)
        except TooManyPictures:  # the engine names another limit each time
            return _blind(Notice("pictures_rejected", {"reason": str(refused)}), size)
    except PicturesRefused as refused:
        return _blind(rejection(refused), size)


def score(answer: str, shown: Sequence[VisionCard], size: tuple[int, int] = SIZE) -> VisionCheckResult:
    """Score an answer about the `shown` cards: by its numbers of cards, else by the order of its pieces."""
    pieces = _split_by_card(answer, len(shown))
    read = tuple(_score_card(card, _piece_about(card, number, pieces)) for number, card in enumerate(shown, 1))
    return VisionCheckResult(
        shown=len(shown),
        colours=sum(result.colour for result in read),
        forms=sum(result.form for result in read),
        digits=sum(result.digit for result in read),
        ordered=_is_ordered(pieces, shown),
        width=size[0],
        height=size[1],
        answer=answer.strip()[:4000],
        cards=read,
    )


def _ask_about(
    chat: BaseChatModel,
    shown: Sequence[VisionCard],
    size: tuple[int, int],
    cancel: threading.Event | None,
) -> VisionCheckResult:
    question, system = t("vision_check.question", count=len(shown)), t("vision_check.system")
    frames = as_frames(shown, *size)
    messages = with_pictures(frames, question, system=system, url=lambda frame: data_url(frame, max(size)))
    reply = ask(chat.bind(max_tokens=_ANSWER_TOKENS), messages, cancel=cancel)  # type: ignore[arg-type]
    result = score(reply.text, shown, size)
    if not result.colours and (refused := unseen([reply.text])):
        raise refused
    return result


def _blind(reason: Notice, size: tuple[int, int]) -> VisionCheckResult:
    return VisionCheckResult(0, 0, 0, 0, False, *size, reason=reason)


def _split_by_card(text: str, count: int) -> dict[int, str]:
    """Split an answer into the text about each card, by number from 1.

    Without numbers, the lines and sentences that name a colour are counted; if only one line or sentence names a
    colour, it is split at each colour.
    """
    items = list(_ITEM.finditer(text))
    if len({item[1] for item in items}) > 1 or (items and count == 1):
        ends = [*(item.start() for item in items[1:]), len(text)]
        numbered: dict[int, str] = {}
        for item, end in zip(items, ends, strict=True):
            numbered.setdefault(int(item[1]), text[item.end() : end])
        return dict(sorted(numbered.items()))
    parts = [part for part in re.split(r"[\n;；。]|(?<!\d)\.\s", text) if _find_names(part, VisionCard.COLOURS)]
    if len(parts) == 1:
        starts = [start for start, _ in _find_names(text, VisionCard.COLOURS)]
        parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return dict(enumerate(parts, 1))


def _piece_about(card: VisionCard, number: int, pieces: Mapping[int, str]) -> str:
    """Return the text under a card's number; if it has the wrong colour, prefer a piece with the card's colour."""
    own = pieces.get(number, "")
    if _first_colour(own) == card.colour:
        return own
    return next((piece for piece in pieces.values() if _first_colour(piece) == card.colour), own)


def _first_colour(piece: str) -> str:
    """Return the first colour named in `piece`, "" without a colour."""
    return next((name for _, name in _find_names(piece, VisionCard.COLOURS)), "")


def _score_card(card: VisionCard, piece: str) -> VisionCardResult:
    """Score the text about a card: the card's colour must be named first, its shape alone, its digit last."""
    digits = re.findall(r"(?<!\d)\d(?!\d)", piece)
    forms = {name for _, name in _find_names(piece, VisionCard.FORMS)}
    description = piece.strip(" \t\n*-;；,，、")[:_LONGEST_SAID]
    return VisionCardResult(
        card, description, _first_colour(piece) == card.colour, forms == {card.form}, digits[-1:] == [str(card.digit)]
    )


def _is_ordered(pieces: Mapping[int, str], shown: Sequence[VisionCard]) -> bool:
    order = {card.colour: index for index, card in enumerate(shown)}
    named = [index for piece in pieces.values() for colour, index in order.items() if _first_colour(piece) == colour]
    firsts = list(dict.fromkeys(named))
    return len(firsts) >= min(2, len(shown)) and firsts == sorted(firsts)


def _find_names(text: str, names: Sequence[str]) -> list[tuple[int, str]]:
    """Find `names` as (position, name), in the text's order, without overlaps; longer names win."""
    spans: dict[int, tuple[int, str]] = {}
    for name in names:
        for word in (name, *_OTHER_WORDS[name]):
            for match in re.finditer(rf"\b{word}" if word.isascii() else word, text, re.IGNORECASE):
                spans[match.start()] = max(spans.get(match.start(), (0, "")), (match.end(), name))
    chosen: list[tuple[int, str]] = []
    last = -1
    for start, (end, name) in sorted(spans.items()):
        if start >= last:
            chosen.append((start, name))
            last = end
    return chosen
