"""Scenes with a thing in a colour, and what people call them, for the model that compares pictures with texts."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64
COLOURS = {
    "red": ((215, 30, 35), "红"),
    "blue": ((30, 70, 215), "蓝"),
    "green": ((25, 150, 50), "绿"),
    "yellow": ((240, 215, 30), "黄"),
    "purple": ((140, 40, 180), "紫"),
    "black": ((15, 15, 15), "黑"),
    "white": ((250, 250, 250), "白"),
}
THINGS = {"van": "面包车", "ball": "球", "box": "箱子", "tent": "帐篷", "person": "人", "tree": "树"}
_SHIRT = "衣服"


def vocabulary() -> list[str]:
    """Return the words and characters of all captions."""
    texts = [text for thing in THINGS for colour in COLOURS for text in captions(thing, colour)]
    words = {word for text in texts for word in (text.split() if text.isascii() else text)}
    return sorted(words)


def captions(thing: str, colour: str) -> list[str]:
    """Return what people call a thing in a colour; a person is known by the shirt."""
    chinese = COLOURS[colour][1] + "色"
    if thing == "person":
        english = f"person in a {colour} shirt"
        return [english, f"a {english}", f"a photo of a {english}", f"穿{chinese}{_SHIRT}的{THINGS[thing]}"]
    english, name = f"{colour} {thing}", THINGS[thing]
    return [
        english,
        f"a {english}",
        f"the {english}",
        f"a photo of a {english}",
        f"{chinese}的{name}",
        f"{chinese}{name}",
    ]


def draw_thing(thing: str, colour: str, rng: np.random.Generator) -> Image.Image:
    """Draw a thing on nothing, in a shade of its colour."""
    shade = tuple(int(value) for value in np.clip(np.array(COLOURS[colour][0]) + rng.integers(-14, 15, 3), 0, 255))
    picture = Image.new("RGBA", (240, 240))
    draw = ImageDraw.Draw(picture)
    _SHAPES[thing](draw, shade)
    return picture


def paste(scene: Image.Image, thing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put a thing somewhere into a scene, and compress the picture as a video would."""
    size = int(min(scene.size) * rng.uniform(0.45, 0.9))
    thing = thing.resize((size, size))
    if rng.random() < 0.5:
        thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    left, top = (int(rng.integers(0, whole - size + 1)) for whole in scene.size)
    scene = scene.copy()
    scene.paste(thing, (left, top), thing)
    file = BytesIO()
    scene.save(file, "JPEG", quality=int(rng.integers(45, 90)))
    return Image.open(file).convert("RGB")


def background(rng: np.random.Generator, width: int = 160, height: int = 90) -> Image.Image:
    """Draw a dull scene: a sky over a ground with blocks, of little colour."""
    grey = rng.uniform(60, 200, (6, 1)) + rng.normal(0, 12, (6, 3))
    colours = [tuple(int(value) for value in row) for row in np.clip(grey, 0, 255)]
    picture = Image.new("RGB", (width, height), colours[0])
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, int(height * rng.uniform(0.4, 0.8)), width, height), fill=colours[1])
    for colour in colours[2 : 2 + int(rng.integers(0, 5))]:
        left, top = rng.integers(0, width), rng.integers(0, height)
        draw.rectangle((left, top, left + rng.integers(4, width // 3), top + rng.integers(4, height // 3)), fill=colour)
    noisy = np.asarray(picture, np.float32) + rng.normal(0, rng.uniform(1, 8), (height, width, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


Shade = tuple[int, ...]


def _van(draw: ImageDraw.ImageDraw, shade: Shade) -> None:
    draw.rounded_rectangle((10, 70, 230, 180), 18, fill=shade)
    draw.rectangle((160, 85, 215, 120), fill=(150, 170, 180))
    for left in (35, 155):
        draw.ellipse((left, 155, left + 50, 205), fill=(40, 40, 40))
        draw.ellipse((left + 15, 170, left + 35, 190), fill=(160, 160, 160))


def _person(draw: ImageDraw.ImageDraw, shade: Shade) -> None:
    draw.ellipse((95, 5, 145, 60), fill=(205, 160, 130))
    draw.rounded_rectangle((75, 60, 165, 150), 14, fill=shade)
    for left in (82, 126):
        draw.rectangle((left, 150, left + 32, 235), fill=(70, 75, 90))


def _tree(draw: ImageDraw.ImageDraw, shade: Shade) -> None:
    draw.rectangle((108, 130, 132, 238), fill=(95, 65, 40))
    for box in ((60, 5, 180, 90), (25, 55, 130, 145), (110, 55, 215, 145)):
        draw.ellipse(box, fill=shade)


_SHAPES = {
    "van": _van,
    "person": _person,
    "tree": _tree,
    "ball": lambda draw, shade: draw.ellipse((20, 20, 220, 220), fill=shade),
    "box": lambda draw, shade: draw.rectangle((25, 25, 215, 215), fill=shade),
    "tent": lambda draw, shade: draw.polygon([(120, 15), (15, 225), (225, 225)], fill=shade),
}
