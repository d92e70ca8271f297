"""Tolerant parser of JSON as models write it: cut off, without commas, with bare or unescaped quotes.

It never fails and takes linear time, so a growing answer can be parsed repeatedly. It doesn't interpret values.

It only checks whether a value looks like an answer; framelens.analysis.parsing.answer_parser interprets it.
"""

import json
import re
from collections.abc import Callable, Collection, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from framelens.core.codec import valid_escapes

_CLOSING = {'"': '"', "'": "'", "“": "”"}  # Chinese quotes, colons and commas count as plain characters
_COMMENT = r"//[^\n]{0,500}|# [^\n]{0,500}|/\*.{0,500}?\*/"
_SPACE = re.compile(rf"(?:[\s,，]|\.\.\.|…|{_COMMENT})*", re.DOTALL)
_GAP = rf"(?:\s|{_COMMENT})*+"
_PLAIN = re.compile(r"[^\"'”\\]+")
_BARE = re.compile(r"[^\s,，:：{}\[\]\"“][^,，:：{}\[\]\"\n]*")
_CLOSED = rf"(?={_GAP}(?:$|[}}\]{{\[]|(?<=\s)[\"“]|\.\.\.|```|[,，]{_GAP}(?:$|[\"'“{{\[}}\]]|\.\.\.)))"
_AFTER_VALUE = re.compile(
    rf"{_GAP}(?:(?P<end>(?:[,，]?{_GAP}[\"“][\w ]{{0,40}}[\"”]?\s*)?$)|(?P<brace>\}}){_CLOSED}|(?P<bracket>\]){_CLOSED}"
    rf"|(?:[,，]{_GAP})?[\"“](?P<key>[\w ]{{1,40}})[\"”]\s*[:：]|,{_GAP}(?P<bare>[A-Za-z_]\w{{0,40}})\s*:"
    rf"|[,，]{_GAP}(?:(?P<next>$|[{{\[}}\]]|\.\.\.)|(?P<item>[\"'“]|-?\d|true\b|false\b|null\b)))",
    re.DOTALL,
)
"""What may follow the quote at the end of a string, see `_ends_value`."""
_END = re.compile(
    rf"{_GAP}[}}\]](?!\s*[^\w\s`<*#({{\[])", re.DOTALL
)  # of the whole value: no sign of a sentence follows
_AFTER_KEY = re.compile(r"\s*(?:$|[:：])")
_CUT_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_BAD_ESCAPE = re.compile(r"\\(?![\"\\/bfnrt]|u[0-9a-fA-F]{4})")
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_DEEPEST = 32  # nested lists and objects
ANSWER_KEYS = ("findings", "title", "overview", "subjects", "chapters", "reply")
_SYNONYMS = {"summary": "overview", "answer": "reply"}
_SCHEMA_TYPES = ("object", "array", "string", "integer", "number")
_ENTRY_KEYS = ("frames", "frame", "first_frame", "text")
_KEYS = frozenset((*ANSWER_KEYS, *_SYNONYMS, *_ENTRY_KEYS, "name", "look"))
_OPENING = re.compile(r"\{\s*[\"'“\w}]|\[\s*\{|\{\s*\Z")
_ESCAPED_OPENING = re.compile(r"[^{]*?[{\[]\s*\\[\"n]")
_FENCE = re.compile(r"```\w*")
_MOST_ATTEMPTS = 24  # openings of JSON to try
_MOST_WRAPPERS = 3  # objects or lists around an answer


class TolerantJson:
    """Parser of a JSON value in `text` from `start` on.

    Attributes:
        text: Text to parse.
        at: Position, after the value once it is parsed.
        is_cut: The text ended too early.
        is_odd: The text was not valid JSON.
        is_unclear: A string may have ended earlier, at one of its quotes that aren't escaped.
    """

    def __init__(self, text: str, start: int = 0, keys: Collection[str] = ()) -> None:
        self.text = text
        self.at = start
        self.is_cut = False
        self.is_odd = False
        self.is_unclear = False
        self._depth = 0
        self._has_bare_key = False
        self._keys = _KEYS.union(keys)

    def value(self, siblings: Set[str] | None = None) -> Any:
        """Parse the value at the current position; return None at the end of the text.

        Args:
            siblings: Keys of its object so far, with its own; None if it isn't in an object.
        """
        self._skip()
        if self._is_cut_here():
            return None
        opening = self.text[self.at]
        if opening in "{[" and self._depth < _DEEPEST:
            self.at += 1
            self._depth += 1
            read = self._object() if opening == "{" else self._list()
            self._depth -= 1
            return read
        return self._string(partial(self._ends_value, siblings)) if opening in _CLOSING else self._bare()

    def _object(self) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        names = set[str]()
        while not self._closes("}"):
            self._has_bare_key = self.text[self.at] not in _CLOSING
            key = self._string(self._ends_key) if self.text[self.at] in _CLOSING else str(self._bare(is_key=True))
            self._skip()
            if self.text.startswith((":", "："), self.at):
                self.at += 1
                names.add(key)
                pairs.append((key, self.value(names)))
            elif not self._is_cut_here():
                self.is_odd = self.is_unclear = True  # remains of a string
        return merged(pairs)

    def _list(self) -> list[Any]:
        values = []
        while not self._closes("]"):
            value = self.value()
            if value is not None:
                values.append(value)
        return values

    def _closes(self, bracket: str) -> bool:
        """Return True if the object or list ends here: by its own bracket, by its parent's, or with the text."""
        self._skip()
        if self._is_cut_here():
            return True
        character = self.text[self.at]
        if character == bracket:
            self.at += 1
        elif character in "}]":
            self.is_odd = True  # its own bracket is missing; the found bracket is left to the parent
            self.at += 1 if self._depth == 1 else 0
        return character in "}]"

    def _ends_key(self, position: int, is_paired: bool) -> bool:
        return bool(_AFTER_KEY.match(self.text, position))

    def _ends_value(self, siblings: Set[str] | None, position: int, is_paired: bool) -> bool | None:
        """Return whether a quote before `position` ends a string, by what follows; None if that can't be decided.

        In an object, a bracket or a known key that it lacks ends a string, in a list a bracket. Anything else that
        could be JSON does so only after quotes in pairs: 'the signs say "Exit", "Name": "Smith"' continues.
        """
        after = _AFTER_VALUE.match(self.text, position)
        if not after:
            return self._depth == 1 and bool(_END.match(self.text, position))
        kind = after.lastgroup
        is_sure = kind in ("end", "next", "bracket" if siblings is None else "brace")
        if siblings is not None and (key := after["key"] or after["bare"]):
            is_sibling = self._depth > 1 or bool(canonical(key)) or not siblings.isdisjoint(_ENTRY_KEYS)
            is_sure = is_sibling and key.lower() in self._keys and key not in siblings
            if after["bare"] and not self._has_bare_key:
                return False
        self.is_unclear |= is_paired and not is_sure and kind in ("brace", "bracket")
        is_possible = is_sure or kind != "item" or siblings is None
        return True if is_sure or (is_possible and is_paired) else None if is_possible else False

    def _string(self, ends: Callable[[int, bool], bool | None]) -> str:
        quote = _CLOSING[self.text[self.at]]
        start = self.at = self.at + 1
        is_paired, was_possible = True, False
        while not self._is_at_end():
            if plain := _PLAIN.match(self.text, self.at):
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if character == quote:
                if is_end := ends(self.at + 1, is_paired or quote == "'"):
                    raw = self.text[start : self.at]
                    self.at += 1
                    self.is_odd |= quote != '"'
                    self.is_unclear |= was_possible and not is_paired
                    return self._unescape(raw)
                self.is_odd, is_paired, was_possible = True, not is_paired, was_possible or is_end is None
            self.at += 2 if character == "\\" else 1
        self.at = len(self.text)
        self.is_cut = True
        return self._unescape(_CUT_ESCAPE.sub(r"\1", self.text[start:]))

    def _unescape(self, raw: str) -> str:
        if "\\" not in raw:
            return raw
        escaped = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', _BAD_ESCAPE.sub(r"\\\\", raw))
        try:
            return str(json.loads(valid_escapes(f'"{escaped}"'), strict=False))
        except ValueError:
            return raw

    def _bare(self, *, is_key: bool = False) -> Any:
        """Parse a number, true, false, null, or words without quotes."""
        match = _BARE.match(self.text, self.at)
        if not match:  # an unexpected bracket or colon
            self.is_odd = True
            self.at += 1
            return None
        self.at = match.end()
        word = match[0].strip()
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
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _is_cut_here(self) -> bool:
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


@dataclass(frozen=True)
class FoundJson:
    """JSON found in an answer.

    Attributes:
        value: A dict, a list or None.
        is_cut: The text ended too early.
        is_odd: The text was not plain JSON.
        is_unclear: Quotes that aren't escaped leave open where strings end.
    """

    value: Any
    is_cut: bool = False
    is_odd: bool = False
    is_unclear: bool = False


def canonical(key: str) -> str:
    """Return the known key that `key` means ("Finding" is "findings", "summary" is "overview"), or ""."""
    bare = re.sub(r"[^a-z]", "", key.lower())
    synonym = _SYNONYMS.get(bare, bare)
    return next((answer_key for answer_key in ANSWER_KEYS if answer_key.rstrip("s") == synonym.rstrip("s")), "")


def is_entry(value: Any) -> bool:
    """Return True if `value` is a statement with frames rather than a whole answer, which holds lists."""
    if not isinstance(value, dict) or not any(key.strip().lower() in _ENTRY_KEYS for key in value):
        return False
    return not any(canonical(key) and isinstance(item, (list, dict)) for key, item in value.items())


def is_schema(value: Any) -> bool:
    """Return True if `value` is a JSON Schema, its properties alone, or what names it: a form in place of an answer."""
    if not isinstance(value, dict) or is_entry(value):
        return False
    parts = value.get("properties")
    entries = [*value.values(), *(parts.values() if isinstance(parts, dict) else ())]
    return any(map(_describes, entries)) or (_describes(value) and not is_answer(value))


def _describes(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("type") in _SCHEMA_TYPES or "$ref" in value or "anyOf" in value)


def is_answer(value: Any) -> bool:
    """Return True if `value` has any part of an answer, at the top or one level down."""
    return _holds_any(value) or (
        isinstance(value, (dict, list)) and any(map(_holds_any, value.values() if isinstance(value, dict) else value))
    )


def _holds_any(value: Any) -> bool:
    return isinstance(value, dict) and (is_entry(value) or any(map(canonical, value)))


def _unwrap(value: Any, depth: int = 0) -> Any:
    """Return the answer that an object wraps, such as the arguments of a tool's call, or `value` itself.

    Objects that hold another part of an answer beside it wrap nothing.
    """
    if depth >= _MOST_WRAPPERS or _holds_lists(value):
        return value
    if isinstance(value, list):
        return _unwrap(value[0], depth + 1) if len(value) == 1 and not is_entry(value[0]) else value
    for key, item in value.items() if isinstance(value, dict) else ():
        parsed = find(item) if isinstance(item, str) and item.lstrip().startswith("{") else None
        inner = _unwrap(parsed.value if parsed else item, depth + 1)
        if _holds_lists(inner) and not any(canonical(other) for other in value if other != key):
            return inner
    return value


def _holds_lists(value: Any) -> bool:
    return isinstance(value, dict) and any(canonical(key) and isinstance(item, list) for key, item in value.items())


def find(text: str, keys: Collection[str] = ()) -> FoundJson | None:
    """Return the JSON of an answer, or None if the text contains no JSON.

    Args:
        text: The answer.
        keys: Keys of its entries, beside the usual keys.
    """
    try:
        value = json.loads(valid_escapes(text), strict=False, object_pairs_hook=merged)
    except (ValueError, RecursionError):
        return _among_words(text, keys)
    if isinstance(value, str) and value != text:  # JSON inside a string
        inner = find(value.strip(), keys)
        return inner and replace(inner, is_odd=True)
    inner = _unwrap(value)
    return FoundJson(inner, is_odd=inner is not value) if isinstance(value, (dict, list)) else None


def _among_words(text: str, keys: Collection[str]) -> FoundJson | None:
    if _ESCAPED_OPENING.match(text):  # JSON escaped as for a string, without the string's quotes
        text = text.replace("\\n", "\n").replace('\\"', '"')
    pieces: dict[str, Any] = {}  # by their text
    first, position, is_cut, is_odd, is_unclear = 0, 0, False, False, False
    schema: FoundJson | None = None
    for _ in range(_MOST_ATTEMPTS):
        opening = _OPENING.search(text, position)
        if not opening:
            break
        reading = TolerantJson(text, opening.start(), keys)
        whole = reading.value()
        value = _unwrap(whole)
        if is_schema(value):
            schema, position = FoundJson(value, reading.is_cut, is_odd=True), reading.at
            continue
        if not is_answer(value):
            position = opening.start() + 1
            continue
        first = first if pieces else opening.start()
        position, is_odd = reading.at, is_odd or reading.is_odd or bool(pieces) or value is not whole
        piece = text[opening.start() : position].rstrip()
        if value in pieces.values() or any(earlier.startswith(piece) for earlier in pieces):
            continue  # the model repeats itself, perhaps up to its limit of tokens
        pieces[piece] = value
        is_cut, is_unclear = reading.is_cut, is_unclear or reading.is_unclear
    if not pieces:
        return schema or _bare_json(text)
    prose = _FENCE.sub("", text[:first]) + _FENCE.sub("", text[position:])
    value, *others = pieces.values()
    return FoundJson(
        _together([value, *others]) if others else value, is_cut, is_odd or bool(prose.strip()), is_unclear
    )


def _bare_json(text: str) -> FoundJson | None:
    """Find JSON that doesn't look like an answer, or not yet, if there is nothing else."""
    bare = _FENCE.sub("", text, count=1).lstrip()
    if not bare.startswith("{"):
        return None
    reading = TolerantJson(bare)
    return FoundJson(reading.value(), reading.is_cut, reading.is_odd, reading.is_unclear)


def _together(pieces: list[Any]) -> Any:
    """Merge consecutive values into a dict, or into a list if all of them are entries."""
    entries = [
        entry for piece in pieces for entry in (piece if isinstance(piece, list) else [piece]) if is_entry(entry)
    ]
    answers = [piece for piece in pieces if isinstance(piece, dict) and not is_entry(piece)]
    if not answers:
        return entries
    return merged(
        [*([("findings", entries)] if entries else []), *(pair for answer in answers for pair in answer.items())]
    )
