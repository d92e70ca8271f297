"""Parts of a sum upon each other in one bar, against what there is of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.ui.components.assets import component

_mount = component("stack")


@dataclass(frozen=True)
class Part:
    """One part: what it is, how much of it, and that in words."""

    label: str
    amount: float
    words: str


def draw(parts: Sequence[Part], *, there: float, about: str, key: str) -> None:
    """`there` is how much there is: the bar is as long as that, or as the sum where that is more, and then shows with a
    mark where it ends. `about` says the whole in a sentence.
    """
    _mount(key=key, data={"parts": [vars(part) for part in parts], "there": there, "about": about})
