"""Test cards of the vision check: a coloured image with the outline of a shape and a digit.

Colour, shape and digit need increasing resolution: the colour survives any downscaling, the digit needs the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, get_args

from PIL import Image, ImageDraw, ImageFont

from app.core.domain import Keyframe

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
"""Half the height of a shape as a share of the image's shorter side. Chosen by hand; not tuned."""
_QUALITY = 92
"""JPEG quality. Chosen by hand; not tuned."""


@dataclass(frozen=True)
class VisionCard:
    """Content of one test card; `digit` is 0 … 9."""

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
    """Convert the cards to keyframes of a video that shows one per second."""
    return [
        Keyframe(place + 1, place, float(place), "shot", 1, width, height, draw(card, width, height))
        for place, card in enumerate(shown)
    ]


def _contrast(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black for a light colour, white for a dark one."""
    red, green, blue = colour
    return (0, 0, 0) if 0.3 * red + 0.59 * green + 0.11 * blue > 128 else (255, 255, 255)
