"""Small charts of the last minutes in a grid, each with its value now beside its name. They move on without a flicker:
only the points, the numbers and the scale are drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.ui.components.assets import component

Unit = Literal["share", "bytes", "number"]
_mount = component("charts")
_mount_bar = component("stack")


@dataclass(frozen=True)
class Line:
    """One line of a chart: a value for each moment, None where there is none, which leaves a gap. One that is
    `sparse` is drawn as dots, and the last value there was is shown as the one now.
    """

    label: str
    values: Sequence[float | None]
    sparse: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines on one scale from 0 to `top`, or to what is highest where that is None.

    unit: shares of 1 become percent, bytes GiB. words: "{n}" with what stands around a number, such as "{n} °C". Lines
    that are `stacked` stand upon each other. note: a few words below the name. wide: as wide as two others.
    """

    title: str
    lines: Sequence[Line]
    unit: Unit = "number"
    words: str = "{n}"
    top: float | None = None
    stacked: bool = False
    note: str = ""
    wide: bool = False


def draw(
    charts: Sequence[Chart],
    ages: Sequence[float],
    *,
    key: str,
    span_seconds: float,
    gap_seconds: float,
    words: Mapping[str, str],
) -> None:
    """Draws the charts. `ages`: how many seconds ago each moment was, the oldest first. `span_seconds` is the time from
    edge to edge; moments further apart than `gap_seconds` are not joined. `words`: of the axis and of missing values.
    """
    shown = [{**vars(chart), "lines": [_rounded(line) for line in chart.lines]} for chart in charts]
    scale = {"ages": [round(age, 1) for age in ages], "span": span_seconds, "gap": gap_seconds}
    _mount(key=key, data={"charts": shown, **scale, "words": dict(words)})


def _rounded(line: Line) -> dict[str, object]:
    """Four digits are more than a screen shows; a long window stays small on its way."""
    return {**vars(line), "values": [None if one is None else float(f"{one:.4g}") for one in line.values]}


@dataclass(frozen=True)
class BarPart:
    """One part: what it is, how much of it, and that in words."""

    label: str
    amount: float
    words: str


def draw_stacked_bar(parts: Sequence[BarPart], *, there: float, about: str, key: str) -> None:
    """`there` is how much there is: the bar is as long as that, or as the sum where that is more, and then shows with a
    mark where it ends. `about` says the whole in a sentence.
    """
    _mount_bar(key=key, data={"parts": [vars(part) for part in parts], "there": there, "about": about})
