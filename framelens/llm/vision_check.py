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
from functools import partial
from io import BytesIO
from typing import Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from PIL import Image, ImageDraw, ImageFont

from framelens.core.domain import Keyframe, Notice
from framelens.core.errors import AppError, Cancelled, PicturesRefused, TooManyPictures
from framelens.i18n import as_notice, in_language, t
from framelens.llm.messages import data_url, with_pictures, with_video
from framelens.llm.stream import ask
from framelens.llm.text_fallback import CARD_SIDE, FEWEST_TOKENS, plain_picture, prove_sight, rejection, unseen

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
Colour = Literal["red", "blue", "green", "yellow", "white", "purple", "orange", "cyan"]
Form = Literal["circle", "square", "triangle", "star"]
COLOURS: tuple[Colour, ...] = get_args(Colour)
FORMS: tuple[Form, ...] = get_args(Form)
_INKS: dict[Colour, tuple[int, int, int]] = {
    "red": (205, 25, 30), "blue": (25, 60, 215), "green": (20, 165, 50), "yellow": (240, 230, 35),
    "white": (250, 250, 250), "purple": (135, 30, 175), "orange": (250, 150, 10), "cyan": (35, 210, 225),
}  # fmt: skip
_STAR = ((0, -1), (0.26, -0.36), (0.95, -0.31), (0.43, 0.14), (0.59, 0.81), (0, 0.44), (-0.59, 0.81), (-0.43, 0.14),
         (-0.95, -0.31), (-0.26, -0.36))  # fmt: skip
_SIZE = 0.3
"""Half the height of a shape as a share of the image's shorter side."""
_QUALITY = 92
"""JPEG quality."""


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
    read = tuple(_score_card(card, _piece_about(card, place, pieces)) for place, card in enumerate(shown, 1))
    return VisionCheckResult(
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


def _ask_about(
    chat: BaseChatModel,
    shown: Sequence[VisionCard],
    size: tuple[int, int],
    cancel: threading.Event | None,
) -> VisionCheckResult:
    question, system = t("vision_check.question", count=len(shown)), t("vision_check.system")
    frames = as_frames(shown, *size)
    messages = with_pictures(frames, question, system=system, url=lambda one: data_url(one, max(size)))
    reply = ask(chat.bind(max_tokens=_ANSWER_TOKENS), messages, cancel=cancel)  # type: ignore[arg-type]
    result = score(reply.text, shown, size)
    if not result.colours and (refused := unseen([reply.text])):
        raise refused
    return result


def _blind(reason: Notice, size: tuple[int, int]) -> VisionCheckResult:
    return VisionCheckResult(0, 0, 0, 0, False, *size, reason=reason)


# ---- reading the answer ----------------------------------------------------------------------------------------------


def _split_by_card(text: str, count: int) -> dict[int, str]:
    """Split an answer into the text about each card, by number from 1.

    Without numbers, the lines and sentences that name a colour are counted; if only one line or sentence names a
    colour, it is split at each colour.
    """
    found = list(_ITEM.finditer(text))
    if len({one[1] for one in found}) > 1 or (found and count == 1):
        ends = [*(one.start() for one in found[1:]), len(text)]
        numbered: dict[int, str] = {}
        for one, end in zip(found, ends, strict=True):
            numbered.setdefault(int(one[1]), text[one.end() : end])
        return dict(sorted(numbered.items()))
    parts = [part for part in re.split(r"[\n;；。]|(?<!\d)\.\s", text) if _find_names(part, COLOURS)]
    if len(parts) == 1:
        starts = [start for start, _ in _find_names(text, COLOURS)]
        parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return dict(enumerate(parts, 1))


def _piece_about(card: VisionCard, place: int, pieces: Mapping[int, str]) -> str:
    """Return the text under a card's number; if it has the wrong colour, prefer a piece with the card's colour."""
    own = pieces.get(place, "")
    if _first_colour(own) == card.colour:
        return own
    return next((piece for piece in pieces.values() if _first_colour(piece) == card.colour), own)


def _first_colour(piece: str) -> str:
    """Return the first colour named in `piece`, "" without a colour."""
    return next((name for _, name in _find_names(piece, COLOURS)), "")


def _score_card(card: VisionCard, piece: str) -> VisionCardResult:
    """Score the text about a card: the card's colour must be named first, its shape alone, its digit last."""
    digits = re.findall(r"(?<!\d)\d(?!\d)", piece)
    forms = {name for _, name in _find_names(piece, FORMS)}
    said = piece.strip(" \t\n*-;；,，、")[:_LONGEST_SAID]
    return VisionCardResult(
        card, said, _first_colour(piece) == card.colour, forms == {card.form}, digits[-1:] == [str(card.digit)]
    )


def _is_ordered(pieces: Mapping[int, str], shown: Sequence[VisionCard]) -> bool:
    order = {card.colour: place for place, card in enumerate(shown)}
    named = [place for piece in pieces.values() for colour, place in order.items() if _first_colour(piece) == colour]
    firsts = list(dict.fromkeys(named))
    return len(firsts) >= min(2, len(shown)) and firsts == sorted(firsts)


def _find_names(text: str, wanted: Sequence[str]) -> list[tuple[int, str]]:
    """Find the names of `wanted` as (position, name), in the text's order, without overlaps; longer names win."""
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


@dataclass(frozen=True)
class VisionCard:
    """Content of a test card; `digit` is 0 … 9."""

    colour: Colour
    form: Form
    digit: int


def cards(count: int, *, turn: int = 0) -> tuple[VisionCard, ...]:
    """List `count` cards, of which neighbours differ in everything; another `turn` gives another order."""
    return tuple(
        VisionCard(COLOURS[(place * 3 + turn) % 8], FORMS[(place + turn) % 4], (place * 7 + 3 + turn) % 10)
        for place in range(count)
    )


def draw(card: VisionCard, width: int, height: int) -> bytes:
    """Draw the card as a JPEG of `width` x `height` pixels."""
    picture = Image.new("RGB", (width, height), _INKS[card.colour])
    pen, ink = ImageDraw.Draw(picture), _contrast(_INKS[card.colour])
    size, middle = _SIZE * min(width, height), (width / 2, height / 2)
    line = max(1, round(size / 16))
    box = (middle[0] - size, middle[1] - size, middle[0] + size, middle[1] + size)
    if card.form == "circle":
        pen.ellipse(box, outline=ink, width=line)
    elif card.form == "square":
        pen.rectangle(box, outline=ink, width=line)
    else:
        corners = _STAR if card.form == "star" else ((0, -1), (1, 0.8), (-1, 0.8))
        points = [(middle[0] + x * size, middle[1] + y * size) for x, y in corners]
        pen.line([*points, *points[:2]], fill=ink, width=line, joint="curve")
    font = ImageFont.load_default(max(8, round(size * 0.6)))
    pen.text((middle[0], middle[1] + size * 0.1), str(card.digit), fill=ink, font=font, anchor="mm")
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def as_frames(shown: Sequence[VisionCard], width: int, height: int) -> list[Keyframe]:
    """Convert the cards to keyframes of a video that shows a card each second."""
    return [
        Keyframe(place + 1, place, float(place), "shot", 1, width, height, draw(card, width, height))
        for place, card in enumerate(shown)
    ]


def _contrast(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black for a light colour, white for a dark colour."""
    red, green, blue = colour
    return (0, 0, 0) if 0.3 * red + 0.59 * green + 0.11 * blue > 128 else (255, 255, 255)


def video_refusal(chat: BaseChatModel, *, cancel: threading.Event | None = None) -> Notice | None:
    """Return why the engine doesn't take frames as a video; None if it does.

    One token is requested twice, with and without a video of two plain frames.

    Raises:
        Cancelled: `cancel` was set.
    """
    short = chat.bind(max_tokens=1)
    frames = [
        Keyframe(number, 0, float(number), "even", 1, CARD_SIDE, CARD_SIDE, plain_picture(colour, "JPEG"))
        for number, colour in enumerate(("red", "blue"), 1)
    ]
    with in_language("en"):
        sent = with_video(frames, "Which colours?", system="", url=partial(data_url, side=CARD_SIDE))
    words = [part for part in sent[-1].content if "video_url" not in part]
    try:
        without = ask(short, [HumanMessage(content=words)], cancel=cancel).usage  # type: ignore[arg-type]
        with_two = ask(short, sent[1:], cancel=cancel).usage  # type: ignore[arg-type]
    except Cancelled:
        raise
    except AppError as error:
        return as_notice(error)
    if without is None or with_two is None or with_two.prompt_tokens - without.prompt_tokens < FEWEST_TOKENS:
        return Notice("video_dropped")
    return None
