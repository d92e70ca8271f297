"""Put a trained checkpoint to a held-out test and print how many frames it names right, in order, and how it votes.

The frames are JPEGs out of freshly encoded H.264 videos, the prompts are laid out as FrameLens lays them out, with
instructions that were not in the training texts, short and long, in English and Chinese, in one turn and in several.
The votes are the application's own, about cards that fill the picture or a part of it, and about scenes drawn from
another seed. Answers come from transformers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from framelens.i18n import in_language, t
from test_models import scenes
from test_models.cards import PLAIN
from test_models.prompts import MAX_FRAMES, clock, text
from test_models.votes import CHINESE_NAMES, Vote
from tests.cards import CARDS, card_jpegs, draw_card, expected_answer, to_jpeg, write_card_video
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
FOLLOWING = {
    "English": ("What do you see?", "Please look once more.", "Thanks. Which ones were they again?"),
    "Chinese": ("你看到了什么？", "麻烦再看一遍。", "谢谢，再说一次都有哪些？"),
}
MARKS = {"English": "[frame {number} · {clock}]", "Chinese": "[第 {number} 帧 · {clock}]"}


@dataclass(frozen=True)
class Case:
    """A conversation whose last turn is the question: the user's and the assistant's content by turns."""

    kind: str
    system: str
    turns: tuple[tuple[str | bytes, ...], ...]
    wanted: str


def run(folder: Path, *, rounds: int = 2, seed: int = 99) -> None:
    """Ask the checkpoint in `folder`/tiny-vl and print a line for each kind of prompt, and the total."""
    reader = TinyReader(folder / "tiny-vl")
    rng = np.random.default_rng(seed)
    scores: dict[str, list[tuple[int, int, bool]]] = {}
    for case in _cases(rng, rounds):
        said, wanted = reader.reply(case.system, case.turns), case.wanted
        if said != wanted:
            print(f"{case.kind}: wanted {wanted!r}, got {said!r}")
        pairs = zip(said.split("; "), wanted.split("; "), strict=False)
        right = sum(given == due for given, due in pairs)
        scores.setdefault(case.kind, []).append((right, len(wanted.split("; ")), said == wanted))
    scores["all"] = [score for kind in scores.values() for score in kind]
    for kind, answers in scores.items():
        right, due, whole = (sum(column) for column in zip(*answers, strict=True))
        share = 100 * right / due
        print(f"{kind:18} {share:6.2f} % of {due:4} right and in order; {whole} of {len(answers)} answers whole")


def _cases(rng: np.random.Generator, rounds: int) -> Iterator[Case]:
    for language in MARKS:
        for length, question in (("short", SHORT[language]), ("long", LONG[language])):
            for size in SIZES * rounds:
                yield from _seen(rng, f"{language}, {length}", language, question, size)
            for count in range(0, 2 * MAX_FRAMES, 2):
                yield _unseen(rng, language, question, count)
        yield from _followed(rng, language, 24 * rounds)
        yield from _voted(rng, language, 100 * rounds)


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
        yield Case(kind, SYSTEMS[language], ((*content, question),), expected_answer(colours[chosen]))


def _unseen(rng: np.random.Generator, language: str, question: str, count: int) -> Case:
    """Build the question with frames that are only described in words."""
    names = list(CARDS)
    marks = _marks(rng, language, count)
    lines = [f"{mark} {rng.choice(names)} 71 %, brightness {rng.random():.2f}" for mark in marks]
    turn = ("\n".join([*lines, "", question]),)
    return Case("described in words", SYSTEMS[language], (turn,), expected_answer(()))


def _followed(rng: np.random.Generator, language: str, count: int) -> Iterator[Case]:
    """Build second and third questions, every other case with frames of its own."""
    for number in range(count):
        shares = rng.multinomial(int(rng.integers(2, MAX_FRAMES + 1)), [0.6, 0.4] if number % 2 else [1.0])
        colours = rng.choice(list(CARDS), size=shares.sum()).tolist()
        pictures = [to_jpeg(_card(rng, colour)) for colour in colours]
        marks = _marks(rng, language, len(colours))
        content = [part for pair in zip(marks, pictures, strict=True) for part in pair]
        turns: list[tuple[str | bytes, ...]] = []
        for turn in range(int(rng.integers(2, 4))):
            first, end = sum(shares[:turn]), sum(shares[: turn + 1])
            if turns:
                turns.append((expected_answer(colours[:first]),))
            turns.append((*content[2 * first : 2 * end], FOLLOWING[language][turn]))
        kind = f"{language}, follow-up" + (" with frames" if number % 2 else "")
        yield Case(kind, SYSTEMS[language], tuple(turns), expected_answer(colours))


def _voted(rng: np.random.Generator, language: str, count: int) -> Iterator[Case]:
    """Build the application's votes on a picture: a card of the colour or another colour, or a scene alone."""
    saturated = [name for name in CARDS if name not in PLAIN]
    for number in range(count):
        asked = str(rng.choice(saturated))
        others = [name for name in CARDS if name != asked]
        shown = asked if number % 2 else str(rng.choice(others)) if number % 4 else ""
        is_absent = number % 5 == 4
        scene = scenes.draw(rng, 270, 480)
        if shown:
            width, height = (
                (480, 270) if shown in PLAIN or number % 3 else rng.integers((240, 135), (480, 270)).tolist()
            )
            card = Image.fromarray(_card(rng, shown, width=width, height=height))
            scene.paste(card, (int(rng.integers(481 - width)), int(rng.integers(271 - height))))
        code = {"English": "en", "Chinese": "zh"}[language]
        thing = {"en": f"a {asked} card", "zh": f"{CHINESE_NAMES[asked]}色卡片"}[code]
        with in_language(code):  # type: ignore[arg-type]
            question = t("ask.prompt.absent" if is_absent else "ask.prompt.vote", thing=thing)
            system = t("ask.prompt.vote_system")
        vote = Vote("", asked, "", "", is_absent, is_chinese=code == "zh")
        yield Case(f"{language}, vote", system, ((to_jpeg(np.asarray(scene)), question),), vote.answer([shown]))


def _card(rng: np.random.Generator, colour: str, *, width: int = 640, height: int = 360) -> np.ndarray:
    return draw_card(colour, width=width, height=height, angle_degrees=float(rng.uniform(0, 360)))


def _marks(rng: np.random.Generator, language: str, count: int) -> list[str]:
    first = int(rng.choice([1, 1, 9]))
    times = np.cumsum(rng.uniform(0.1, 30, count)) + rng.choice([0, 4000])
    return [MARKS[language].format(number=first + i, clock=clock(time)) for i, time in enumerate(times)]
