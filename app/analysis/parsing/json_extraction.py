"""Finds the JSON in an answer: alone, in fences, among words, behind thoughts, in several pieces, or cut off.

What the values mean is known to app.analysis.parsing.answer_parser; here only whether something looks like an answer at
all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from app.analysis.parsing.tolerant_json import Lenient, merged

ANSWER_KEYS = ("findings", "title", "overview", "subjects", "chapters", "reply")
_SYNONYMS = {"summary": "overview", "answer": "reply"}
_ENTRY_KEYS = ("frames", "frame", "first_frame", "text")
_THOUGHTS = re.compile(r"^\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_OPENING = re.compile(r"\{\s*[\"'“\w}]|\[\s*\{|\{\s*\Z")
_FENCE = re.compile(r"```\w*")
_MOST_TRIALS = 24


@dataclass(frozen=True)
class Found:
    """`value` is a dict, a list or None. The flags tell how it was come by."""

    value: Any
    is_cut: bool = False
    is_odd: bool = False


def canonical(key: str) -> str:
    """The key of an answer that is meant: "Finding" is "findings", "summary" is "overview"; "" for another."""
    bare = re.sub(r"[^a-z]", "", key.lower())
    meant = _SYNONYMS.get(bare, bare)
    return next((known for known in ANSWER_KEYS if known.rstrip("s") == meant.rstrip("s")), "")


def is_entry(value: Any) -> bool:
    """Whether it is one statement with frames rather than a whole answer, which holds lists."""
    if not isinstance(value, dict) or not any(key.strip().lower() in _ENTRY_KEYS for key in value):
        return False
    return not any(canonical(key) and isinstance(one, (list, dict)) for key, one in value.items())


def is_answer(value: Any) -> bool:
    """Whether it holds anything that an answer holds, at once or one level down."""
    return _holds_any(value) or (
        isinstance(value, (dict, list)) and any(map(_holds_any, value.values() if isinstance(value, dict) else value))
    )


def _holds_any(value: Any) -> bool:
    return isinstance(value, dict) and (is_entry(value) or any(map(canonical, value)))


def without_thoughts(answer: str) -> str:
    """An answer without the <think> … </think> that some models begin with, finished or not."""
    return _THOUGHTS.sub("", answer.replace("\ufeff", "")).strip()


def find(text: str) -> Found | None:
    """The JSON of an answer without thoughts; None where there is none."""
    try:
        value = json.loads(text, strict=False, object_pairs_hook=merged)
    except (ValueError, RecursionError):
        return _among_words(text)
    if isinstance(value, str) and value != text:  # JSON that was put into a string
        inner = find(value.strip())
        return inner and Found(inner.value, inner.is_cut, True)
    return Found(value) if isinstance(value, (dict, list)) else None


def _among_words(text: str) -> Found | None:
    pieces: list[Any] = []
    first, at, is_cut, is_odd = 0, 0, False, False
    for _ in range(_MOST_TRIALS):
        opening = _OPENING.search(text, at)
        if not opening:
            break
        reading = Lenient(text, opening.start())
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
    return Found(value, is_cut, is_odd or len(pieces) > 1 or bool(words.strip()))


def _bare_json(text: str) -> Found | None:
    """JSON that does not look like an answer, or not yet, where there is nothing else."""
    bare = _FENCE.sub("", text, count=1).lstrip()
    if not bare.startswith("{"):
        return None
    reading = Lenient(bare)
    return Found(reading.value(), reading.is_cut, reading.is_odd)


def _together(pieces: list[Any]) -> Any:
    """Several values that follow one another, as one."""
    entries = [one for piece in pieces for one in (piece if isinstance(piece, list) else [piece]) if is_entry(one)]
    answers = [piece for piece in pieces if isinstance(piece, dict) and not is_entry(piece)]
    if not answers:
        return entries
    return merged([*([("findings", entries)] if entries else []), *(pair for one in answers for pair in one.items())])
