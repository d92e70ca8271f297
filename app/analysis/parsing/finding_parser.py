"""Tolerant parser of the entries in an answer's lists: frames, template fields, text.

A frame number may be written as 3, "3", "frame 3", "1-3" or in a list; a time in its place is an issue. Values without
a field of their own are kept in the text. app.analysis.parsing.answer_parser finds the lists.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.analysis.parsing import citations
from app.analysis.prompts.templates import Field
from app.core import Finding, Language

FRAME_KEYS = ("first_frame", "frames", "frame", "frame_numbers", "frame_number", "start_frame", "帧", "帧编号")
_TEXT_KEYS = ("text", "description", "content", "sentence", "summary")
TIME = re.compile(r"\d\s*[.:：]\s*\d|\d\s*(?:s\b|sec|秒|分)", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d{1,15}(?:\.\d{1,9})?")
_UNSAID = ("…", "...", "null", "none", "n/a")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\s]+")
_MOST_NUMBERS = 512  # frame numbers of an entry; chosen by hand, not tuned
DEEPEST = 6  # nested lists and objects; chosen by hand, not tuned


class FindingParser:
    """Parser of one answer's entries. `note_odd` is called for each deviation from the form."""

    def __init__(self, language: Language, times: Mapping[int, float], note_odd: Callable[[], None]) -> None:
        self._language = language
        self._times = times
        self._note_odd = note_odd

    def findings(self, items: list[Any], fields: Sequence[Field]) -> tuple[Finding, ...]:
        """Return the findings on single frames without duplicates; a bare line starts with its frame: "3: …"."""
        return self._read(items, fields, citations.findings)

    def statements(self, items: list[Any]) -> tuple[Finding, ...]:
        """Return the statements on several frames; a number before a bare line counts lines, not frames."""
        return self._read(items, (), citations.statements)

    def _read(
        self,
        items: list[Any],
        fields: Sequence[Field],
        lines: Callable[[str, Mapping[int, float]], tuple[Finding, ...]],
    ) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for item in flat(items):
            if isinstance(item, dict):
                found += self._finding(item, fields)
            else:
                self._note_odd()
                pieces = item.splitlines() if isinstance(item, str) else [item]
                found += lines("\n".join(map(as_line, pieces)), self._times)
        once: dict[object, Finding] = {}
        for one in found:
            once.setdefault((one.text, one.frames, tuple(one.fields.items())), one)
        return tuple(once.values())

    def _finding(self, item: Mapping[str, Any], fields: Sequence[Field]) -> Iterator[Finding]:
        given = folded_keys(item)
        own, issues = self.frames(next((given.pop(key) for key in FRAME_KEYS if key in given), []))
        values: dict[str, str] = {}
        for field in fields:
            names = [name for name in (field.key, field.name.en.lower(), field.name.zh) if name in given]
            value, is_known = self._field(field, given.pop(names[0]) if names else None)
            if value:
                values[field.key] = value
            issues += [] if is_known else ["unknown_value"]
        text = next((words for key in _TEXT_KEYS if key in given and (words := as_line(given.pop(key)))), "")
        more = [f"{key}: {words}" if key else words for key, value in given.items() if (words := as_line(value))]
        if more:
            self._note_odd()
        text = f"{text} ({'; '.join(more)})" if text and more else text or "; ".join(more) or ", ".join(values.values())
        if text:
            quoted = [field.key for field in fields if field.quoted]
            yield citations.finding(text, own, self._times, fields=values, quoted=quoted, issues=issues)

    def _field(self, field: Field, value: Any) -> tuple[str, bool]:
        """Return the value in the report's language, and whether the field allows it."""
        words = as_line(value)
        if field.kind == "number":
            return words, not words or bool(_NUMBER.fullmatch(words))
        if field.kind == "text" or not words:
            return words, True
        for choice in field.choices:
            if _folded(words) in {_folded(one) for one in (choice.name.zh, choice.name.en, choice.key)}:
                return choice.name.of(self._language), True
        return words, False

    def frames(self, value: Any, depth: int = 0) -> tuple[list[int], list[str]]:
        """Return the frame numbers in `value`, and their issues: "own_time" for a time in place of a number."""
        if isinstance(value, (list, tuple, dict)) and depth < DEEPEST:
            if depth > 0 or isinstance(value, dict):
                self._note_odd()
            entries = list(value.values()) if isinstance(value, dict) else value
            read = [self.frames(one, depth + 1) for one in entries[:_MOST_NUMBERS]]
            return sorted({number for own, _ in read for number in own}), [issue for _, more in read for issue in more]
        if isinstance(value, int) and not isinstance(value, bool):
            if depth == 0:
                self._note_odd()
            return [value], []
        if value is None or isinstance(value, bool):
            return [], []
        self._note_odd()
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            return [int(value)], []
        text = as_line(value)
        if cited := citations.cited_in(text):
            return cited, []
        if TIME.search(text):
            return [], ["own_time"]
        return citations.numbers_in(text)[:_MOST_NUMBERS], []


def folded_keys(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry with its keys in lower case and underscores for spaces."""
    return {as_line(key).lower().replace(" ", "_"): value for key, value in item.items()}


def flat(items: list[Any], depth: int = 0) -> Iterator[Any]:
    """Yield the items of nested lists, without None."""
    for item in items:
        if isinstance(item, list) and depth < DEEPEST:
            yield from flat(item, depth + 1)
        elif item is not None:
            yield item


def _folded(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def as_line(value: Any, depth: int = 0) -> str:
    """Return any value as one clean line; "" for a placeholder such as the "…" of the form itself."""
    if isinstance(value, (list, dict)):
        if depth == DEEPEST:
            return "…"
        entries = value.items() if isinstance(value, dict) else (("", one) for one in value)
        pairs = ((as_line(key), as_line(one, depth + 1)) for key, one in entries)
        return ", ".join(f"{key}: {words}" if key else words for key, words in pairs if words)
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
        return "…"
    text = "" if value is None else _CONTROL.sub(" ", str(value)).strip()
    return "" if text.lower() in _UNSAID else text
