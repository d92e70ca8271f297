"""Small charts of the last minutes in a grid, each with its current value, and stacked bars.

Updates don't flicker: only the points, the numbers and the scale are drawn again.
"""

from collections.abc import Iterable, Mapping, Sequence

from app.components.assets import component
from framelens.plugin_page import Chart, Series

_mount = component("charts")
_mount_bar = component("stack")


def draw(
    charts: Sequence[Chart],
    ages: Sequence[float],
    *,
    key: str,
    span_seconds: float,
    gap_seconds: float,
    words: Mapping[str, str],
) -> None:
    """Draw the charts.

    Args:
        charts: The charts in their order.
        ages: How many seconds ago each moment was, the oldest first.
        key: The widget key.
        span_seconds: Time from edge to edge.
        gap_seconds: Moments further apart than this are not joined.
        words: Texts of the axis and of missing values.
    """
    shown = [{**vars(chart), "lines": [_round(line) for line in chart.lines]} for chart in charts]
    scale = {"ages": [round(age, 1) for age in ages], "span": span_seconds, "gap": gap_seconds}
    _mount(key=key, data={"charts": shown, **scale, "words": dict(words)})


def _round(line: Series) -> dict[str, object]:
    """Round the values to four digits, more than a screen shows, to keep the message small."""
    return {**vars(line), "values": [None if value is None else float(f"{value:.4g}") for value in line.values]}


def draw_stacked_bar(parts: Iterable[tuple[str, float, str]], *, available: float, about: str, key: str) -> None:
    """Draw a bar as long as the parts together, or as the available amount, whose end is marked.

    Args:
        parts: Name, size, and size in words of each part.
        available: The available amount.
        about: The whole in a sentence.
        key: The widget key.
    """
    shown = [{"label": label, "amount": amount, "words": text} for label, amount, text in parts]
    _mount_bar(key=key, data={"parts": shown, "there": available, "about": about})
