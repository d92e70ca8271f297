"""Report templates: the built-in ones and those of a user's folder, each a TOML file.

A bad file is reported as a problem; the others still work. app.analysis.prompts.prompts writes the prompts,
app.analysis.prompts.schema the form of answers.

A text may be given in both languages, in one, or as a plain string for both. Nothing is guessed: a misspelt key is an
error. app.analysis.prompts.templates finds the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from app.core import AppError, ConfigError, Language

__all__ = ["Field", "FieldChoice", "FieldKind", "Template", "Templates", "Words", "built_in", "digest", "load"]
_ORDER = (
    "describe", "log", "slides", "steps", "sport", "safety", "meeting", "script", "quality", "question",
)  # fmt: skip
_MOST_BYTES = 256 * 1024  # of a file; chosen by hand, not tuned
_MOST_FILES = 200  # of the folder; chosen by hand, not tuned
FieldKind = Literal["text", "choice", "number"]
MOST_FIELDS = 8
MOST_CHOICES = 32
_TEMPLATE_KEY = (re.compile(r"\w[\w-]{0,63}"), "a-z 0-9 _ -, 1 – 64")
_FIELD_KEY = (re.compile(r"[a-z][a-z0-9_]{0,31}"), "a-z 0-9 _, 1 – 32")
_RESERVED = ("frames", "frame", "first_frame", "text")  # keys that every finding has
_TEMPLATE_KEYS = ("key", "name", "about", "ask", "join", "needs_question", "fields")
_FIELD_KEYS = ("key", "kind", "name", "about", "choices", "quoted")
_MOST_CHARACTERS = {"name": 60, "about": 300, "ask": 4000, "join": 4000}


@dataclass(frozen=True)
class Templates:
    """All templates by key, built-in ones first, and the problems of files that could not be loaded."""

    by_key: Mapping[str, Template]
    problems: tuple[AppError, ...] = field(default=())

    def find(self, key: str) -> Template:
        """Return the template with this key.

        Raises:
            ConfigError: No template has the key.
        """
        if key not in self.by_key:
            raise ConfigError("template_absent", key=key, allowed=", ".join(self.by_key))
        return self.by_key[key]


@cache
def built_in() -> Mapping[str, Template]:
    """Return the templates of FrameLens by key, in the order of the menu."""
    folder = files("app.analysis") / "templates"
    texts = {key: (folder / f"{key}.toml").read_text(encoding="utf-8") for key in _ORDER}
    return MappingProxyType({key: parse(text, file=f"{key}.toml", stem=key) for key, text in texts.items()})


def load(folder: Path | None) -> Templates:
    """Load the built-in templates and those of the *.toml files in `folder`, sorted by name.

    A missing folder counts as empty. A file whose key is already in use is a problem; the first one is kept.
    """
    found = dict(built_in())
    problems: list[AppError] = []
    for one in _own(folder) if folder else ():
        if isinstance(one, AppError):
            problems.append(one)
        elif one[1].key in found:
            problems.append(ConfigError("template_taken", file=str(one[0]), key=one[1].key))
        else:
            found[one[1].key] = one[1]
    return Templates(MappingProxyType(found), tuple(problems))


def digest(template: Template) -> str:
    """Return the SHA-256 in hex of the template's content, which doesn't depend on the file."""
    return hashlib.sha256(json.dumps(asdict(template), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _own(folder: Path) -> Iterator[tuple[Path, Template] | AppError]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".toml") if folder.is_dir() else []
    except OSError as error:
        yield ConfigError("template_unreadable", file=str(folder), reason=error.strerror or str(error))
        return
    if len(paths) > _MOST_FILES:
        yield ConfigError("template_files_many", folder=str(folder), count=len(paths), most=_MOST_FILES)
    for path in paths[:_MOST_FILES]:
        try:
            yield path, parse(_read(path), file=str(path), stem=path.stem)
        except AppError as error:
            yield error


def _read(path: Path) -> str:
    """Read a file with or without a byte order mark; raise ConfigError if that fails."""
    try:
        if not path.is_file():
            raise ConfigError("template_unreadable", file=str(path), reason="not a file")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ConfigError("template_unreadable", file=str(path), reason=f"> {_MOST_BYTES} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError("template_unreadable", file=str(path), reason=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError("template_not_toml", file=str(path), line=line, reason="not UTF-8") from error


@dataclass(frozen=True)
class Words:
    """A text in each language."""

    zh: str = ""
    en: str = ""

    def of(self, language: Language) -> str:
        """Return the text in `language`."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True)
class FieldChoice:
    """Value of a field of kind "choice". The model reads and writes its name."""

    key: str
    name: Words


@dataclass(frozen=True)
class Field:
    """Field of a finding, besides its text.

    Attributes:
        key: Key in the JSON of the answer.
        kind: "text", "choice" or "number".
        name: Name for people.
        about: Explanation for the model.
        choices: Allowed values of kind "choice".
        quoted: The value is copied from the picture, so that "21:15" in it is not a time that the model claims.
    """

    key: str
    kind: FieldKind
    name: Words
    about: Words
    choices: tuple[FieldChoice, ...] = ()
    quoted: bool = False


@dataclass(frozen=True)
class Template:
    """Kind of report.

    Attributes:
        key: Unique key.
        name: Name for people.
        about: One line for people.
        ask: Prompt about frames.
        join: Prompt about the whole video; may be empty.
        fields: Fields of each finding.
        needs_question: The template needs a question of the user.
    """

    key: str
    name: Words
    about: Words
    ask: Words
    join: Words
    fields: tuple[Field, ...] = ()
    needs_question: bool = False


def parse(text: str, *, file: str, stem: str) -> Template:
    """Parse a template.

    Args:
        text: Content of the file.
        file: Path of the file, for errors.
        stem: Key of a template that names none.

    Raises:
        ConfigError: The text is not TOML, or a key or value is wrong; with the line.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: a number of 5,000 digits, 1,000 brackets
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise ConfigError("template_not_toml", file=file, line=line, reason=str(error)) from error
    return _Reader(text, file).template(table, stem)


class _Reader:
    """Validator of one file's values; `_wrong` finds the line."""

    def __init__(self, text: str, file: str) -> None:
        self._lines = text.splitlines()
        self._file = file

    def template(self, table: Mapping[str, Any], stem: str) -> Template:
        self._known(table, _TEMPLATE_KEYS, 0)
        key = self._key({"key": re.sub(r"[^\w-]+", "-", stem), **table}, 0, *_TEMPLATE_KEY)
        return Template(
            key=key,
            name=self._words(table, "name", 0, default=key),
            about=self._words(table, "about", 0, default=""),
            ask=self._words(table, "ask", 0),
            join=self._words(table, "join", 0, default=""),
            fields=self._fields(table.get("fields", [])),
            needs_question=self._flag(table, "needs_question", 0),
        )

    def _fields(self, given: Any) -> tuple[Field, ...]:
        if not isinstance(given, list) or len(given) > MOST_FIELDS or not all(isinstance(one, dict) for one in given):
            raise self._wrong("fields", given, f"[[fields]], <= {MOST_FIELDS}", 0)
        fields = tuple(self._field(table, place) for place, table in enumerate(given, 1))
        for place, one in enumerate(fields, 1):
            if one.key in [*_RESERVED, *(other.key for other in fields[: place - 1])]:
                raise self._twice("key", one.key, place)
        return fields

    def _field(self, table: Mapping[str, Any], place: int) -> Field:
        self._known(table, _FIELD_KEYS, place)
        key = self._key(table, place, *_FIELD_KEY)
        kind = self._required(table, "kind", place)
        if kind not in get_args(FieldKind):
            raise self._wrong("kind", kind, ", ".join(get_args(FieldKind)), place)
        return Field(
            key=key,
            kind=kind,
            name=self._words(table, "name", place, default=key),
            about=self._words(table, "about", place, default=""),
            choices=self._choices(table, place) if kind == "choice" else self._no_choices(table, place),
            quoted=self._flag(table, "quoted", place),
        )

    def _choices(self, table: Mapping[str, Any], place: int) -> tuple[FieldChoice, ...]:
        given = self._required(table, "choices", place)
        if not isinstance(given, list) or not 2 <= len(given) <= MOST_CHOICES:
            raise self._wrong("choices", given, f"[…], 2 – {MOST_CHOICES}", place)
        choices = tuple(self._choice(one, place) for one in given)
        for column in zip(*((one.key, one.name.zh, one.name.en) for one in choices), strict=True):
            for value in column:
                if column.count(value) > 1:
                    raise self._twice("choices", value, place)
        return choices

    def _choice(self, given: Any, place: int) -> FieldChoice:
        if isinstance(given, str):
            given = {"key": given, "zh": given, "en": given}
        if not isinstance(given, dict) or set(given) - {"key", "zh", "en"}:
            raise self._wrong("choices", given, '"…", { key = "…", zh = "…", en = "…" }', place)
        words = self._words({"choices": {k: v for k, v in given.items() if k != "key"}}, "choices", place, most=60)
        key = given.get("key", words.en)
        if not isinstance(key, str) or not key.strip():
            raise self._wrong("choices", given, 'key = "…"', place)
        return FieldChoice(key.strip(), words)

    def _no_choices(self, table: Mapping[str, Any], place: int) -> tuple[FieldChoice, ...]:
        if "choices" in table:
            raise self._wrong("choices", table["choices"], 'kind = "choice"', place)
        return ()

    def _key(self, table: Mapping[str, Any], place: int, form: re.Pattern[str], allowed: str) -> str:
        key = self._required(table, "key", place)
        if not isinstance(key, str) or not form.fullmatch(key):
            raise self._wrong("key", key, allowed, place)
        return key

    def _flag(self, table: Mapping[str, Any], key: str, place: int) -> bool:
        given = table.get(key, False)
        if not isinstance(given, bool):
            raise self._wrong(key, given, "true, false", place)
        return given

    def _words(
        self, table: Mapping[str, Any], key: str, place: int, *, default: str | None = None, most: int | None = None
    ) -> Words:
        """Return a text in both languages; a missing one is replaced by the other."""
        if key not in table and default is not None:
            return Words(default, default)
        given = self._required(table, key, place)
        texts = {"zh": given, "en": given} if isinstance(given, str) else given
        most = most or _MOST_CHARACTERS[key]
        allowed = f'"…", {{ zh = "…", en = "…" }}, 1 – {most}'
        if not isinstance(texts, dict) or not texts or set(texts) - {"zh", "en"}:
            raise self._wrong(key, given, allowed, place)
        for text in texts.values():
            if not isinstance(text, str) or not 0 < len(text.strip()) <= most:
                raise self._wrong(key, text, allowed, place)
        return Words(*(str(texts.get(one, texts.get(other))).strip() for one, other in (("zh", "en"), ("en", "zh"))))

    def _required(self, table: Mapping[str, Any], key: str, place: int) -> Any:
        if key not in table:
            raise ConfigError("template_key_missing", file=self._file, line=self._line("", place), key=key)
        return table[key]

    def _known(self, table: Mapping[str, Any], allowed: tuple[str, ...], place: int) -> None:
        for key in table:
            if key not in allowed:
                line = self._line(key, place)
                raise ConfigError(
                    "template_key_unknown", file=self._file, line=line, key=key, allowed=", ".join(allowed)
                )

    def _wrong(self, key: str, given: object, allowed: str, place: int) -> ConfigError:
        shown = repr(given) if len(repr(given)) <= 80 else f"{repr(given)[:77]}…"
        return ConfigError(
            "template_value", file=self._file, line=self._line(key, place), key=key, given=shown, allowed=allowed
        )

    def _twice(self, key: str, given: str, place: int) -> ConfigError:
        return ConfigError("template_key_twice", file=self._file, line=self._line(key, place), key=key, given=given)

    def _line(self, key: str, place: int) -> int:
        """Return the line, from 1, that sets `key`: at the top (place 0) or in field number `place`."""
        heads = [number for number, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*fields\s*\]\]", line)]
        start = heads[place - 1] if 0 < place <= len(heads) else 0
        end = heads[place] if place < len(heads) and key != "fields" else len(self._lines)
        setting = re.compile(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[\].=]")
        found = (number for number in range(start, end) if key and setting.match(self._lines[number]))
        return next(found, start) + 1
