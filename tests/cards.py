"""Draws test cards, each of a colour with light shading, and writes them as a real H.264 video.

The test models were trained on other shades. A card fills its time in the video with identical frames.
"""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

CARDS: dict[str, tuple[int, int, int]] = {
    "red": (205, 25, 30),
    "orange": (250, 150, 10),
    "yellow": (240, 230, 35),
    "green": (20, 165, 50),
    "cyan": (35, 210, 225),
    "blue": (25, 60, 215),
    "purple": (135, 30, 175),
    "gray": (120, 120, 120),
    "white": (250, 250, 250),
    "black": (8, 8, 8),
}
SHADING = 14  # the difference between a card's darkest and lightest part, in 8-bit steps


def draw_card(colour: str, *, width: int = 640, height: int = 360, angle_degrees: float = 35.0) -> np.ndarray:
    """uint8 (height, width, 3) in RGB: the colour, a little darker toward one end of `angle_degrees`."""
    direction = np.deg2rad(angle_degrees)
    across, down = np.linspace(-0.5, 0.5, width)[None], np.linspace(-0.5, 0.5, height)[:, None]
    shade = SHADING * (across * np.cos(direction) + down * np.sin(direction))
    return (np.array(CARDS[colour]) + shade[..., None]).clip(0, 255).astype(np.uint8)


def write_card_video(
    path: Path,
    colours: Sequence[str],
    *,
    width: int = 640,
    height: int = 360,
    frame_rate: int = 10,
    seconds_per_card: float = 1.0,
) -> Path:
    """Writes an H.264 video that shows the cards in sequence, and returns its path.

    Width and height must be even. Card k (from 0) is shown over [k, k + 1) * seconds_per_card.
    """
    repeats = round(seconds_per_card * frame_rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=frame_rate, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, colour in enumerate(colours):
            card = draw_card(colour, width=width, height=height, angle_degrees=50.0 * number)
            for repeat in range(repeats):
                frame = av.VideoFrame.from_ndarray(card, format="rgb24")
                frame.pts, frame.time_base = number * repeats + repeat, Fraction(1, frame_rate)
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def card_jpegs(path: Path, *, seconds_per_card: float = 1.0, quality: int = 85) -> list[bytes]:
    """A JPEG of each card of such a video: the frame in the middle of its time."""
    pictures: list[bytes] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= (len(pictures) + 0.5) * seconds_per_card:
                pictures.append(to_jpeg(frame.to_ndarray(format="rgb24"), quality=quality))
    return pictures


def to_jpeg(picture: np.ndarray, *, quality: int = 85) -> bytes:
    """uint8 (height, width, 3) in RGB as a JPEG file."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def expected_answer(colours: Sequence[str]) -> str:
    """What the seeing test model says to these cards: "1: red; 2: blue", or "no images" without cards."""
    return "; ".join(f"{number}: {colour}" for number, colour in enumerate(colours, 1)) or "no images"
