"""Draw conversations to train on: frames with or without time marks, in one turn or in several, and texts around them.

Only one kind of text matters to the answer: a question whether there is a card of some colour, at the end of the
conversation (votes.py). The model has to learn to ignore the other texts: ordinary sentences, shuffled words, made-up
words, Chinese, frame citations and, now and then, the answer to somebody else's question.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from test_models import votes
from test_models.cards import NAMES

T = TypeVar("T")
Part = dict[str, str]
Message = dict[str, str | list[Part]]

MAX_FRAMES = 8
SEVERAL_TURNS = 0.3
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


def conversation(
    rng: np.random.Generator,
    shown: Sequence[str],
    vote: votes.Vote | None,
    *,
    long: bool = False,
    several_turns: float = SEVERAL_TURNS,
) -> list[Message]:
    """Draw chat messages with a picture for each of `shown`, the colours of their cards, "" without a card.

    Args:
        rng: Source of all choices.
        shown: Colours in the order of the pictures.
        vote: The question that the last turn asks, or None for a turn that only asks to look.
        long: Make a text several hundred tokens long.
        several_turns: Share of the conversations with more than one turn of the user.
    """
    marks, done = _marks(rng, max(len(shown), 1)), 0
    place = int(rng.choice(3, p=[0.6, 0.2, 0.2])) if long else 3  # the long text: after, before, in the system turn
    system = SYSTEM if rng.random() < 0.4 and place != 2 else noise(rng, long=place == 2)
    if vote and place != 2 and rng.random() < 0.4:
        system = pick(rng, votes.SYSTEMS)
    messages: list[Message] = [{"role": "system", "content": system}]
    *earlier, last = _turns(rng, len(shown), several_turns)
    if not (shown or earlier or vote) and rng.random() < 0.4:
        messages.append({"role": "user", "content": _described(rng)})
        return messages
    for count in earlier:
        asked = votes.draw(rng, pick(rng, NAMES)) if rng.random() < 0.4 else None
        messages += [
            {"role": "user", "content": _content(rng, marks[done : done + count], asked, 3)},
            {"role": "assistant", "content": _said(rng, shown[: done + count], asked)},
        ]
        done += count
    messages.append({"role": "user", "content": _content(rng, marks[done : done + last], vote, place)})
    return messages


def long_question(rng: np.random.Generator, num_frames: int) -> list[Message]:
    """Draw a turn: so many pictures, then a long text, every other time the same sentence again and again."""
    content = _content(rng, _marks(rng, num_frames), None, 3)
    text = noise(rng, long=True)
    if rng.random() < 0.5:
        is_chinese = rng.random() < 0.6
        sentence = pick(rng, CHINESE if is_chinese else ENGLISH) + ("" if is_chinese else " ")
        text = sentence * int(rng.integers(3, 18))
    content.append({"type": "text", "text": text})
    return [{"role": "system", "content": noise(rng)}, {"role": "user", "content": content}]


def _turns(rng: np.random.Generator, num_frames: int, several: float) -> list[int]:
    """Draw the number of pictures in each of the user's turns: one turn, or else all in the first, or spread."""
    if rng.random() < 1 - several:
        return [num_frames]
    count = int(rng.integers(2, 5))
    if rng.random() < 0.5:
        return [num_frames, *[0] * (count - 1)]
    return rng.multinomial(num_frames, rng.dirichlet(np.ones(count))).tolist()


def _said(rng: np.random.Generator, shown: Sequence[str], asked: votes.Vote | None) -> str:
    """Draw the assistant's answer in an earlier turn, mostly the right answer."""
    if rng.random() < 0.15:
        return noise(rng)
    return asked.answer(shown) if asked else answer([name or pick(rng, NAMES) for name in shown])


def _described(rng: np.random.Generator) -> str:
    """Draw a report of frames in words, as the text mode sends it."""
    lines = [f"{mark} {noise(rng)}" for mark in _marks(rng, int(rng.integers(1, 9)))]
    between = pick(rng, ["\n", "\n\n", " "])
    return between.join(lines) + between + noise(rng)


def _content(rng: np.random.Generator, marks: Sequence[str], vote: votes.Vote | None, place: int) -> list[Part]:
    """Draw a user's turn: a picture for each mark, with texts before and after."""
    is_after = rng.random() < 0.1  # each mark follows its picture
    parts: list[Part] = []
    for mark in marks:
        pair: list[Part] = [{"type": "text", "text": mark}, {"type": "image"}]
        parts += reversed(pair) if is_after else pair
    before, after = rng.choice([[0, 1], [1, 0], [1, 1]], p=[0.55, 0.3, 0.15])
    if vote:
        before, after = rng.choice([[0, 1], [1, 0]], p=[0.85, 0.15])
    if after or place == 0 or not marks:
        text = vote.text if vote and after else noise(rng, long=place == 0)
        if vote and after and (place == 0 or rng.random() < 0.1):
            text = noise(rng, long=place == 0) + pick(rng, ["\n", "\n\n", " "]) + text
        parts.append({"type": "text", "text": pick(rng, ["", "\n", "\n\n", " "]) + text})
    if before or place == 1:
        text = vote.text if vote and before else noise(rng, long=place == 1)
        parts.insert(0, {"type": "text", "text": text + pick(rng, ["", "\n", "\n\n", " "])})
    return parts


def _marks(rng: np.random.Generator, count: int) -> list[str]:
    """Draw the text before each frame: the product's marks in both languages, other marks, or no mark."""
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
