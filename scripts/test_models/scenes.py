"""Draw what may be in a picture beside a card: fields of noise, heaps of shapes, landscapes; never one flat colour.

A model that must say whether there is a card needs pictures without cards. They have the statistics of photographs,
large and small things of one palette, and are made from random numbers alone, so that any real footage is new to the
model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_FLATTEST = 0.22
"""Most of a scene that may be of one saturated colour: a card takes a fifth or more."""
_SATURATED = 90  # steps between a pixel's greatest and least channel: a card's shades have 150 or more
_NEAR = 40  # steps of one colour in each channel; a card's own shading takes 36 at most


def draw(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Draw a scene, and draw again while an eye would find a plain coloured area in it."""
    while True:
        kind = SCENES[int(rng.choice(len(SCENES), p=(0.3, 0.45, 0.25)))]
        pixels = kind(rng, height, width)
        if rng.random() < 0.35:  # two scenes, blended
            other = SCENES[int(rng.integers(len(SCENES)))](rng, height, width)
            share = rng.uniform(0.2, 0.8)
            pixels = share * pixels + (1 - share) * other
        if rng.random() < 0.5:
            pixels = pixels + rng.normal(0, rng.uniform(2, 14), pixels.shape)
        pixels = pixels.clip(0, 255).astype(np.uint8)
        if not _has_plain_area(pixels):
            return Image.fromarray(pixels)


def _has_plain_area(pixels: np.ndarray) -> bool:
    small = pixels[::3, ::3].reshape(-1, 3).astype(np.int16)
    saturated = small[np.ptp(small, axis=1) > _SATURATED]
    if len(saturated) < _FLATTEST * len(small):
        return False
    some = saturated[:: max(1, len(saturated) // 16)]
    return any((abs(saturated - one).max(axis=1) < _NEAR).sum() > _FLATTEST * len(small) for one in some)


def _palette(rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Return a source of colours: any colours, muted colours, or colours around one tint."""
    tint = rng.uniform(0, 255, 3)
    kind, spread, muted = rng.random(), rng.uniform(15, 60), rng.uniform(0.1, 0.6)

    def colour() -> np.ndarray:
        one = rng.uniform(0, 255, 3)
        if kind < 0.45:
            return one.mean() + muted * (one - one.mean()) + rng.normal(0, 8, 3)
        if kind < 0.8:
            return tint * rng.uniform(0.2, 1.3) + rng.normal(0, spread, 3)
        return one

    return colour


def _field(rng: np.random.Generator, height: int, width: int, slope: float) -> np.ndarray:
    """Return noise whose amplitude falls as frequency to the power of `slope`, with mean 0 and deviation 1."""
    across, down = np.fft.rfftfreq(width), np.fft.fftfreq(height)
    frequency = np.hypot(down[:, None] * height, across[None] * width)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / frequency**slope
    field = np.fft.irfft2(spectrum, (height, width))
    return field / (field.std() + 1e-9)


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw clouds of noise that share most of their light over the channels."""
    slope = rng.uniform(0.8, 2.2)
    light = _field(rng, height, width, slope)[..., None] * rng.uniform(20, 70)
    tints = np.stack([_field(rng, height, width, slope) for _ in range(3)], axis=-1) * rng.uniform(2, 35)
    return _palette(rng)() * 0.8 + 30 + light + tints


def _shapes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a heap of shapes, many small and few large, under one uneven light."""
    colour = _palette(rng)
    pixels = colour() + _field(rng, height, width, 1.5)[..., None] * rng.uniform(4, 40)
    light = _field(rng, height, width, rng.uniform(0.8, 1.8))[..., None] * rng.uniform(4, 40)
    mask = Image.new("I", (width, height))
    pen, colours = ImageDraw.Draw(mask), [np.zeros(3)]
    for _ in range(int(rng.integers(8, 90))):
        colours.append(colour())
        size = min(0.7, 0.05 * rng.pareto(1.3) + 0.04) * np.array([width, height]) * rng.uniform(0.5, 1.6, 2)
        left, top = rng.uniform(-0.1, 1, 2) * np.array([width, height])
        box, number = (left, top, left + size[0], top + size[1]), len(colours) - 1
        form = rng.random()
        if form < 0.4:
            pen.ellipse(box, fill=number)
        elif form < 0.7:
            pen.rectangle(box, fill=number)
        else:
            corners = rng.uniform(-0.5, 0.5, (int(rng.integers(3, 6)), 2)) * size + (left, top)
            pen.polygon([tuple(corner) for corner in corners], fill=number)
    numbers = np.asarray(mask)
    heap = np.stack(colours)[numbers] + light
    return np.where(numbers[..., None] > 0, heap, pixels)


def _landscape(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a plain or clouded upper part, as a sky or a wall, over a rough lower part, with some shapes in front."""
    upper = rng.uniform(0.15, 0.75)
    pale = 255 - rng.uniform(0, 150) * rng.uniform(0.1, 1, 3)
    slope = np.linspace(0, 1, height)[:, None, None] * rng.uniform(-60, 60, 3)
    sky = pale + slope + _field(rng, height, width, 2)[..., None] * rng.uniform(0, 12)
    ground = _noise(rng, height, width) if rng.random() < 0.5 else _shapes(rng, height, width)
    edge = upper * height + _field(rng, 1, width, 1.2)[0] * rng.uniform(0, 0.12) * height
    below = np.arange(height)[:, None] > edge[None]
    if rng.random() < 0.3:
        below = below[::-1]
    scene = np.where(below[..., None], ground, sky)
    if rng.random() < 0.6:
        image = Image.fromarray(scene.clip(0, 255).astype(np.uint8))
        pen, colour = ImageDraw.Draw(image), _palette(rng)
        for _ in range(int(rng.integers(1, 7))):
            size = rng.uniform(0.03, 0.35, 2) * (width, height)
            left, top = rng.uniform(0, 0.9, 2) * (width, height)
            fill = tuple(int(value) for value in colour().clip(0, 255))
            (pen.ellipse if rng.random() < 0.6 else pen.rectangle)(
                (left, top, left + size[0], top + size[1]), fill=fill
            )
        scene = np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))).astype(float)
    return scene


SCENES = (_noise, _shapes, _landscape)
