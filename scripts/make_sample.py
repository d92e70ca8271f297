"""Draw the bundled sample video: five short shots with a title, a landscape, a ball, a notice board and a counter.

From nothing but this file and a font with Chinese characters to framelens/samples/sample.mp4 (20 s, 640x360, H.264),
the same pictures every time. It is run by hand when the sample is to change; the result is kept in the repository.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

SIZE = (640, 360)
RATE = 25
SHOT_FRAMES = 4 * RATE
FONTS = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Path("/System/Library/Fonts/PingFang.ttc"),
    Path("C:/Windows/Fonts/msyh.ttc"),
)
TARGET = Path(__file__).resolve().parents[1] / "framelens" / "samples" / "sample.mp4"

Write = Callable[[ImageDraw.ImageDraw, tuple[float, float], str, int, str], None]
Scene = Callable[[float, Write], Image.Image]


def writer(font_path: Path) -> Write:
    """Return a function that writes centred text: (draw, middle, text, size in pixels, colour)."""

    def write(draw: ImageDraw.ImageDraw, middle: tuple[float, float], text: str, size: int, colour: str) -> None:
        draw.text(middle, text, fill=colour, font=ImageFont.truetype(font_path, size), anchor="mm")

    return write


def shaded(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    """Draw a gradient from the colour `top` to `bottom`."""
    column = Image.new("RGB", (1, SIZE[1]))
    for y in range(SIZE[1]):
        part = y / (SIZE[1] - 1)
        column.putpixel((0, y), tuple(round(a + (b - a) * part) for a, b in zip(top, bottom, strict=True)))
    return column.resize(SIZE)


def title(part: float, write: Write) -> Image.Image:
    image = shaded((24, 32, 74), (58, 28, 92))
    draw = ImageDraw.Draw(image)
    write(draw, (320, 130), "FrameLens sample video", 44, "white")
    write(draw, (320, 205), "示例视频：五个镜头", 40, "#ffd479")
    draw.rounded_rectangle((120, 270, 120 + 400 * part, 282), 6, fill="#6fd3ff")
    return image


def landscape(part: float, write: Write) -> Image.Image:
    """Draw the sun rising over two rows of hills."""
    light = part
    image = shaded(
        (int(40 + 70 * light), int(70 + 100 * light), int(130 + 105 * light)), (255, int(150 + 70 * light), 110)
    )
    draw = ImageDraw.Draw(image)
    height = 300 - 220 * part
    draw.ellipse((400, height - 42, 484, height + 42), fill="#ffe27a")
    for base, swing, colour in ((230, 34, "#3f7d4f"), (285, 24, "#2a5a38")):
        edge = [(x, base + swing * math.sin(x / 70 + base)) for x in range(0, 641, 8)]
        draw.polygon([(0, 360), *edge, (640, 360)], fill=colour)
    return image


def ball(part: float, write: Write) -> Image.Image:
    """Draw a red ball bouncing from left to right over a tiled floor."""
    image = Image.new("RGB", SIZE, "#f1ede2")
    draw = ImageDraw.Draw(image)
    for column in range(16):
        for row in range(3):
            draw.rectangle(
                (column * 40, 260 + row * 34, column * 40 + 40, 294 + row * 34),
                fill="#8c6a4f" if (column + row) % 2 else "#c9a27e",
            )
    left = 40 + 500 * part
    top = 190 - 130 * abs(math.sin(part * math.pi * 3))
    draw.ellipse((left + 4, 258, left + 66, 272), fill="#6d5440")
    draw.ellipse((left, top, left + 70, top + 70), fill="#d22f2f")
    return image


def board(part: float, write: Write) -> Image.Image:
    image = Image.new("RGB", SIZE, "#2f6b46")
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((60, 40, 580, 320), 14, fill="#fffdf5", outline="#c8b98a", width=6)
    write(draw, (320, 95), "Opening hours  开放时间", 34, "#222222")
    lines = ("Monday - Friday   9:00 - 18:00", "星期六   10:00 - 16:00", "Sunday closed   星期日休息")
    for number, line in enumerate(lines[: 1 + int(part * 2.999)]):
        write(draw, (320, 160 + 52 * number), line, 28, "#3a3a3a")
    return image


def counter(part: float, write: Write) -> Image.Image:
    """Draw the numbers 1 to 4, a second each, above a bar that fills."""
    number = int(part * 4)
    image = Image.new("RGB", SIZE, "#1f4f7a")
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 30, 440, 270), fill="#f2f5f8")
    write(draw, (320, 145), str(number + 1), 130, "#1f4f7a")
    draw.rectangle((120, 305, 120 + 400 * (part * 4 - number), 325), fill="#ffb347")
    return image


SCENES: tuple[Scene, ...] = (title, landscape, ball, board, counter)


def make(target: Path, font_path: Path) -> None:
    write = writer(font_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(target), "w", options={"movflags": "faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"crf": "23", "preset": "slow", "threads": "1"}
        for scene in SCENES:
            for step in range(SHOT_FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_image(scene(step / SHOT_FRAMES, write))))
        container.mux(stream.encode(None))


def main() -> int:
    """Make the sample and return the exit code."""
    parser = argparse.ArgumentParser(description="Draw the bundled sample video.")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--font", type=Path, help="a font with Latin and Chinese characters")
    given = parser.parse_args()
    font_path = given.font or next((path for path in FONTS if path.exists()), None)
    if font_path is None or not font_path.exists():
        print("No font with Chinese characters was found. Install Noto Sans CJK (Debian: fonts-noto-cjk), or name one "
              "with --font.", file=sys.stderr)  # fmt: skip
        return 1
    make(given.out, font_path)
    print(f"{given.out}: {given.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
