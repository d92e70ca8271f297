"""Extraction of the JSON in an answer: alone, in fences, among words, behind thoughts, in several pieces, or cut off.

It only checks whether a value looks like an answer; app.analysis.parsing.answer_parser interprets it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from app.analysis.parsing.tolerant_json import TolerantJson, merged

ANSWER_KEYS = ("findings", "title", "overview", "subjects", "chapters", "reply")
_SYNONYMS = {"summary": "overview", "answer": "reply"}
_ENTRY_KEYS = ("frames", "frame", "first_frame", "text")
_THOUGHTS = re.compile(r"^\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_OPENING = re.compile(r"\{\s*[\"'“\w}]|\[\s*\{|\{\s*\Z")
_FENCE = re.compile(r"```\w*")
_MOST_ATTEMPTS = 24  # openings of JSON to try; chosen by hand, not tuned


@dataclass(frozen=True)
class FoundJson:
    """JSON found in an answer.

    Attributes:
        value: A dict, a list or None.
        is_cut: The text ended too early.
        is_odd: The text was not plain JSON.
    """

    value: Any
    is_cut: bool = False
    is_odd: bool = False


def canonical(key: str) -> str:
    """Return the known key that `key` means ("Finding" is "findings", "summary" is "overview"), or ""."""
    bare = re.sub(r"[^a-z]", "", key.lower())
    meant = _SYNONYMS.get(bare, bare)
    return next((known for known in ANSWER_KEYS if known.rstrip("s") == meant.rstrip("s")), "")


def is_entry(value: Any) -> bool:
    """Return True if `value` is one statement with frames rather than a whole answer, which holds lists."""
    if not isinstance(value, dict) or not any(key.strip().lower() in _ENTRY_KEYS for key in value):
        return False
    return not any(canonical(key) and isinstance(one, (list, dict)) for key, one in value.items())


def is_answer(value: Any) -> bool:
    """Return True if `value` has any part of an answer, at the top or one level down."""
    return _holds_any(value) or (
        isinstance(value, (dict, list)) and any(map(_holds_any, value.values() if isinstance(value, dict) else value))
    )


def _holds_any(value: Any) -> bool:
    return isinstance(value, dict) and (is_entry(value) or any(map(canonical, value)))


def without_thoughts(answer: str) -> str:
    """Remove the <think> … </think> that some models start with, finished or not."""
    return _THOUGHTS.sub("", answer.replace("\ufeff", "")).strip()


def find(text: str) -> FoundJson | None:
    """Find the JSON of an answer without thoughts; return None if there is none."""
    try:
        value = json.loads(text, strict=False, object_pairs_hook=merged)
    except (ValueError, RecursionError):
        return _among_words(text)
    if isinstance(value, str) and value != text:  # JSON inside a string
        inner = find(value.strip())
        return inner and FoundJson(inner.value, inner.is_cut, True)
    return FoundJson(value) if isinstance(value, (dict, list)) else None


def _among_words(text: str) -> FoundJson | None:
    pieces: list[Any] = []
    first, at, is_cut, is_odd = 0, 0, False, False
    for _ in range(_MOST_ATTEMPTS):
        opening = _OPENING.search(text, at)
        if not opening:
            break
        reading = TolerantJson(text, opening.start())
        value = reading.value()
        if not is_answer(value):
            at = opening.start() + 1
            continue
        first = first if pieces else opening.start()
        pieces.append(value)
        at, is_cut, is_odd = reading.at, reading.is_cut, is_odd or reading.is_odd
    if not pieces:
        return _bare_json(text)
    words = _FENCE.sub("", text[:first]) + _FENCE.sub("", text[at:])
    value = pieces[0] if len(pieces) == 1 else _together(pieces)
    return FoundJson(value, is_cut, is_odd or len(pieces) > 1 or bool(words.strip()))


def _bare_json(text: str) -> FoundJson | None:
    """Find JSON that doesn't look like an answer, or not yet, if there is nothing else."""
    bare = _FENCE.sub("", text, count=1).lstrip()
    if not bare.startswith("{"):
        return None
    reading = TolerantJson(bare)
    return FoundJson(reading.value(), reading.is_cut, reading.is_odd)


def _together(pieces: list[Any]) -> Any:
    """Merge several consecutive values into one."""
    entries = [one for piece in pieces for one in (piece if isinstance(piece, list) else [piece]) if is_entry(one)]
    answers = [piece for piece in pieces if isinstance(piece, dict) and not is_entry(piece)]
    if not answers:
        return entries
    return merged([*([("findings", entries)] if entries else []), *(pair for one in answers for pair in one.items())])
