"""A second question on the same frames, against the first question: time to the first text, and bytes sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import framelens
from benchmarks.analysis.engine import Caches
from benchmarks.ask.session import ask, session
from benchmarks.row import Row

FRAMES = 8
MOST_TIME, MOST_BYTES = 0.3, 0.05
_LOOK = framelens.Look("global")
_QUESTIONS = ("Name the cards in order.", "And again, please?")


def rows(caches: Caches, data: Path, video: Path, *, rounds: int) -> Iterator[Row]:
    """Ask both questions in each round, after an uncounted round; nothing is kept between rounds."""
    times, of_engine, sizes = [], [], []
    for number in range(rounds + 1):
        caches.empty()
        with session(caches, data / str(number)) as one:
            one.analyse(video, frames=FRAMES, use_model=False)
            first = ask(one, video, _QUESTIONS[0], look=_LOOK, frames=FRAMES, max_tokens=64)
            second = ask(one, first.conversation, _QUESTIONS[1], look=_LOOK, max_tokens=64)
        shown = second.conversation.last.context.pictures
        if not shown or shown != first.conversation.last.context.pictures:
            raise SystemExit("the second question was not about the frames of the first")
        if number:
            times.append((first.first_seconds, second.first_seconds))
            of_engine.append((first.engine_seconds, second.engine_seconds))
            sizes.append((first.sent_bytes, second.sent_bytes))
    before, after = (median(column) for column in zip(*times, strict=True))
    yield Row("followup: first text, over that of the first question", _ratio(times), "x", MOST_TIME,
              f"{after:.3f} s / {before:.3f} s, {len(shown)} frames")  # fmt: skip
    before, after = (median(column) for column in zip(*of_engine, strict=True))
    yield Row("followup: the same from the request on", _ratio(of_engine), "x", None, f"{after:.3f} s / {before:.3f} s")
    before, after = (median(column) for column in zip(*sizes, strict=True))
    yield Row("followup: bytes sent, over those of the first question", after / before, "x", MOST_BYTES,
              f"{after:,.0f} / {before:,.0f}")  # fmt: skip


def _ratio(times: Sequence[tuple[float, float]]) -> float:
    return median(second / first for first, second in times)
