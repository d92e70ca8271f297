"""Tolerant parser of JSON as models write it: cut off, without commas, with bare or unescaped quotes.

It never fails and takes linear time, so a growing answer can be parsed repeatedly. It doesn't interpret values.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CLOSING = {'"': '"', "'": "'", "“": "”"}  # Chinese quotes, colons and commas are taken for the plain ones
_SPACE = re.compile(r"[\s,，]*")
_PLAIN = re.compile(r"[^\"'”\\]+")
_BARE = re.compile(r"[^\s,，:：{}\[\]\"“][^,，:：{}\[\]\"\n]*")
# A quote ends a string if the end, a bracket, or a comma and the next value follow. A colon ends only keys.
_AFTER_VALUE = re.compile(r"\s*(?:$|[}\]]|[,，]\s*(?:$|[\"'“{\[}\]]|-?\d|true\b|false\b|null\b|\w+\s*[:：]))")
_AFTER_KEY = re.compile(r"\s*(?:$|[:：])")
_CUT_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_BAD_ESCAPE = re.compile(r"\\(?![\"\\/bfnrt]|u[0-9a-fA-F]{4})")
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_DEEPEST = 32  # nested lists and objects; chosen by hand, not tuned


class TolerantJson:
    """Parser of one JSON value in `text` from `start` on.

    Attributes:
        text: Text to parse.
        at: Position, after the value once it is parsed.
        is_cut: The text ended too early.
        is_odd: The text was not valid JSON.
    """

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.at = start
        self.is_cut = False
        self.is_odd = False
        self._depth = 0

    def value(self) -> Any:
        """Parse the value at the current position; return None if there is none."""
        self._skip()
        if self._ended():
            return None
        opening = self.text[self.at]
        if opening in "{[" and self._depth < _DEEPEST:
            self.at += 1
            self._depth += 1
            read = self._object() if opening == "{" else self._list()
            self._depth -= 1
            return read
        return self._string(_AFTER_VALUE) if opening in _CLOSING else self._bare()

    def _object(self) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        while not self._closes("}"):
            key = self._string(_AFTER_KEY) if self.text[self.at] in _CLOSING else str(self._bare(is_key=True))
            self._skip()
            if self.text.startswith((":", "："), self.at):
                self.at += 1
                pairs.append((key, self.value()))
            elif not self._ended():
                self.is_odd = True
                pairs.append((key, ""))  # a string without a value: kept as a key
        return merged(pairs)

    def _list(self) -> list[Any]:
        values = []
        while not self._closes("]"):
            value = self.value()
            if value is not None:
                values.append(value)
        return values

    def _closes(self, bracket: str) -> bool:
        """Return True if the object or list ends here: by its bracket, by that of its parent, or with the text."""
        self._skip()
        if self._ended():
            return True
        found = self.text[self.at]
        if found == bracket:
            self.at += 1
        elif found in "}]":
            self.is_odd = True  # its own bracket is missing; this one is left to the parent
            self.at += 1 if self._depth == 1 else 0
        return found in "}]"

    def _string(self, after: re.Pattern[str]) -> str:
        quote = _CLOSING[self.text[self.at]]
        start = self.at = self.at + 1
        while not self._is_at_end():
            if plain := _PLAIN.match(self.text, self.at):
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if character == quote and after.match(self.text, self.at + 1):
                raw = self.text[start : self.at]
                self.at += 1
                self.is_odd |= quote != '"'
                return self._unescaped(raw)
            self.is_odd |= character == quote
            self.at += 2 if character == "\\" else 1
        self.at = len(self.text)
        self.is_cut = True
        return self._unescaped(_CUT_ESCAPE.sub(r"\1", self.text[start:]))

    def _unescaped(self, raw: str) -> str:
        if "\\" not in raw:
            return raw
        escaped = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', _BAD_ESCAPE.sub(r"\\\\", raw))
        try:
            return str(json.loads(f'"{escaped}"', strict=False))
        except ValueError:
            return raw

    def _bare(self, *, is_key: bool = False) -> Any:
        """Parse a number, true, false, null, or words without quotes."""
        found = _BARE.match(self.text, self.at)
        if not found:  # an unexpected bracket or colon
            self.is_odd = True
            self.at += 1
            return None
        self.at = found.end()
        word = found[0].strip()
        if self._is_at_end() and not is_key:
            self.is_cut = True
            return None  # "1" may be the beginning of "12"
        if word.lower() in _WORDS:
            return _WORDS[word.lower()]
        try:
            return json.loads(word)
        except (ValueError, RecursionError):
            self.is_odd = True
            return word

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _ended(self) -> bool:
        self.is_cut |= self._is_at_end()
        return self._is_at_end()

    def _is_at_end(self) -> bool:
        return self.at >= len(self.text)


def merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its pairs; values of a repeated key are combined, not lost."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key not in table or table[key] in (None, "", []):
            table[key] = value
        elif isinstance(table[key], list):
            table[key] = [*table[key], *(value if isinstance(value, list) else [value])]
        elif value not in (None, "", []):
            table[key] = [table[key], *(value if isinstance(value, list) else [value])]
    return table
