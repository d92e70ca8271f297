"""Draw the training pictures: a card, a card in front of a scene, or a scene alone.

A card is one colour over most of the picture, with everything that may lie on it in a real frame. A picture comes out
at the size the processor would give it, a whole number of 28-pixel cells (a language token each). The cards of the
tests and of the evaluation are drawn elsewhere, in other shades.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from test_models import scenes

Colour = tuple[int, int, int]

# Shades of each name: what web pages, encoders' test sources and softer palettes call by it.
COLOURS: dict[str, list[Colour]] = {
    "red": [(215, 30, 35), (255, 0, 0), (190, 10, 20)],
    "orange": [(245, 140, 20), (255, 165, 0), (255, 128, 0)],
    "yellow": [(245, 225, 40), (255, 255, 0), (235, 220, 20)],
    "green": [(30, 150, 60), (0, 128, 0), (0, 200, 0), (0, 255, 0)],
    "cyan": [(60, 205, 220), (0, 255, 255), (0, 200, 210)],
    "blue": [(35, 70, 205), (0, 0, 255), (20, 40, 160)],
    "purple": [(140, 45, 165), (128, 0, 128), (150, 40, 220)],
    "gray": [(128, 128, 128), (112, 112, 112), (145, 145, 145)],
    "white": [(245, 245, 245), (255, 255, 255)],
    "black": [(12, 12, 12), (0, 0, 0)],
}
NAMES = list(COLOURS)
NO_CARD = len(NAMES)  # the label of a scene without a card
PLAIN = {"gray", "white", "black"}  # walls and nights have these: such a card fills the whole picture
SCENE_SHARE, PART_SHARE = 0.34, 0.2  # of all pictures: scenes without a card, and with a card over a part
LIGHT = {"white", "yellow", "cyan", "orange", "gray"}
CELL = 28
# Cells of a frame (rows, columns) and how often each is drawn; 16:9 of any size becomes 2 x 4.
GRIDS = {(2, 4): 0.3, (3, 3): 0.22, (2, 3): 0.16, (2, 2): 0.1, (4, 2): 0.08, (3, 2): 0.06, (1, 4): 0.05, (4, 1): 0.03}
WRITING = [
    *"01235789",
    "17",
    "64",
    *"AEMRZ",
    "Scene",
    "START",
    "Ende",
    "take",
    "two",
    "4K",
    "news",
    "01:45",
    "Fin",
    *"?!%=#*",
]


def draw(rng: np.random.Generator, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """Draw a picture: uint8 (rows * 28, columns * 28, 3) in RGB, and the index of its card's colour, or NO_CARD."""
    height, width = rows * CELL, columns * CELL
    zoom = rng.uniform(0.8, 2.6)
    tall, wide = (max(40, round(side * zoom * rng.uniform(0.85, 1.15))) for side in (height, width))
    kind = rng.random()
    if kind < SCENE_SHARE:
        label, image, effects = NO_CARD, scenes.draw(rng, tall, wide), ON_SCENES
    elif kind < SCENE_SHARE + PART_SHARE:
        label = int(rng.choice([index for index, name in enumerate(NAMES) if name not in PLAIN]))
        image, effects = _before_scene(rng, label, tall, wide), ON_SCENES
    else:
        label = int(rng.integers(len(NAMES)))
        image, effects = _surface(rng, label, tall, wide), ON_CARDS
    for chance, effect in effects:
        if rng.random() < chance:
            image = effect(rng, image, label)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)), label


def _before_scene(rng: np.random.Generator, colour: int, height: int, width: int) -> Image.Image:
    """Draw a card that covers a fifth of a scene or more."""
    scene, size = scenes.draw(rng, height, width), np.array([width, height])
    extent = (size * rng.uniform(0.45, 0.97, 2)).astype(int)
    left, top = ((size - extent) * rng.random(2)).astype(int)
    scene.paste(_surface(rng, colour, int(extent[1]), int(extent[0])), (int(left), int(top)))
    return scene


def _surface(rng: np.random.Generator, colour: int, height: int, width: int) -> Image.Image:
    """Draw the colour in a shade of it, often with a soft ramp or stripes across it."""
    shades = COLOURS[NAMES[colour]]
    pixels = np.tile(np.float32(shades[rng.integers(len(shades))]) + rng.uniform(-12, 12, 3), (height, width, 1))
    if rng.random() < 0.4:
        angle, periods, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 5), rng.uniform(8, 36)
        down, across = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
        phase = (across * np.cos(angle) + down * np.sin(angle)) * periods % 1 - 0.5
        pixels += depth * (phase if rng.random() < 0.5 else np.sign(phase) / 2)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _patch(rng: np.random.Generator, image: Image.Image, colour: int) -> Image.Image:
    """Draw a small shape of any colour: it must not be taken for the card."""
    size = np.array(image.size)
    extent = size * rng.uniform(0.08, 0.34)
    corner = (size - extent) * rng.random(2)
    pen = ImageDraw.Draw(image)
    shape = pen.rectangle if rng.random() < 0.5 else pen.ellipse
    shape([*corner, *(corner + extent)], fill=tuple(rng.integers(256, size=3).tolist()))
    return image


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _writing(rng: np.random.Generator, image: Image.Image, colour: int) -> Image.Image:
    for _ in range(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])):
        dark = rng.random() < (0.5 if colour == NO_CARD or NAMES[colour] in LIGHT else 0.05)
        text = " ".join(WRITING[i] for i in rng.integers(len(WRITING), size=rng.integers(1, 3)))
        pixels = 6 + int(min(image.size) * rng.uniform(0.12, 0.75 if len(text) == 1 else 0.3))
        place = np.array(image.size) * rng.uniform(0.1, 0.9, 2)
        stroke = int(rng.uniform(0, pixels / 14))
        ink = (0, 0, 0) if dark else (255, 255, 255)
        ImageDraw.Draw(image).text(tuple(place), text, fill=ink, font=_font(pixels), anchor="mm", stroke_width=stroke)
    return image


def _border(rng: np.random.Generator, image: Image.Image, colour: int) -> Image.Image:
    """Draw black or white bars, as of a letterbox."""
    bars = (np.array(image.size) * rng.uniform(0, (0.06, 0.12))).astype(int)
    inner = image.crop((*bars, *(np.array(image.size) - bars)))
    framed = Image.new("RGB", image.size, (0, 0, 0) if rng.random() < 0.7 else (255, 255, 255))
    framed.paste(inner, tuple(bars.tolist()))
    return framed


def _blur(rng: np.random.Generator, image: Image.Image, colour: int) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2)))


def _compress(rng: np.random.Generator, image: Image.Image, colour: int) -> Image.Image:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=int(rng.integers(35, 96)))
    return Image.open(packed).convert("RGB")


Effect = Callable[[np.random.Generator, Image.Image, int], Image.Image]
ON_CARDS: list[tuple[float, Effect]] = [
    (0.2, _patch),
    (0.65, _writing),
    (0.12, _border),
    (0.15, _blur),
    (0.5, _compress),
]
ON_SCENES: list[tuple[float, Effect]] = [(0.15, _writing), (0.1, _border), (0.25, _blur), (0.5, _compress)]
