"""Makes a still growing JSON answer readable for the page: a line for each finding, sentence and chapter.

It is called for every few pieces that arrive, so it goes through the text once. What it gives is for the eye alone;
the finished answer is read by app.analysis.parsing.answer_parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.analysis.parsing.json_extraction import canonical, is_entry
from app.analysis.parsing.tolerant_json import Lenient

_BEGINNING = re.compile(r"(?:```(?:json)?\s*)?(?:\{\s*(?:[\"'“]|\Z)|\[\s*\{|\{?\Z)|```\w*\s*\Z")
_FRAME_KEYS = ("frames", "frame", "first_frame")


def so_far(text: str) -> str:
    """What `text` says up to now; prose stays as it is."""
    return _shown(text).encode("utf-8", "replace").decode()  # half of an escaped pair is no character


def _shown(text: str) -> str:
    beginning = _BEGINNING.search(text)
    if not beginning or beginning.start() == len(text):
        return text
    value = Lenient(text, text.find("{" if "{" in beginning[0] else "[", beginning.start())).value()
    if not isinstance(value, (dict, list)):
        return text[: beginning.start()].rstrip()
    lines = [text[: beginning.start()].rstrip(), *_lines(value)]
    return "\n".join(line for line in lines if line)


def _lines(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, list):
        for one in value:
            yield from _lines(one, depth + 1)
    elif isinstance(value, str):
        yield value
    elif not isinstance(value, dict):
        return
    elif not is_entry(value) and any(map(canonical, value)):
        for one in value.values():
            yield from _lines(one, depth + 1)
    elif line := _line(value):
        yield line


def _line(entry: dict[str, Any]) -> str:
    """ "3, 4: moves · left · A man walks." """
    numbers = [one for key in _FRAME_KEYS for one in _as_list(entry.get(key))]
    told = [value for key, value in entry.items() if key not in _FRAME_KEYS]
    words = " · ".join(str(one) for one in told if isinstance(one, (str, int, float)) and one not in ("", "…"))
    frames = ", ".join(str(number) for number in numbers)
    return f"{frames}: {words}" if frames and words else words


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
