"""Footage of the gallery's reports without a model: a lecture with subtitles, a film and a fixed camera, all drawn.

`make_gallery.py` draws them for its reports; the videos themselves are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from make_sample import SCENES, shaded, writer
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parents[1] / "framelens" / "fonts"
_PAGE = (960, 540)
_PAGE_SECONDS, _PAGE_RATE = 8, 10
_FILM_RATE = 25
_CAMERA_RATE, _CAMERA_SECONDS = 10, 80

Page = tuple[str, tuple[str, ...]]
_LECTURE: Mapping[str, tuple[Sequence[Page], Sequence[str], str]] = {
    "en": (
        (
            ("How video is compressed", ("Lecture 3", "Codecs and containers")),
            (
                "Why compress",
                ("1080p at 25 frames a second: 78 MB a second", "A film of two hours: 560 GB", "A disc: 25 GB"),
            ),
            (
                "Three kinds of frames",
                ("I: a whole picture", "P: what has changed", "B: between two frames"),
            ),
            (
                "Groups of pictures",
                ("A group begins with an I-frame", "Seeking goes to its start", "Longer: smaller"),
            ),
            ("Motion", ("Blocks of the picture move", "Their vectors are stored", "What is left is coded")),
            (
                "Three kinds of frames",
                ("I: a whole picture", "P: what has changed", "B: between two frames"),
            ),
            ("Questions", ("Which frame can be decoded alone?", "Why does seeking take time?")),
        ),
        (
            "Welcome to the third lecture. Today we compress a video.",
            "Without compression, two hours of film would need more than twenty discs.",
            "Only the I-frame needs no other. The rest need their neighbours.",
            "A player that seeks starts at the beginning of the group.",
            "A ball that rolls costs a vector, and little else.",
            "Back to the three kinds: which of them needs most bytes?",
            "Think about both questions until next week.",
        ),
        "Codecs · page {page} of {pages}",
    ),
    "zh": (
        (
            ("视频是怎样压缩的", ("第三讲", "编码与封装")),
            ("为什么要压缩", ("1080p，每秒 25 帧：每秒 78 MB", "两小时的电影：560 GB", "一张光盘：25 GB")),
            ("三种帧", ("I 帧：完整的画面", "P 帧：发生的变化", "B 帧：介于两帧之间")),
            ("画面组", ("每组以 I 帧开头", "跳转时先回到组的开头", "组越长，文件越小")),
            ("运动", ("画面分块移动", "保存移动的向量", "其余部分再编码")),
            ("三种帧", ("I 帧：完整的画面", "P 帧：发生的变化", "B 帧：介于两帧之间")),
            ("思考题", ("哪一种帧可以单独解码？", "跳转为什么需要时间？")),
        ),
        (
            "欢迎来到第三讲，今天我们来压缩一段视频。",
            "不压缩的话，两小时的电影要占二十多张光盘。",
            "只有 I 帧能单独解码，其他帧都离不开前后的帧。",
            "播放器跳转时，总是从画面组的开头开始解码。",
            "一个滚动的球，只需要记录一个向量。",
            "再看这三种帧：哪一种占用的字节最多？",
            "请在下周之前想一想这两个问题。",
        ),
        "编码 · 第 {page} 页，共 {pages} 页",
    ),
}
_SHOTS = ((1, 0.0), (2, 0.0), (1, 0.45), (3, 0.0), (2, 0.5), (4, 0.1), (0, 0.2), (3, 0.6), (1, 0.8), (4, 0.7))
"""Scenes of the sample that the film is cut from, and how far into each a shot begins."""
_SHOT_SECONDS = (3.2, 1.8, 2.4, 2.0, 1.4, 2.6, 3.0, 1.6, 2.2, 2.8)
_DISSOLVED, _DISSOLVE_SECONDS = frozenset({2, 6}), 0.8
"""Shots that begin with a dissolve, and its length."""


def lecture(path: Path, language: str) -> Path:
    """Draw slides with a line on each page and a page that returns; write subtitles beside the video."""
    pages, speech, line = _LECTURE[language]
    fonts = {size: ImageFont.truetype(FONTS / f"FrameLensSans-{face}.otf", size) for face, size in _FACES}
    drawn = [_slide(page, line.format(page=number, pages=len(pages)), fonts) for number, page in enumerate(pages, 1)]
    still = (picture for picture in drawn for _ in range(_PAGE_SECONDS * _PAGE_RATE))
    _write(path, still, _PAGE_RATE)
    cues = (
        f"{number + 1}\n{_stamp(number * _PAGE_SECONDS + 1)} --> {_stamp(number * _PAGE_SECONDS + 6)}\n{text}\n"
        for number, text in enumerate(speech)
    )
    path.with_suffix(".srt").write_text("\n".join(cues), encoding="utf-8")
    return path


_FACES = (("Bold", 46), ("Regular", 32), ("Regular", 18))


def _slide(page: Page, line: str, fonts: Mapping[int, ImageFont.FreeTypeFont]) -> Image.Image:
    picture = Image.new("RGB", _PAGE, "#fbfaf5")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, _PAGE[0], 12), fill="#22577a")
    draw.text((70, 60), page[0], font=fonts[46], fill="#17324d")
    for place, text in enumerate(page[1]):
        draw.ellipse((74, 192 + 74 * place, 86, 204 + 74 * place), fill="#22577a")
        draw.text((110, 176 + 74 * place), text, font=fonts[32], fill="#222222")
    draw.text((70, 500), line, font=fonts[18], fill="#5b6770")
    return picture


def _stamp(seconds: int) -> str:
    return f"00:{seconds // 60:02}:{seconds % 60:02},000"


def film(path: Path) -> Path:
    """Draw ten shots with cuts and two dissolves, and two seconds of black at the end."""
    write = writer(FONTS / "FrameLensSans-Bold.otf")

    def shot(place: int, seconds: float) -> Image.Image:
        scene, start = _SHOTS[place]
        return SCENES[scene](min(0.999, start + seconds / 12), write)

    def frames() -> Iterator[Image.Image]:
        for place, length in enumerate(_SHOT_SECONDS):
            mixed = round(_DISSOLVE_SECONDS * _FILM_RATE) if place in _DISSOLVED else 0
            for step in range(round(length * _FILM_RATE)):
                picture = shot(place, step / _FILM_RATE)
                if step < mixed:
                    before = shot(place - 1, _SHOT_SECONDS[place - 1] + step / _FILM_RATE)
                    picture = Image.blend(before, picture, (step + 1) / (mixed + 1))
                yield picture
        yield from (Image.new("RGB", (640, 360)) for _ in range(2 * _FILM_RATE))

    _write(path, frames(), _FILM_RATE)
    return path


def camera(path: Path) -> Path:
    """Draw a yard in which somebody walks by, a car passes, and the light goes off, with the noise of a sensor."""
    chance = np.random.default_rng(62)

    def frames() -> Iterator[Image.Image]:
        for step in range(_CAMERA_SECONDS * _CAMERA_RATE):
            seconds = step / _CAMERA_RATE
            picture = np.asarray(_yard(seconds), np.float32) * (0.35 if seconds >= 62 else 1.0)
            noisy = picture + chance.normal(0.0, 1.0, picture.shape)
            yield Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    _write(path, frames(), _CAMERA_RATE)
    return path


def _yard(seconds: float) -> Image.Image:
    picture = shaded((150, 170, 190), (120, 125, 120))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 230, 640, 360), fill="#8d8f88")
    draw.rectangle((60, 90, 300, 240), fill="#a5876b")
    draw.rectangle((160, 150, 210, 240), fill="#5a4636")
    for left in (85, 240):
        draw.rectangle((left, 120, left + 40, 160), fill="#cfdce4")
    if 12 <= seconds < 22:  # somebody
        left = 20 + 60 * (seconds - 12)
        draw.ellipse((left + 6, 200, left + 30, 224), fill="#c99b7b")
        draw.rounded_rectangle((left, 222, left + 36, 300), 8, fill="#2c4a7c")
    if 40 <= seconds < 45:  # a car
        left = 660 - 180 * (seconds - 40)
        draw.rounded_rectangle((left, 255, left + 170, 320), 16, fill="#b3261e")
        for wheel in (left + 20, left + 110):
            draw.ellipse((wheel, 300, wheel + 40, 340), fill="#1c1c1c")
    return picture


FOOTAGE: Mapping[str, Callable[[Path, str], Path]] = {
    "lecture": lecture,
    "film": lambda path, _: film(path),
    "camera": lambda path, _: camera(path),
}
"""Drawers by the name of the video, each with its path and the language of what it shows."""


def _write(path: Path, frames: Iterator[Image.Image], rate: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "threads": "1"})
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            if not number:
                stream.width, stream.height = frame.size
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode(None))
