"""Footage of kinds that are rare among test clips, drawn by code: each a shot without a cut, 640 x 360, 25 a second.

Like real footage, they make the choice of frames hard: everything moves, or much moves at once, or
the light changes, or hardly anything differs from one second to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 640, 360, 25
SECONDS = 18
Picture = NDArray[np.uint8]
Chance = np.random.Generator

_GLYPHS = "abcdefghiklmnoprstuvwy 0123456789 ,."
FONT = cv2.FONT_HERSHEY_SIMPLEX


def pan(chance: Chance) -> Iterator[Picture]:
    """Draw a hand-held camera that wanders over a large scene, with tremor, and now and then sweeps on."""
    scene = _scene(chance, 3 * WIDTH, 2 * HEIGHT)
    position, speed = np.array([WIDTH * 0.8, HEIGHT * 0.4]), np.array([2.0, 0.3])
    for number in range(SECONDS * RATE):
        if number % 90 == 0:
            speed = chance.uniform((-9, -2), (9, 2))
        position = position + speed + chance.normal(0, 1.2, 2)
        speed = np.where((position < 0) | (position > (2 * WIDTH, HEIGHT)), -speed, speed)
        x, y = np.clip(position, 0, (2 * WIDTH - 1, HEIGHT - 1))
        angle = 1.2 * np.sin(number / 17)
        turn = cv2.getRotationMatrix2D((x + WIDTH / 2, y + HEIGHT / 2), angle, 1.0)
        turn[:, 2] -= (x, y)
        yield to_picture(cv2.warpAffine(scene, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))


def strobe(chance: Chance) -> Iterator[Picture]:
    """Draw a dim hall with dancers and coloured lights that flash in bursts."""
    room = (_scene(chance, WIDTH, HEIGHT) * 0.3).astype(np.float32)
    dancers = [(x, chance.uniform(3, 9), chance.uniform(0, 6)) for x in chance.uniform(40, WIDTH - 40, 9)]
    colour = np.ones(3)
    for number in range(SECONDS * RATE):
        image = room.copy()
        for x, pace, phase in dancers:
            shift = 14 * np.sin(number / RATE * pace + phase)
            foot = (int(x + shift), HEIGHT - 10)
            cv2.line(image, foot, (int(x - shift), HEIGHT - 130), (22, 20, 26), 34)
            cv2.circle(image, (int(x - shift), HEIGHT - 150), 18, (40, 44, 60), -1)
        if number % 40 == 0:
            colour = chance.uniform(0.4, 1.0, 3)
        flashes = number // 60 % 2 == 0 and number % 4 < 2
        yield to_picture(image * (colour * (2.6 if flashes else 1.0)))


def water(chance: Chance) -> Iterator[Picture]:
    """Waves under a low sun, a shore behind them."""
    across, down = np.meshgrid(np.linspace(0, 9, WIDTH), np.linspace(0.2, 1, HEIGHT))
    waves = [
        (chance.uniform(2, 11), chance.uniform(20, 70), chance.uniform(1, 4), chance.uniform(0, 6)) for _ in range(7)
    ]
    shore = _scene(chance, WIDTH, HEIGHT // 4)
    for number in range(SECONDS * RATE):
        time = number / RATE
        height = sum(np.sin(a * across / down + b / down + c * time + d) for a, b, c, d in waves)
        glint = np.clip(np.asarray(height) - 3.2, 0, 1)[..., None] * (140, 200, 220)
        image = np.asarray(height)[..., None] * (9, 8, 5) + (110, 90, 55) + glint
        image[: HEIGHT // 4] = shore
        yield to_picture(image)


def crowd(chance: Chance) -> Iterator[Picture]:
    """Draw a square from above with a hundred people who all walk different ways."""
    ground = cv2.addWeighted(_scene(chance, WIDTH, HEIGHT), 0.3, np.full((HEIGHT, WIDTH, 3), 120, np.uint8), 0.7, 0)
    places = chance.uniform((0, 0), (WIDTH, HEIGHT), (110, 2))
    speeds = chance.normal(0, 1.1, (110, 2))
    clothes = np.clip(chance.integers(20, 220, (110, 1)) + chance.normal(0, 25, (110, 3)), 0, 255).tolist()
    for _ in range(SECONDS * RATE):
        places = (places + speeds) % (WIDTH, HEIGHT)
        image = ground.copy()
        for place in np.argsort(places[:, 1]):
            x, y = places[place].astype(int).tolist()
            size = 5 + y // 40
            cv2.ellipse(image, (x, y), (size, 2 * size), 0, 0, 360, clothes[place], -1)
            cv2.circle(image, (x, y - 2 * size), size // 2 + 2, (110, 140, 190), -1)
        yield to_picture(image)


def screen(chance: Chance) -> Iterator[Picture]:
    """Draw a screen recording: a page that is scrolled in jerks, an editor in which letters appear, a pointer."""
    page = np.full((3 * HEIGHT, WIDTH // 2, 3), 248, np.uint8)
    for line in range(3 * HEIGHT // 18):
        cv2.putText(page, text(chance, 34), (12, 18 * line + 14), FONT, 0.38, (50, 50, 50), 1, cv2.LINE_AA)
    typed, top, goal = [""], 0.0, 0.0
    for number in range(SECONDS * RATE):
        if number % 60 == 0:
            goal = float(chance.uniform(0, 2 * HEIGHT))
        top += np.clip(goal - top, -24, 24)
        image = np.full((HEIGHT, WIDTH, 3), (46, 40, 36), np.uint8)
        image[:, : WIDTH // 2] = page[int(top) : int(top) + HEIGHT]
        if number % 3 == 0:
            typed[-1] += str(chance.choice(list(_GLYPHS)))
            if len(typed[-1]) > 30:
                typed = [*typed[-15:], ""]
        for line, letters in enumerate(typed):
            cv2.putText(image, letters, (WIDTH // 2 + 10, 22 * line + 24), FONT, 0.45, (200, 220, 190), 1, cv2.LINE_AA)
        x, y = int(WIDTH * (0.5 + 0.3 * np.sin(number / 40))), int(HEIGHT * (0.5 + 0.3 * np.cos(number / 53)))
        cv2.fillPoly(image, [np.array([[x, y], [x + 9, y + 9], [x, y + 13]])], (0, 0, 0))
        yield image


def animation(chance: Chance) -> Iterator[Picture]:
    """Draw a cartoon: flat colours, hills that pass at three speeds, a figure that hops."""
    hues = [chance.integers(60, 230, 3).tolist() for _ in range(5)]
    ridges = [np.cumsum(chance.normal(0, 1.5, 3 * WIDTH)) for _ in range(3)]
    for number in range(SECONDS * RATE):
        image = np.full((HEIGHT, WIDTH, 3), hues[0], np.uint8)
        for depth, ridge in enumerate(ridges):
            left = int(number * (0.4 + depth)) % (2 * WIDTH)
            line = HEIGHT * (0.45 + 0.17 * depth) + ridge[left : left + WIDTH] - ridge[left : left + WIDTH].mean()
            outline = np.stack([np.arange(WIDTH), line], axis=1).astype(np.int32)
            cv2.fillPoly(image, [np.vstack([outline, [[WIDTH, HEIGHT], [0, HEIGHT]]])], hues[1 + depth])
        held = number // 2 * 2  # drawn films hold each picture for two frames
        x, y = WIDTH // 3, int(HEIGHT * 0.62 - 60 * abs(np.sin(held / 9)))
        cv2.circle(image, (x, y), 38, hues[4], -1)
        cv2.circle(image, (x + 12, y - 10), 7, (255, 255, 255), -1)
        yield to_picture(image)


def titles(chance: Chance) -> Iterator[Picture]:
    """Draw a dark title card: a few words in the middle, grain as of film."""
    card = np.full((HEIGHT, WIDTH, 3), chance.integers(6, 26, 3), np.uint8)
    for line in range(int(chance.integers(1, 4))):
        cv2.putText(card, text(chance, 18), (150, 150 + 40 * line), FONT, 0.9, (170, 175, 180), 2, cv2.LINE_AA)
    for _ in range(SECONDS * RATE):
        yield to_picture(card + chance.normal(0, 1.5, (HEIGHT, WIDTH, 1)))


KINDS: dict[str, Callable[[Chance], Iterator[Picture]]] = {
    "pan": pan,
    "strobe": strobe,
    "water": water,
    "crowd": crowd,
    "screen": screen,
    "animation": animation,
    "titles": titles,
}


def drawn(folder: Path, kind: str, seed: int) -> Path:
    """Return the clip of this kind and seed; draw it once."""
    path = folder / f"{kind}{seed}.mp4"
    if not path.exists():
        scratch = path.with_suffix(".part.mp4")
        with av.open(str(scratch), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for picture in KINDS[kind](np.random.default_rng([seed, *kind.encode()])):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            container.mux(stream.encode(None))
        scratch.replace(path)
    return path


def _scene(chance: Chance, width: int, height: int) -> Picture:
    """Something like a street: patches of all sizes, blurred noise between them."""
    coarse = chance.integers(50, 190, (9, 16, 1)) + chance.normal(0, 12, (9, 16, 3))
    image = cv2.resize(to_picture(coarse), (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(width * height // 4000):
        x, y = chance.integers((0, 0), (width, height)).tolist()
        size = chance.integers(6, 90, 2).tolist()
        colour = np.clip(chance.integers(20, 225) + chance.normal(0, 16, 3), 0, 255).tolist()
        cv2.rectangle(image, (x, y), (x + size[0], y + size[1]), colour, -1)
    grain = cv2.GaussianBlur(chance.normal(0, 22, (height, width, 1)).astype(np.float32), (0, 0), 1.2)
    return to_picture(image + 2 * grain.reshape(height, width, 1))


def text(chance: Chance, length: int) -> str:
    """Return letters that mean nothing."""
    return "".join(chance.choice(list(_GLYPHS), length))


def to_picture(values: object) -> Picture:
    """Return values as whole levels."""
    return np.clip(np.asarray(values), 0, 255).astype(np.uint8)
