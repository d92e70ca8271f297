"""Reading the text on drawn pictures beside RapidOCR as it comes, and a report of slides without a model."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.row import Row, paired
from framelens.video.features.text_reader import TextReader

ROUNDS = 3
_SLIDES, _SECONDS_EACH, _RATE = 24, 12.5, 25
_SANS = str(Path(__file__).resolve().parents[1] / "framelens" / "fonts" / "FrameLensSans-Regular.otf")
_MONO = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
_ENGLISH = (  # noqa: SIM905 - a list of words is longer
    "index buffer token market lens queue frame river engine valve report signal paper module garden window battery "
    "turbine filter station permit protein crystal ladder compass granite thunder mirror canyon socket 1,240 3.75"
).split()
_CHINESE = "系统的主要功能包括视频分析与文字识别模型在本机运行用户可以随时查看报告和时间轴第三章介绍了细胞膜的结构"
_CODE = ("def {}({}, {}=0):", "return {}[{}] + {}", "for {} in range(len({})): {}", "self.{} = {} or {}", "# {} {} {}")
Box = tuple[float, float, float, float]
Lines = list[tuple[str, Box]]
"""Texts and their boxes (left, top, right, bottom; pixels)."""
Reader = Callable[[bytes], Lines]


class Page:
    """A drawn page with the lines that are on it."""

    def __init__(self, ground: str, scale: float = 1) -> None:
        self.scale = scale
        self.picture = Image.new("RGB", (round(1280 * scale), round(720 * scale)), ground)
        self.draw = ImageDraw.Draw(self.picture)
        self.lines: Lines = []

    def write(self, left: int, top: int, text: str, size: int, ink: str, font: str = _SANS) -> None:
        letters = ImageFont.truetype(font, round(size * self.scale))
        place = left * self.scale, top * self.scale
        self.draw.text(place, text, font=letters, fill=ink)
        left_edge, top_edge, right, bottom = (edge / self.scale for edge in self.draw.textbbox(place, text, letters))
        self.lines.append((text, (left_edge, top_edge, right, bottom)))

    @property
    def jpeg(self) -> bytes:
        """The page as a keyframe: at most 1280 pixels."""
        image = cv2.resize(np.array(self.picture)[..., ::-1], (1280, 720), interpolation=cv2.INTER_AREA)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _words(chance: random.Random, number: int) -> str:
    return " ".join(chance.choice(_ENGLISH) for _ in range(number))


def _phrase(chance: random.Random, number: int) -> str:
    first = chance.randrange(len(_CHINESE) - number)
    return _CHINESE[first : first + number]


def slide(chance: random.Random, scale: float = 1, *, is_chinese: bool = False) -> Page:
    """A slide of six lines."""
    page = Page("#fafaf7", scale)
    page.write(40, 20, _phrase(chance, 10) if is_chinese else _words(chance, 3).title(), 40, "#203a62")
    for row in range(4):
        page.write(80, 150 + 80 * row, _phrase(chance, 22) if is_chinese else _words(chance, 6), 30, "#1e1e1e")
    page.write(1130, 680, f"{chance.randint(1, 40)} / 40", 20, "#787878")
    return page


def code(chance: random.Random) -> Page:
    """A dark editor with 26 lines."""
    page = Page("#1e1f22")
    for row in range(26):
        page.write(60, 14 + 26 * row, f"{row + 10}", 17, "#8a8a8a", _MONO)
        text = chance.choice(_CODE).format(*(chance.choice(_ENGLISH[:30]) for _ in range(3)))
        page.write(
            120 + 40 * chance.randint(0, 3), 14 + 26 * row, text, 17, chance.choice(("#c8c8c8", "#78aadc")), _MONO
        )
    return page


def terminal(chance: random.Random) -> Page:
    """A terminal with 28 lines."""
    page = Page("#0c0c0c")
    for row in range(28):
        page.write(
            12, 10 + 25 * row, "$ " * (row % 5 == 0) + _words(chance, chance.randint(2, 9)), 17, "#cdcdcd", _MONO
        )
    return page


def scene(chance: random.Random) -> bytes:
    """A picture without text: soft areas, edges and grain."""
    noise = np.random.default_rng(chance.randrange(99))
    coarse = noise.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    image[300:500, 200:600] //= 2
    grain = noise.integers(-12, 13, image.shape)
    return cv2.imencode(".jpg", (image + grain).clip(0, 255).astype(np.uint8))[1].tobytes()


def _decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _ours() -> Reader:
    reader = TextReader()

    def read(jpeg: bytes) -> Lines:
        reader._remembered.clear()  # each picture as if it were the first
        texts = reader(_decoded(jpeg))
        scale = np.array([1280, 720, 1280, 720])
        return [(line.text, tuple((np.array(line.box) * scale).tolist())) for line in texts]

    return read


def _rapidocr() -> Reader:
    from rapidocr import RapidOCR

    engine: Callable[..., Any] = RapidOCR(params={"Global.log_level": "critical"})

    def read(jpeg: bytes) -> Lines:
        found = engine(_decoded(jpeg))
        boxes = () if found.boxes is None else found.boxes
        return [
            (text, (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()))
            for text, corners in zip(found.txts or (), boxes, strict=True)
        ]

    return read


def share_right(expected: Lines, read: Lines) -> float:
    """Return the share of the characters that were read in their order, without spaces."""
    right = total = 0
    for text, (left, top, right_edge, bottom) in expected:
        inside = sorted(
            (box[0], part)
            for part, box in read
            if top <= (box[1] + box[3]) / 2 <= bottom and left - 40 <= (box[0] + box[2]) / 2 <= right_edge + 40
        )
        wanted, got = "".join(text.split()), "".join("".join(part for _, part in inside).split())
        total += len(wanted)
        right += sum(block.size for block in SequenceMatcher(None, wanted, got, autojunk=False).get_matching_blocks())
    return right / total


def run(folder: Path) -> Iterator[Row]:
    """Yield seconds a picture, characters right, and the time of a report of slides."""
    chance = random.Random(62)
    ours, theirs = _ours(), _rapidocr()
    kinds: dict[str, tuple[float | None, Sequence[Page]]] = {
        "English slide, 720p": (0.5, [slide(chance) for _ in range(4)]),
        "Chinese slide, 1080p": (0.5, [slide(chance, 1.5, is_chinese=True) for _ in range(4)]),
        "code": (None, [code(chance) for _ in range(2)]),
        "terminal": (None, [terminal(chance) for _ in range(2)]),
    }
    yield from _times("picture without text", 0.15, [scene(chance) for _ in range(4)], ours, theirs)
    for name, (bound, pages) in kinds.items():
        yield from _times(name, bound, [page.jpeg for page in pages], ours, theirs)
        mine, other = (
            median(share_right(page.lines, reader(page.jpeg)) for page in pages) for reader in (ours, theirs)
        )
        yield Row(f"{name}: characters wrong", 100 * (1 - mine), "%", 100 * (1 - other) + 0.2, "RapidOCR's + 0.2")
    yield _report(folder, chance)


def _times(name: str, bound: float | None, jpegs: Sequence[bytes], ours: Reader, theirs: Reader) -> Iterator[Row]:
    def busy(reader: Reader) -> float:
        started = time.process_time()
        for jpeg in jpegs:
            reader(jpeg)
        return (time.process_time() - started) / len(jpegs)

    processor = busy(ours), busy(theirs)
    mine, other, ratio = paired(
        lambda: [ours(jpeg) for jpeg in jpegs], lambda: [theirs(jpeg) for jpeg in jpegs], rounds=ROUNDS
    )
    note = f"processor {processor[0]:.2f} s; RapidOCR {other / len(jpegs):.2f} s, processor {processor[1]:.2f} s"
    yield Row(f"{name}: a picture", mine / len(jpegs), "s", bound, note)
    yield Row(f"{name}: / RapidOCR as it comes", ratio, "x")


def _report(folder: Path, chance: random.Random) -> Row:
    video = folder / "slides.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for _ in range(_SLIDES):
            image = np.array(slide(chance).picture)
            for _ in range(round(_SECONDS_EACH * _RATE)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))

    def framelens(*arguments: str) -> None:
        command = [sys.executable, "-m", "framelens", *arguments]
        environment = {"FRAMELENS_DATA_DIR": str(folder / "data"), "PATH": "/usr/bin:/bin"}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder / "data", ignore_errors=True)  # nothing is known from the last round

    mine, other, ratio = paired(
        lambda: framelens("analyse", str(video), "--no-model", "--overwrite", "--output", str(folder / "report.html")),
        lambda: framelens("keyframes", str(video)),
        rounds=ROUNDS,
    )
    note = f"{mine:.1f} s / {other:.1f} s"
    return Row("five minutes of slides: analyse --no-model / keyframes", ratio, "x", 2.5, note)
