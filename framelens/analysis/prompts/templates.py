"""Report templates: the built-in templates and the user's own, each a TOML file.

A bad file is reported as a problem; the others still work. framelens.analysis.prompts.prompts writes the prompts,
framelens.analysis.prompts.schema the form of answers.

A text may be given in both languages, in either, or as a plain string for both. Nothing is guessed: a misspelt key is
an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic_core import ErrorDetails, PydanticCustomError

from framelens.core.domain import Language
from framelens.core.errors import AppError, ConfigError
from framelens.core.toml_lines import TomlLines, toml_files
from framelens.i18n import language

__all__ = [
    "Field",
    "FieldChoice",
    "FieldKind",
    "Template",
    "Templates",
    "Words",
    "built_in",
    "digest",
]
_ORDER = (
    "describe", "log", "slides", "steps", "sport", "safety", "meeting", "script", "quality", "question",
)  # fmt: skip
FieldKind = Literal["text", "choice", "number"]
MOST_FIELDS = 8
MOST_CHOICES = 32
_UNKNOWN = "unexpected_keyword_argument"  # pydantic's name for a key that a dataclass lacks
_RESERVED = ("frames", "frame", "first_frame", "text")  # keys that every finding has
_MOST_CHARACTERS = {"name": 60, "about": 300, "ask": 4000, "join": 4000}
_ALLOWED = {
    "key": "a-z 0-9 _ -, 1 – 64",
    "needs_question": "true, false",
    "fields": f"[[fields]], <= {MOST_FIELDS}",
    **{key: f'"…", {{ zh = "…", en = "…" }}, 1 – {most}' for key, most in _MOST_CHARACTERS.items()},
}
_ALLOWED_IN_FIELD = {
    **_ALLOWED,
    "key": "a-z 0-9 _, 1 – 32",
    "kind": ", ".join(get_args(FieldKind)),
    "choices": f'["…", {{ key = "…", zh = "…", en = "…" }}], 2 – {MOST_CHOICES}; kind = "choice"',
    "quoted": "true, false",
}
"""What errors name as allowed values, by key."""


class Templates:
    """All templates by key, built-in templates first, and the problems of files that could not be loaded.

    They are read at the first access: most commands need no template, and reading takes a fifth of their time.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Name the folder of the user's own templates, *.toml files; a missing folder counts as empty."""
        self._folder = folder

    @property
    def by_key(self) -> Mapping[str, Template]:
        """Return the templates; the user's own are sorted by the names of their files."""
        return self._read[0]

    @property
    def problems(self) -> tuple[AppError, ...]:
        """Return why files were left out. A key that is already in use is a problem; the first template is kept."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Mapping[str, Template], tuple[AppError, ...]]:
        templates = dict(built_in())
        problems: list[AppError] = []
        for entry in _own(self._folder) if self._folder else ():
            if isinstance(entry, AppError):
                problems.append(entry)
            elif entry[1].key in templates:
                problems.append(ConfigError("template_taken", file=str(entry[0]), key=entry[1].key))
            else:
                templates[entry[1].key] = entry[1]
        return MappingProxyType(templates), tuple(problems)

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
    folder = files("framelens.analysis") / "templates"
    texts = {key: (folder / f"{key}.toml").read_text(encoding="utf-8") for key in _ORDER}
    return MappingProxyType({key: parse(text, file=f"{key}.toml", stem=key) for key, text in texts.items()})


def digest(template: Template) -> str:
    """Return the SHA-256 in hex of the template's content, which doesn't depend on the file."""
    return hashlib.sha256(json.dumps(asdict(template), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _own(folder: Path) -> Iterator[tuple[Path, Template] | AppError]:
    return toml_files(
        folder,
        lambda text, path: (path, parse(text, file=str(path), stem=path.stem)),
        unreadable="template_unreadable",
        not_toml="template_not_toml",
        too_many="template_files_many",
    )


@dataclass(frozen=True)
class Words:
    """A text in each language."""

    zh: str = ""
    en: str = ""

    @property
    def text(self) -> str:
        """Return the text in the language of the context."""
        return self.zh if language() == "zh" else self.en


def _both_languages(most: int) -> pydantic.BeforeValidator:
    """Return the validator of a text: a string for both languages or a table; a missing language takes the other."""
    text = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1, max_length=most)]
    table = pydantic.TypeAdapter(Annotated[dict[Language, text], pydantic.Field(min_length=1)])

    def validate(value: object) -> Words:
        if isinstance(value, Words):
            return value
        texts = table.validate_python({"zh": value, "en": value} if isinstance(value, str) else value)
        either = next(iter(texts.values()))
        return Words(texts.get("zh", either), texts.get("en", either))

    return pydantic.BeforeValidator(validate)


def _choice_table(value: object) -> object:
    """Return the table of a choice: a string is its key and its name, and a table has the names beside the key."""
    if isinstance(value, str):
        return {"key": value, "name": value}
    if not isinstance(value, dict):
        return value
    names = {language: name for language, name in value.items() if language != "key"}
    return {"key": value.get("key", names.get("en", names.get("zh"))), "name": names}


def _field_table(value: object) -> object:
    return {**_name_of(value), "about": Words(), **value} if isinstance(value, dict) else value


def _name_of(table: Mapping[str, Any]) -> dict[str, Words]:
    key = table.get("key")
    return {"name": Words(key, key)} if isinstance(key, str) else {}


@dataclass(frozen=True)
class FieldChoice:
    """Value of a field of kind "choice". The model reads and writes its name."""

    key: Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
    name: Annotated[Words, _both_languages(_MOST_CHARACTERS["name"])]


_Choice = Annotated[FieldChoice, pydantic.BeforeValidator(_choice_table)]


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

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")

    key: Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    kind: FieldKind
    name: Annotated[Words, _both_languages(_MOST_CHARACTERS["name"])]
    about: Annotated[Words, _both_languages(_MOST_CHARACTERS["about"])]
    choices: Annotated[tuple[_Choice, ...], pydantic.Field(min_length=2, max_length=MOST_CHOICES)] = ()
    quoted: Annotated[bool, pydantic.Strict()] = False


def _with_choices(field: Field) -> Field:
    """Check that only a choice field has choices, that it has some, and that no two are alike."""
    if field.kind == "choice" and not field.choices:
        raise PydanticCustomError("missing", "no choices", {"key": "choices"})
    if field.kind != "choice" and field.choices:
        keys = [choice.key for choice in field.choices]
        raise PydanticCustomError("value", "choices of another kind", {"key": "choices", "given": keys})
    for values in zip(*((choice.key, choice.name.zh, choice.name.en) for choice in field.choices), strict=True):
        _no_two(values, "choices")
    return field


def _with_own_keys(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    _no_two((*_RESERVED, *(field.key for field in fields)), "key")
    return fields


def _no_two(values: tuple[str, ...], key: str) -> None:
    """Check that no value is there twice; the error has the place of the second among the fields."""
    for index, value in enumerate(values):
        if value in values[:index]:
            second = index - len(_RESERVED) + 1
            raise PydanticCustomError("twice", "twice", {"key": key, "twice": value, "place": second})


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

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")

    key: Annotated[str, pydantic.StringConstraints(pattern=r"^\w[\w-]{0,63}$")]
    name: Annotated[Words, _both_languages(_MOST_CHARACTERS["name"])]
    about: Annotated[Words, _both_languages(_MOST_CHARACTERS["about"])]
    ask: Annotated[Words, _both_languages(_MOST_CHARACTERS["ask"])]
    join: Annotated[Words, _both_languages(_MOST_CHARACTERS["join"])]
    fields: Annotated[
        tuple[Annotated[Field, pydantic.BeforeValidator(_field_table), pydantic.AfterValidator(_with_choices)], ...],
        pydantic.Field(max_length=MOST_FIELDS),
        pydantic.AfterValidator(_with_own_keys),
    ] = ()
    needs_question: Annotated[bool, pydantic.Strict()] = False


@cache
def _adapter() -> pydantic.TypeAdapter[Template]:
    return pydantic.TypeAdapter(Template)


def parse(text: str, *, file: str, stem: str) -> Template:
    """Parse a template.

    Args:
        text: Content of the file.
        file: Path of the file, for errors.
        stem: Key of a template that sets no key.

    Raises:
        ConfigError: The text is not TOML, or a key or value is wrong; with the line.
    """
    lines = TomlLines(text)
    table = {"key": re.sub(r"[^\w-]+", "-", stem), **lines.parsed(file=file, error_key="template_not_toml")}
    try:
        return _adapter().validate_python({**_name_of(table), "about": Words(), "join": Words(), **table})
    except pydantic.ValidationError as error:
        # A misspelt key is the cause of a missing key.
        problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != _UNKNOWN)
        raise _as_config_error(problems[0], file, lines) from error


def _as_config_error(error: ErrorDetails, file: str, lines: TomlLines) -> ConfigError:
    location, context = error["loc"], error.get("ctx", {})
    is_in_field = len(location) > 1 and location[0] == "fields"
    number = int(location[1]) + 1 if is_in_field else context.get("place", 0)
    position = ("fields", number) if number else None
    inner = location[2:] if is_in_field else location
    key = context.get("key") or (str(inner[0]) if inner else "fields")
    line = lines.line(key, position)
    allowed = _ALLOWED_IN_FIELD if position else _ALLOWED
    if error["type"] == "missing":
        return ConfigError("template_key_missing", file=file, line=lines.line("", position), key=key)
    if error["type"] == _UNKNOWN:
        names = ", ".join(field.name for field in fields(Field if position else Template))
        return ConfigError("template_key_unknown", file=file, line=line, key=key, allowed=names)
    if error["type"] == "twice":
        return ConfigError("template_key_twice", file=file, line=line, key=key, given=context["twice"])
    value = repr(context.get("given", error["input"]))
    shown = value if len(value) <= 80 else f"{value[:77]}…"
    return ConfigError("template_value", file=file, line=line, key=key, given=shown, allowed=allowed[key])
