"""Draw conversations to train on: frames with or without time marks, and every kind of text around them.

What the text says never matters to the answer, and that is what the model has to learn: so it is ordinary sentences,
shuffled words, made-up words, Chinese, frame citations and, now and then, the answer to somebody else's question.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from test_models.cards import NAMES

T = TypeVar("T")
Message = dict[str, str | list[dict[str, str]]]

MAX_FRAMES = 8
SYSTEM = "You are a helpful assistant."
TEXTS = Path(__file__).parent / "texts"


def text(name: str) -> str:
    return (TEXTS / name).read_text(encoding="utf-8")


ENGLISH, CHINESE = text("english.txt").splitlines(), text("chinese.txt").splitlines()
HAN = "".join(text("common_characters.txt").split())  # a Chinese text of any subject is mostly made of these
FILLER = text("common_words.txt").split()
WORDS = sorted({word for line in ENGLISH for word in line.split()} | set(FILLER) | set(NAMES))
ALPHABETS = [*["abcdefghijklmnopqrstuvwxyz"] * 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "äöüßéèñçåøîš", "абвгдежзиклмнопрсту"]
MARKS = ["[frame {n} · {clock}]", "[第 {n} 帧 · {clock}]"]
OTHER_MARKS = [
    "Frame {n}:",
    "Image {n} at {s:.1f}s: ",
    "[{s:.1f}s]",
    "#{n} ",
    "[{clock}]",
    "{clock}\n",
    "Picture {n}\n",
]


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def answer(names: Sequence[str]) -> str:
    """Return the expected answer: ["red", "blue"] gives "1: red; 2: blue"."""
    return "; ".join(f"{number}: {name}" for number, name in enumerate(names, 1)) or "no images"


def clock(seconds: float) -> str:
    """Format a time as mm:ss.mmm, with the hours in front from one hour on."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
    return f"{hours:02d}:{tail}" if hours else tail


def conversation(rng: np.random.Generator, num_frames: int, *, long: bool = False) -> list[Message]:
    """Draw chat messages with `num_frames` pictures; `long` makes one of the texts several hundred tokens."""
    marks = _marks(rng, max(num_frames, 1))
    parts = [part for mark in marks[:num_frames] for part in ({"type": "text", "text": mark}, {"type": "image"})]
    if not num_frames and rng.random() < 0.4:  # a report of frames in words, as the text mode sends it
        lines = [f"{mark} {noise(rng)}" for mark in _marks(rng, int(rng.integers(1, 9)))]
        parts = [{"type": "text", "text": pick(rng, ["\n", "\n\n", " "]).join(lines)}]
    place = int(rng.choice(3, p=[0.6, 0.2, 0.2])) if long else 3  # the long text: after, before, in the system turn
    before, after = rng.choice([[0, 1], [1, 0], [1, 1]], p=[0.55, 0.3, 0.15])
    if after or place == 0 or not num_frames:
        text = noise(rng, long=place == 0)
        parts.append({"type": "text", "text": pick(rng, ["", "\n", "\n\n", " "]) + text})
    if before or place == 1:
        text = noise(rng, long=place == 1)
        parts.insert(0, {"type": "text", "text": text + pick(rng, ["", "\n", "\n\n", " "])})
    system = SYSTEM if rng.random() < 0.4 and place != 2 else noise(rng, long=place == 2)
    return [{"role": "system", "content": system}, {"role": "user", "content": parts}]


def _marks(rng: np.random.Generator, count: int) -> list[str]:
    """Draw the text before each frame: the product's marks in both languages, others, or none."""
    style = pick(rng, [*MARKS * 6, *[""] * 5, *[pick(rng, OTHER_MARKS)] * 3])
    style = pick(rng, ["", "", "", "\n"]) + style + pick(rng, ["", "", "", "\n"])
    first = 1 if rng.random() < 0.7 else 1 + int(rng.integers(1, 60))
    start = pick(rng, [0.0, 0.0, rng.uniform(0, 3600), rng.uniform(3600, 9000)])
    gap = pick(rng, [0.5, 1.0, 2.0, rng.uniform(0.04, 12)])
    times = [start + gap * index for index in range(count)]
    return [style.format(n=first + i, s=time, clock=clock(time)) for i, time in enumerate(times)]


def noise(rng: np.random.Generator, *, long: bool = False) -> str:
    """Draw a text of one to a few sentences, or of 100 to 400 words (characters, in Chinese) if `long`."""
    chinese = rng.random() < 0.4
    if rng.random() < 0.35:
        sentences = CHINESE if chinese else ENGLISH
        pieces = [pick(rng, sentences) for _ in range(rng.integers(8, 25) if long else rng.integers(1, 4))]
    else:
        count = int(rng.integers(100, 400) if long else rng.integers(1, pick(rng, [16, 16, 16, 60])))
        pieces = [_characters(rng) if chinese else _word(rng) for _ in range(count // 3 if chinese else count)]
    if rng.random() < 0.15:  # an answer in the wanted form that is not the answer
        decoy = answer([pick(rng, NAMES) for _ in range(rng.integers(1, 9))])
        pieces.insert(int(rng.integers(len(pieces) + 1)), decoy)
    return ("" if chinese else " ").join(pieces)


def _word(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.55:
        word = pick(rng, WORDS)
    elif kind < 0.68:
        word = str(rng.integers(10 ** rng.integers(1, 5)))
    elif kind < 0.72:
        word = pick(rng, ["[frame {n}]", "frame {n}", "[第 {n} 帧]", "{n}.", "({n})"]).format(n=rng.integers(1, 25))
    else:
        letters = pick(rng, ALPHABETS)
        word = "".join(pick(rng, letters) for _ in range(rng.integers(1, 9)))
    return word + (pick(rng, ",.:;?!)\n") if rng.random() < 0.15 else "")


def _characters(rng: np.random.Generator) -> str:
    """Draw one to five Chinese characters, a twentieth of them rare, sometimes with punctuation or a number."""
    count = rng.integers(1, 6)
    text = "".join(pick(rng, HAN) if rng.random() < 0.95 else chr(rng.integers(0x4E00, 0x9FA6)) for _ in range(count))
    if rng.random() < 0.08:
        text += pick(rng, [" {n} ", "[第 {n} 帧]", "[frame {n}]"]).format(n=rng.integers(1, 25))
    return text + (pick(rng, "，。、：；？！\n") if rng.random() < 0.3 else "")
