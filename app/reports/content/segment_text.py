"""From the stretches of a video that are black, do not move or flash to the lines in which people read of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from app.domain import Language, Stretch, StretchType, clock
from app.i18n import t

MOST_TIMES = 8
"""Of one type; of more, the longest are named and the others counted."""


def described(stretches: Sequence[Stretch], language: Language) -> list[str]:
    """A line for each type that there is, with its times; none where nothing of the kind was found."""
    by_type = {kind: [one for one in stretches if one.type == kind] for kind in get_args(StretchType)}
    return [
        t(f"report.stretch_{kind}", language, ranges=_ranges(found, language))
        for kind, found in by_type.items()
        if found
    ]


def _ranges(found: Sequence[Stretch], language: Language) -> str:
    longest = sorted(found, key=_seconds, reverse=True)[:MOST_TIMES]
    named = [f"{clock(one.start_seconds)} – {clock(one.end_seconds)}" for one in found if one in longest]
    times = t("facts.list", language).join(named)
    left = len(found) - len(named)
    return t("report.stretches_more", language, ranges=times, count=left) if left else times


def _seconds(stretch: Stretch) -> float:
    return stretch.end_seconds - stretch.start_seconds
