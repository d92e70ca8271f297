"""Answers of an engine without a model: JSON for the schema of a request, with a finding for each frame.

No two sentences are alike, since the app takes repeated text for a model in a loop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

_ENTRIES = 2
_WORDS_OF = {"name": 2, "look": 4, "title": 5, "text": 18}
"""How long models write: a sentence of a finding has some 18 words, a name two."""
_CHARACTERS_A_TOKEN = 4
_TEXT_TOKENS = 900
_MARK = re.compile(r"\[frame (\d+)")
_WORDS = ("door", "lamp", "river", "hand", "street", "table", "cloud", "coat", "bird", "wheel", "window", "paper")


def answer_to(body: Mapping[str, Any]) -> str:
    """Return the text of the answer; a letter if one token is requested."""
    if body.get("max_tokens") == 1:
        return "x"
    form = body.get("response_format", {}).get("json_schema", {}).get("schema", {"type": "string"})
    return json.dumps(_made(form, cited(body), count()))


def pieces(text: str) -> list[str]:
    """Split the text into tokens of the usual length."""
    return [text[start : start + _CHARACTERS_A_TOKEN] for start in range(0, len(text), _CHARACTERS_A_TOKEN)]


def prompt_tokens(body: Mapping[str, Any], *, frame_tokens: int) -> int:
    """Count tokens as an engine would, with a fixed cost per image."""
    pictures = sum(1 for part in _parts(body) if part["type"] == "image_url")
    return _TEXT_TOKENS + frame_tokens * pictures


def cited(body: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the frames that were sent, or [1] without frames."""
    texts = (part["text"] for part in _parts(body) if part["type"] == "text")
    return [int(number) for text in texts for number in _MARK.findall(text[:40])] or [1]


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for message in body["messages"]:
        content = message["content"]
        yield from content if isinstance(content, list) else [{"type": "text", "text": content}]


def _sentence(number: int, words: int) -> str:
    chosen = (_WORDS[(number * 5 + place * 7 + place // len(_WORDS)) % len(_WORDS)] for place in range(words))
    return f"{' '.join(chosen)} {number}"


def _made(schema: Mapping[str, Any], frames: Sequence[int], numbers: Iterator[int], key: str = "") -> object:
    match schema:
        case {"enum": [first, *_]}:
            return first
        case {"anyOf": [first, *_]}:
            return _made(first, frames, numbers)
        case {"type": "object", "properties": properties}:
            return {name: _made(value, frames, numbers, name) for name, value in properties.items()}
        case {"type": "array", "items": {"type": "integer"}}:
            return [frames[0]]
        case {"type": "array", "items": items}:
            entries = max(_ENTRIES, len(frames)) if key == "findings" else _ENTRIES
            return [_made(items, frames[place:] or frames, numbers) for place in range(entries)]
        case {"type": "integer"}:
            return frames[0]
        case {"type": "number"}:
            return 1
        case _:
            return _sentence(next(numbers), _WORDS_OF.get(key, _ENTRIES))
