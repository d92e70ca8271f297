"""Whether the right moment is among the frames that a question about one card gets, and what a global question gets.

A video of ten minutes shows a card every four seconds. Five colours come again and again, the five that are asked about
once each, for two to four seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import framelens
from benchmarks.ask.planted import COLOURS, Occurrence
from benchmarks.ask.session import ask
from benchmarks.row import Row
from tests.cards import CARDS, draw_card
from tests.media import write_video

FRAMES = 8
LEAST_SHARE = 0.95
_RATE, _MINUTES, _SECONDS, _ASKED = 10, 10, 4.0, 5
_GLOBAL = ("What is this video about?", "Summarise the video.")


def made(work: Path, seed: int) -> tuple[Path, list[Occurrence]]:
    """Return the video and the cards that are asked about; it is made at the first call."""
    draw = random.Random(seed)
    asked = draw.sample(COLOURS, _ASKED)
    common = [name for name in CARDS if name not in asked]
    row = [(draw.choice(common), round(_SECONDS * _RATE)) for _ in range(round(_MINUTES * 60 / _SECONDS))]
    for place, colour in zip(sorted(draw.sample(range(1, len(row) - 1), _ASKED)), asked, strict=True):
        row[place] = (colour, draw.randint(round(_SECONDS / 2 * _RATE), round(_SECONDS * _RATE)))
    starts = [sum(length for _, length in row[:place]) for place in range(len(row))]
    rare = [
        Occurrence(colour, start, start + length, 1.0)
        for (colour, length), start in zip(row, starts, strict=True)
        if colour in asked
    ]
    path = work / f"cards-{_MINUTES}min-{seed}.mp4"
    if not path.exists():
        cards = (
            draw_card(colour, width=320, height=180, angle_degrees=draw.uniform(0, 360))
            for colour, length in row
            for _ in range(length)
        )
        scratch = path.with_suffix(".part.mp4")
        write_video(scratch, cards, rate=_RATE, options={"preset": "ultrafast", "g": "50"}).replace(path)
    return path, rare


def rows(one: framelens.Session, work: Path, *, videos: int, seed: int) -> Iterator[Row]:
    """Ask about every rare card of so many videos, and globally about each."""
    hits = {"chosen for the question": 0, "today's keyframes": 0, "even frames": 0}
    asked = differing = 0
    for number in range(videos):
        path, rare = made(work, seed * 100 + number)
        keyframes = [frame.time_seconds for frame in one.keyframes(path, FRAMES)]
        even = [frame.time_seconds for frame in one.keyframes(path, FRAMES, strategy="uniform")]
        for card in rare:
            question = f"What does the {card.colour} card look like?"
            turn = ask(one, path, question, frames=FRAMES, max_tokens=64).conversation.last
            chosen = [frame.time_seconds for frame in turn.frames]
            asked += 1
            for name, times in zip(hits, (chosen, keyframes, even), strict=True):
                hits[name] += len(times) <= FRAMES and _has(times, card)
        for question in _GLOBAL:
            turn = ask(one, path, question, frames=FRAMES, max_tokens=64).conversation.last
            differing += [frame.time_seconds for frame in turn.frames] != keyframes
    for name, count in hits.items():
        bound = 1 - LEAST_SHARE if name == "chosen for the question" else None
        yield Row(f"moment: not among {FRAMES} frames, {name}", 1 - count / asked, "of all", bound,
                  f"{asked - count} of {asked}")  # fmt: skip
    yield Row("moment: global questions with other frames than the keyframes", differing, "questions", 0,
              f"of {videos * len(_GLOBAL)}")  # fmt: skip


def _has(times: Sequence[float], card: Occurrence) -> bool:
    return any(card.first <= round(time * _RATE) < card.end for time in times)
