"""`python -m benchmarks.keyframes.screens OUT SEED [KIND …]`: screen recordings drawn here, with known pages.

OUT gets a video of each kind and a truth.json: `events` are the pages, each from its last change of content on, and
`boundaries` the times from the first change of a page to the last. In all of them a pointer wanders; a text cursor
blinks, a clock ticks, a bar fills or a presenter moves, and none of that is a page.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

_SIZE, _RATE, _PAGES = (1280, 720), 12, 20
_FONTS = "/usr/share/fonts/truetype/dejavu/DejaVuSans{}.ttf"
_WORDS = (
    *("index", "buffer", "token", "market", "lens", "queue", "frame", "river", "engine", "valve", "report", "signal"),
    *("paper", "module", "garden", "window", "battery", "turbine", "filter", "station", "permit", "protein", "crystal"),
    *("ladder", "compass", "granite", "thunder", "mirror", "canyon", "socket", "parser", "thread"),
)
_POINTER = ((0, 0), (0, 20), (14, 14))
Picture = Image.Image
State = Literal["part", "whole", "same"]
"""Of a page that changes, that its last change has made whole, or of which nothing changes."""
Scene = Iterator[tuple[Picture, float, State]]
"""Pictures, the seconds that each stays, and the state of the page."""


def _font(size: int, face: str = "") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS.format(face), size)


class Screen:
    """A picture to draw on, and the chance of one video."""

    def __init__(self, chance: random.Random, ground: tuple[int, int, int]) -> None:
        self.chance, self.ground = chance, ground
        self.clear()

    def clear(self) -> None:
        """Begin an empty picture."""
        self.picture = Image.new("RGB", _SIZE, self.ground)
        self.draw = ImageDraw.Draw(self.picture)

    def line(self, fewest: int, most: int) -> str:
        """Return some words."""
        return " ".join(self.chance.choice(_WORDS) for _ in range(self.chance.randint(fewest, most)))

    def write(self, place: tuple[int, int], text: str, size: int, colour: str = "#222", face: str = "") -> None:
        """Write a line."""
        self.draw.text(place, text, font=_font(size, face), fill=colour)

    def hold(self) -> float:
        """Return how long a page stays."""
        return self.chance.uniform(4, 14)


def _slide(screen: Screen, number: int) -> None:
    screen.clear()
    screen.draw.rectangle((0, 0, 1280, 84), fill="#243")
    screen.write((40, 20), f"{number}. {screen.line(2, 3).title()}", 38, "white")
    for row in range(screen.chance.randint(2, 6)):
        screen.write((80, 140 + 84 * row), f"•  {screen.line(3, 5)}", 28)
    screen.write((1150, 690), f"{number} / 40", 18, "#777")


def slides(screen: Screen) -> Scene:
    """Slides of one template below which a player's bar fills."""
    for number in range(1, _PAGES + 1):
        _slide(screen, number)
        seconds = screen.hold()
        for step in range(math.ceil(seconds)):
            screen.draw.rectangle((0, 712, 1280 * (number - 1 + step / seconds) / _PAGES, 719), fill="#c33")
            yield screen.picture, min(1.0, seconds - step), "same" if step else "whole"


def builds(screen: Screen) -> Scene:
    """Slides whose lines appear one after the other, after a short blend of two slides."""
    for number in range(1, _PAGES // 4 + 1):
        before = screen.picture.copy()
        screen.clear()
        screen.write((60, 40), f"{number}. {screen.line(2, 3).title()}", 44)
        for share in (0.25, 0.5, 0.75) if number > 1 else ():
            yield Image.blend(before, screen.picture, share), 1 / _RATE, "part"
        yield screen.picture, screen.hold(), "whole"
        for row in range(3):
            screen.write((100, 160 + 120 * row), f"–  {screen.line(3, 6)}", 32)
            yield screen.picture, screen.hold(), "whole"


def code(screen: Screen) -> Scene:
    """An editor in which somebody types some lines, pauses, and opens other files; the text cursor blinks."""
    row = 99
    for _ in range(_PAGES):
        if row > 18:
            screen.clear()
            screen.draw.rectangle((0, 0, 240, 720), fill="#282c34")
            for line in range(14):
                screen.write((16, 20 + 28 * line), f"{screen.chance.choice(_WORDS)}.py", 16, "#999", "Mono")
            row = screen.chance.randint(2, 9)
            for line in range(row):
                screen.write((260, 14 + 26 * line), f"{line + 1:3d}  {screen.line(1, 5)}", 17, "#ccc", "Mono")
        else:
            for line in range(row, row + screen.chance.randint(2, 4)):
                text = f"{line + 1:3d}  " + "    " * screen.chance.randint(0, 2) + screen.line(2, 5)
                for length in range(6, len(text), 2):
                    screen.write((260, 14 + 26 * line), text[:length], 17, "#8bd", "Mono")
                    yield screen.picture, 2 / _RATE, "part"
                screen.write((260, 14 + 26 * line), text, 17, "#8bd", "Mono")
            row = line + 1
        yield from _blinking(screen, (300, 14 + 26 * row, 302, 34 + 26 * row))


def _blinking(screen: Screen, box: tuple[int, int, int, int]) -> Scene:
    for blink in range(round(screen.hold() * 2)):
        screen.draw.rectangle(box, fill="#eee" if blink % 2 else screen.ground)
        yield screen.picture, 0.5, "same" if blink else "whole"


def terminal(screen: Screen) -> Scene:
    """A terminal that scrolls by the lines of one command after the other, and a bar of progress in its last line."""
    rows: list[str] = []
    for _ in range(_PAGES):
        rows += [f"$ {screen.line(1, 3)}", *(screen.line(2, 9) for _ in range(screen.chance.randint(3, 16)))]
        seconds = screen.hold()
        for step in range(math.ceil(seconds * 2)):
            screen.clear()
            for line, row in enumerate(rows[-26:]):
                screen.write((12, 10 + 25 * line), row, 17, "#ccc", "Mono")
            screen.draw.rectangle((12, 680, 12 + 600 * step / seconds / 2, 690), fill="#5a5")
            yield screen.picture, min(0.5, seconds - step / 2), "same" if step else "whole"


def whiteboard(screen: Screen) -> Scene:
    """Drawings and words that a hand draws stroke by stroke; a full board is wiped."""
    for number in range(_PAGES):
        spot = number % 6
        if not spot:
            screen.clear()
        left, top = 60 + 410 * (spot % 3), 60 + 330 * (spot // 3)
        for _ in range(screen.chance.randint(2, 4)):
            x, y = left + screen.chance.randint(40, 300), top + screen.chance.randint(40, 220)
            for _ in range(screen.chance.randint(8, 20)):
                to = (x + screen.chance.randint(-40, 40), y + screen.chance.randint(-40, 40))
                to = min(max(to[0], left), left + 340), min(max(to[1], top), top + 260)
                screen.draw.line((x, y, *to), fill="#124", width=4)
                (x, y) = to
                yield screen.picture, 1 / _RATE, "part"
        screen.write((left, top), screen.line(1, 2), 26, "#a22")
        yield screen.picture, screen.hold(), "whole"


def sheet(screen: Screen) -> Scene:
    """A spreadsheet whose rows are filled in cell by cell, and whose sheets change; a clock ticks."""
    seconds, row = 0.0, 0
    for number in range(_PAGES):
        if not number % 5:
            screen.clear()
            row = 3
            for line in range(24):
                screen.draw.line((0, 40 + 28 * line, 1280, 40 + 28 * line), fill="#ccc")
                screen.draw.line((90 * line, 40, 90 * line, 690), fill="#ccc")
            screen.write((20, 690), f"{screen.line(1, 1)}   {screen.line(1, 1)}", 18)
            for line in range(row):
                for column in range(12):
                    screen.write((6 + 90 * column, 44 + 28 * line), screen.line(1, 1), 16)
        else:
            row += 1
            for column in range(screen.chance.randint(6, 13)):
                screen.write((6 + 90 * column, 44 + 28 * row), f"{screen.chance.uniform(1, 9999):.2f}", 16)
                yield screen.picture, 0.33, "part"
        for step in range(round(screen.hold())):
            seconds += 1
            screen.draw.rectangle((1180, 8, 1270, 30), fill="white")
            screen.write((1180, 8), f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}", 18)
            yield screen.picture, 1.0, "same" if step else "whole"


def chat(screen: Screen) -> Scene:
    """A chat whose messages push the others up."""
    messages: list[tuple[str, bool]] = [(screen.line(2, 7), bool(screen.chance.randint(0, 1))) for _ in range(9)]
    for _ in range(_PAGES):
        messages.append((screen.line(2, 9), bool(screen.chance.randint(0, 1))))
        screen.clear()
        screen.draw.rectangle((0, 0, 300, 720), fill="#e8ecef")
        for place in range(8):
            screen.write((30, 30 + 80 * place), _WORDS[3 * place].title(), 22)
        for place, (text, is_own) in enumerate(messages[-9:]):
            top, left = 10 + 76 * place, 640 if is_own else 330
            screen.draw.rounded_rectangle((left, top, left + 610, top + 62), 14, fill="#d9fdd3" if is_own else "#eee")
            screen.write((left + 16, top + 18), text[:40], 22)
        yield screen.picture, screen.hold(), "whole"


def web(screen: Screen) -> Scene:
    """A long page that is scrolled smoothly, by half a window or more."""
    tall = Image.new("RGB", (1280, 720 * (_PAGES + 1)), "white")
    draw = ImageDraw.Draw(tall)
    for row in range(20, tall.height - 40, 36):
        if screen.chance.random() < 0.06:
            draw.rectangle((200, row, 1080, row + 30), fill=tuple(screen.chance.randint(60, 230) for _ in range(3)))
        elif screen.chance.random() < 0.85:
            draw.text((200, row), screen.line(5, 11), font=_font(22), fill="#222")
    top = 0.0
    for number in range(_PAGES):
        step, num = screen.chance.uniform(300, 680) if number else 0.0, screen.chance.randint(5, 12)
        for part in range(1, num if number else 0):
            between = round(top + step * part / num)
            yield tall.crop((0, between, 1280, between + 720)), 1 / _RATE, "part"
        top += step
        yield tall.crop((0, round(top), 1280, round(top) + 720)), screen.hold(), "whole"


def lecture(screen: Screen) -> Scene:
    """Slides beside a presenter in a corner, who always moves."""
    noise = np.random.default_rng(screen.chance.randint(0, 999))
    room = Image.fromarray(noise.integers(90, 150, (22, 32, 3), np.uint8)).resize((320, 220))
    now = 0
    for number in range(1, _PAGES + 1):
        _slide(screen, number)
        for step in range(round(screen.hold() * _RATE)):
            now += 1
            person = room.copy()
            draw, x = ImageDraw.Draw(person), 160 + 40 * math.sin(now / 17) + 9 * math.sin(now / 3)
            draw.ellipse((x - 36, 40 + 8 * math.sin(now / 5), x + 36, 130), fill="#c96")
            draw.rectangle((x - 70, 128, x + 70, 220), fill="#356")
            screen.picture.paste(person, (950, 490))
            yield screen.picture, 1 / _RATE, "same" if step else "whole"


KINDS: dict[str, tuple[Callable[[Screen], Scene], tuple[int, int, int]]] = {
    "slides": (slides, (250, 250, 247)),
    "builds": (builds, (255, 255, 255)),
    "code": (code, (30, 31, 34)),
    "terminal": (terminal, (12, 12, 12)),
    "whiteboard": (whiteboard, (252, 252, 252)),
    "sheet": (sheet, (255, 255, 255)),
    "chat": (chat, (250, 248, 240)),
    "web": (web, (255, 255, 255)),
    "lecture": (lecture, (250, 250, 247)),
}


class _Recorder:
    """Encodes a scene with a pointer that wanders now and then, and notes its pages."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.pages: list[tuple[float, float]] = []
        self._chance = chance
        self._container = av.open(str(path), "w")
        stream = self._container.add_stream("libx264", rate=_RATE, options={"preset": "veryfast", "crf": "23"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        self._stream, self._index = stream, 0
        self._at, self._goal = (600.0, 400.0), (600.0, 400.0)

    def record(self, scene: Scene) -> float:
        """Encode all pictures and return the seconds that they take."""
        shown, changed = 0.0, -1.0
        for picture, seconds, state in scene:
            if state != "same" and changed < 0:
                changed = shown
            if state == "whole":
                self.pages.append((changed, shown))
                changed = -1.0
            shown += seconds
            while self._index / _RATE < shown - 1e-6:
                self._encode(picture)
            shown = self._index / _RATE
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return shown

    def _encode(self, picture: Picture) -> None:
        if self._index % 30 == 0:
            self._goal = self._chance.uniform(60, 1200), self._chance.uniform(60, 660)
        (x, y), (to_x, to_y) = self._at, self._goal
        if self._index % 30 < 14:
            x, y = self._at = x + (to_x - x) / 5, y + (to_y - y) / 5
        shown = picture.copy()
        ImageDraw.Draw(shown).polygon([(x + a, y + b) for a, b in _POINTER], "black", "white")
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(np.asarray(shown), format="rgb24")))
        self._index += 1


def main(arguments: Sequence[str]) -> int:
    """Draw the videos and write their truth."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyframes.screens", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all if none is named")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    videos = {}
    for kind in given.kinds or KINDS:
        draw, ground = KINDS[kind]
        chance = random.Random(f"{given.seed}/{kind}")
        recorder = _Recorder(given.out / f"{kind}.mp4", chance)
        seconds = recorder.record(draw(Screen(chance, ground)))
        videos[f"{kind}.mp4"] = _truth(kind, recorder.pages, seconds)
        (given.out / "truth.json").write_text(json.dumps({"fps": _RATE, "videos": videos}, indent=1), "utf-8")
        print(f"{kind}: {len(recorder.pages)} pages in {seconds:.0f} s", flush=True)
    return 0


def _truth(kind: str, pages: Sequence[tuple[float, float]], seconds: float) -> dict[str, object]:
    ends = [*(changed for changed, _ in pages[1:]), seconds]
    events = [
        {"id": i, "type": kind, "t0": t0, "t1": end} for i, ((_, t0), end) in enumerate(zip(pages, ends, strict=True))
    ]
    boundaries = [{"t0": changed, "t1": whole, "type": "page"} for changed, whole in pages[1:]]
    return {"kind": "events", "duration": seconds, "events": events, "boundaries": boundaries}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
