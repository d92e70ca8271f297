"""Test cards that show whether a model sees pictures, and the check whether it takes frames as a video."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import ClassVar, Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from PIL import Image, ImageDraw, ImageFont

from framelens.core.domain import Keyframe, Notice
from framelens.core.errors import AppError, Cancelled
from framelens.i18n import as_notice, in_language
from framelens.llm.messages import data_url, with_video
from framelens.llm.stream import ask
from framelens.llm.text_fallback import CARD_SIDE, FEWEST_TOKENS, plain_picture

Colour = Literal["red", "blue", "green", "yellow", "white", "purple", "orange", "cyan"]
Form = Literal["circle", "square", "triangle", "star"]
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
class VisionCard:
    """Content of a test card; `digit` is 0 … 9."""

    COLOURS: ClassVar[tuple[Colour, ...]] = get_args(Colour)
    FORMS: ClassVar[tuple[Form, ...]] = get_args(Form)
    colour: Colour
    form: Form
    digit: int

    def draw(self, width: int, height: int) -> bytes:
        """Draw the card as a JPEG of `width` x `height` pixels."""
        picture = Image.new("RGB", (width, height), _INKS[self.colour])
        pen, ink = ImageDraw.Draw(picture), _contrast(_INKS[self.colour])
        size, middle = _SIZE * min(width, height), (width / 2, height / 2)
        line = max(1, round(size / 16))
        box = (middle[0] - size, middle[1] - size, middle[0] + size, middle[1] + size)
        if self.form == "circle":
            pen.ellipse(box, outline=ink, width=line)
        elif self.form == "square":
            pen.rectangle(box, outline=ink, width=line)
        else:
            corners = _STAR if self.form == "star" else ((0, -1), (1, 0.8), (-1, 0.8))
            points = [(middle[0] + x * size, middle[1] + y * size) for x, y in corners]
            pen.line([*points, *points[:2]], fill=ink, width=line, joint="curve")
        font = ImageFont.load_default(max(8, round(size * 0.6)))
        pen.text((middle[0], middle[1] + size * 0.1), str(self.digit), fill=ink, font=font, anchor="mm")
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue()


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
    question = [part for part in sent[-1].content if "video_url" not in part]
    try:
        without = ask(short, [HumanMessage(content=question)], cancel=cancel).usage  # type: ignore[arg-type]
        with_two = ask(short, sent[1:], cancel=cancel).usage  # type: ignore[arg-type]
    except Cancelled:
        raise
    except AppError as error:
        return as_notice(error)
    if without is None or with_two is None or with_two.prompt_tokens - without.prompt_tokens < FEWEST_TOKENS:
        return Notice("video_dropped")
    return None
