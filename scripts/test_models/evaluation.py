"""Put a trained checkpoint to a held-out test and print how many frames it names right, in the right order.

The frames are JPEGs out of freshly encoded H.264 videos, the prompts are laid out as FrameLens lays them out, with
instructions that were not in the training texts, short and long, in English and Chinese. Answers come from
transformers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from test_models.prompts import MAX_FRAMES, clock, text
from tests.cards import CARDS, card_jpegs, expected_answer, write_card_video
from tests.tiny_reader import TinyReader

SIZES = ((320, 180), (640, 360), (1280, 720))
ENGLISH_SYSTEM = (
    "You are shown key frames of one video, each after its number and time. Report only what is visible. Support each "
    "statement with frame numbers in square brackets, for instance [frame 2], and do not state any times yourself."
)
CHINESE_SYSTEM = (
    "下面给出同一段视频的关键帧，每帧之前写有编号与时间。只陈述画面中确实可见的内容，每个判断都用方括号注明帧号，"
    "比如 [第 2 帧]；不要自己写出任何时间，也不要补充画面之外的情节。"
)
SHORT = {"English": "Go through the frames and tell me what is on each of them.", "Chinese": "逐帧讲讲画面上是什么。"}
LONG = {"English": " ".join(text("held_out_english.txt").split()), "Chinese": text("held_out_chinese.txt").strip()}
SYSTEMS = {"English": ENGLISH_SYSTEM, "Chinese": CHINESE_SYSTEM}
MARKS = {"English": "[frame {number} · {clock}]", "Chinese": "[第 {number} 帧 · {clock}]"}


@dataclass(frozen=True)
class Case:
    """One question: user content in order, and the colours of its frames."""

    kind: str
    system: str
    content: tuple[str | bytes, ...]
    colours: tuple[str, ...]


def run(folder: Path, *, rounds: int = 2, seed: int = 99) -> None:
    """Ask the checkpoint in `folder`/tiny-vl and print a line for each kind of prompt, and the total."""
    reader = TinyReader(folder / "tiny-vl")
    rng = np.random.default_rng(seed)
    scores: dict[str, list[tuple[int, int]]] = {}
    for case in _cases(rng, rounds):
        said, wanted = reader.ask(case.system, case.content), expected_answer(case.colours)
        if said != wanted:
            print(f"{case.kind}: wanted {wanted!r}, got {said!r}")
        pairs = zip(said.split("; "), wanted.split("; "), strict=False)
        right = sum(given == due for given, due in pairs)
        scores.setdefault(case.kind, []).append((right, max(len(case.colours), 1)))
    scores["all"] = [score for kind in scores.values() for score in kind]
    for kind, answers in scores.items():
        right, due = (sum(column) for column in zip(*answers, strict=True))
        whole = sum(named == shown for named, shown in answers)
        share = 100 * right / due
        print(f"{kind:18} {share:6.2f} % of {due:4} right and in order; {whole} of {len(answers)} answers whole")


def _cases(rng: np.random.Generator, rounds: int) -> Iterator[Case]:
    for language in MARKS:
        for length, question in (("short", SHORT[language]), ("long", LONG[language])):
            for size in SIZES * rounds:
                yield from _seen(rng, f"{language}, {length}", language, question, size)
            for count in range(0, 2 * MAX_FRAMES, 2):
                yield _unseen(rng, language, question, count)


def _seen(rng: np.random.Generator, kind: str, language: str, question: str, size: tuple[int, int]) -> Iterator[Case]:
    """Build a question about each number of frames, 1 to 8, all from one video."""
    colours = rng.choice(list(CARDS), size=MAX_FRAMES * (MAX_FRAMES + 1) // 2).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cards.mp4"
        write_card_video(path, colours, width=size[0], height=size[1], seconds_per_card=0.3)
        pictures = card_jpegs(path, seconds_per_card=0.3, quality=int(rng.integers(60, 95)))
    for count in range(1, MAX_FRAMES + 1):
        chosen = slice(count * (count - 1) // 2, count * (count + 1) // 2)
        marks = _marks(rng, language, count)
        content = [part for pair in zip(marks, pictures[chosen], strict=True) for part in pair]
        yield Case(kind, SYSTEMS[language], (*content, question), tuple(colours[chosen]))


def _unseen(rng: np.random.Generator, language: str, question: str, count: int) -> Case:
    """Build the question with frames that are only described in words."""
    names = list(CARDS)
    marks = _marks(rng, language, count)
    lines = [f"{mark} {rng.choice(names)} 71 %, brightness {rng.random():.2f}" for mark in marks]
    return Case("described in words", SYSTEMS[language], ("\n".join([*lines, "", question]),), ())


def _marks(rng: np.random.Generator, language: str, count: int) -> list[str]:
    first = int(rng.choice([1, 1, 9]))
    times = np.cumsum(rng.uniform(0.1, 30, count)) + rng.choice([0, 4000])
    return [MARKS[language].format(number=first + i, clock=clock(time)) for i, time in enumerate(times)]
