"""Sanitizer of untrusted text: characters that a file format may refuse or misread are shown as code points."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML 1.0 (section 2.2) forbids, and the control characters that it discourages."""
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Marks that change the direction of the text after them, even beyond the end of a sentence or a cell."""


def printable(text: str) -> str:
    """Replace control characters and direction marks by code points such as "[U+202E]"; keep line breaks and tabs."""
    return _TURNING.sub(_named, _UNFIT.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"


def one_line(text: str) -> str:
    """Return printable text with all white space collapsed to single spaces."""
    return " ".join(printable(text).split())


def shortened(text: str, most: int) -> str:
    """Return the text on one line of at most `most` characters, with "…" at the end if it was cut."""
    line = one_line(text)
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
