"""Text of anybody as text that any file can hold: what is no character of a text is shown, not passed on."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
"""What XML 1.0 (section 2.2) does not allow, and the control characters that it discourages."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Marks that turn the direction of what stands behind them, across the borders of a sentence or a cell."""


def printable(text: str) -> str:
    """Control characters and marks of direction as their code points, such as "[U+202E]"; line breaks and tabs stay."""
    return _TURNING.sub(_named, _UNFIT.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"


def one_line(text: str) -> str:
    """The text without line breaks, and without anything that cannot be seen."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """One line of at most `most` characters; "…" stands for what is left out."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
