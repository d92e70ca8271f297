"""How many of the planted cards are found when somebody asks when they are there, how exactly, and with how many reads.

A card is found if an interval shares a frame with it; an interval that shares no frame with a card of the colour is
false, and is counted apart if the answer itself says that the model contradicts itself there. Beside it: the share of
the cards that keyframes or frames at even distances would have shown at all.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

import framelens
from benchmarks.ask.planted import COLOURS, RATE, Occurrence, PlantedVideo
from benchmarks.ask.session import ask
from benchmarks.row import Row
from framelens.core.evidence import Moments

LEAST_RECALL, MOST_FALSE_PER_HOUR, MOST_BORDER_ERROR = 0.95, 0.1, 1.0
SEARCH_SECONDS = 1800
"""Ceiling of a search, six times the default: on a busy machine votes are slow, and the ceiling would decide."""
QUESTIONS = {"en": "When is there a {} card?", "zh": "{}色卡片什么时候出现？"}
_CHINESE = {"red": "红", "orange": "橙", "yellow": "黄", "green": "绿", "purple": "紫"}
_CHOICES = {"novelty": ("auto", (8, 16, 32)), "even": ("uniform", (32,))}
_HALF_FRAME = 0.5 / RATE


@dataclass
class Tally:
    """Results of all questions so far.

    Attributes:
        doubted: Number of false intervals that are marked as contradictory; `false` counts the others.
        border_errors: Errors in frames, two for each card that was found.
    """

    cards: int = 0
    found: int = 0
    false: int = 0
    doubted: int = 0
    hours: float = 0.0
    reads: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    border_errors: list[int] = field(default_factory=list)

    def add(self, truth: Sequence[Occurrence], moments: Moments, hours: float) -> None:
        """Add the answer to a question."""
        spans = [(one.first.time_seconds, one.last.time_seconds) for one in moments.intervals]
        for card in truth:
            first, last = card.seconds
            overlapping = [span for span in spans if span[0] <= last + _HALF_FRAME and span[1] >= first - _HALF_FRAME]
            self.cards += 1
            self.found += bool(overlapping)
            if overlapping:
                start, end = min(span[0] for span in overlapping), max(span[1] for span in overlapping)
                self.border_errors += [round(abs(start - first) * RATE), round(abs(end - last) * RATE)]
        for span, one in zip(spans, moments.intervals, strict=True):
            if not any(_share(span, card) for card in truth):
                is_doubted = bool({"contrary", "lookalike"} & set(one.issues))
                self.doubted += is_doubted
                self.false += not is_doubted
        self.hours += hours
        checks = (moments.controls, moments.contrary, moments.changed, *(moments.lookalikes or {}).values())
        self.reads.append(len(moments.samples) + sum(map(len, checks)))
        self.seconds.append(moments.seconds)


def _share(span: tuple[float, float], card: Occurrence) -> bool:
    first, last = card.seconds
    return span[0] <= last + _HALF_FRAME and span[1] >= first - _HALF_FRAME


def rows(one: framelens.Session, videos: Sequence[PlantedVideo], *, seed: int, language: str) -> Iterator[Row]:
    """Ask for every planted colour, and for a colour that was not planted, in each video."""
    tally = Tally()
    for video in videos:
        planted = sorted({card.colour for card in video.occurrences})
        absent = random.Random(seed).choice([name for name in COLOURS if name not in planted])
        for colour in (*planted, absent):
            question = QUESTIONS[language].format(colour if language == "en" else _CHINESE[colour])
            asked = ask(one, video.path, question, language=language, frames=8, search_seconds=SEARCH_SECONDS)
            evidence = asked.conversation.last.evidence
            before = (tally.found, tally.false)
            for moments in evidence.moments if evidence else ():
                tally.add(video.of(colour), moments, video.hours)
            print(
                f"{video.path.parent.name}, {colour}: {tally.found - before[0]} of {len(video.of(colour))} found, "
                f"{tally.false - before[1]} false, {tally.reads[-1]} reads in {tally.seconds[-1]:.0f} s",
                file=sys.stderr,
            )
    yield Row("when: cards not found", 1 - tally.found / tally.cards, "of all", 1 - LEAST_RECALL,
              f"{tally.found} of {tally.cards}, {len(tally.reads)} questions")  # fmt: skip
    yield Row("when: false intervals", tally.false / tally.hours, "per hour", MOST_FALSE_PER_HOUR,
              f"{tally.false} in {tally.hours:.2f} h, and {tally.doubted} marked as contradictory")  # fmt: skip
    if errors := tally.border_errors:
        yield Row("when: error of a border, median", median(errors), "frames", MOST_BORDER_ERROR,
                  f"mean {mean(errors):.2f}, greatest {max(errors)}")  # fmt: skip
    yield Row("when: reads per question, median", median(tally.reads), "frames", None,
              f"{min(tally.reads)} to {max(tally.reads)}; {median(tally.seconds):.0f} s")  # fmt: skip
    yield from _chosen_without_question(one, videos)


def _chosen_without_question(one: framelens.Session, videos: Sequence[PlantedVideo]) -> Iterator[Row]:
    for name, (strategy, budgets) in _CHOICES.items():
        for budget in budgets:
            shown = cards = 0
            for video in videos:
                frames = one.keyframes(video.path, budget, strategy=strategy)  # type: ignore[arg-type]
                times = [frame.time_seconds for frame in frames]
                cards += len(video.occurrences)
                shown += sum(any(_share((time, time), card) for time in times) for card in video.occurrences)
            yield Row(f"when: cards not shown by {name}-{budget}", 1 - shown / cards, "of all")
