"""Texts of the product: `t(key, language, **values)` reads zh.toml or en.toml, which have equal key sets.

A text chooses between singular and plural with `{n:finding|findings}`: the first word where the value is one.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, get_args

from app.core.domain import Language, Notice
from app.core.errors import AppError

LANGUAGES: tuple[Language, ...] = get_args(Language)


class _PluralFormatter(Formatter):
    """`str.format` with one more format: "one|many" is the word that goes with a number."""

    def format_field(self, value: Any, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if bar:
            return one if value == 1 or str(value) == "1" else many
        return str(super().format_field(value, format_spec))


_FORMATTER = _PluralFormatter()


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """All texts of one language by dotted key."""
    return dict(_flat(tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))))


def t(key: str, language: Language, /, **values: object) -> str:
    """The text of `key` in `language` with `{name}` places filled. Raises KeyError for a key that has no text."""
    return _FORMATTER.vformat(catalogue(language)[key], (), values)


def sentences(texts: Iterable[str], language: Language) -> str:
    """Join whole sentences; Chinese has no space between them. Empty ones are left out."""
    return ("" if language == "zh" else " ").join(filter(None, texts))


def labelled(label: str, value: str, language: Language) -> str:
    """Return "label: value" with the colon of the language."""
    return t("ui.labelled", language, label=label, value=value)


def error_text(error: AppError, language: Language) -> str:
    """What the user reads of an error."""
    return t(f"error.{error.key}", language, **error.values)


def notice_text(notice: Notice, language: Language) -> str:
    """What the user reads of a notice; values that are notices themselves are put into words first."""
    values = {
        name: notice_text(value, language) if isinstance(value, Notice) else value
        for name, value in notice.values.items()
    }
    # A notice may have been kept by an earlier version, whose words had other places.
    text = catalogue(language)[f"{notice.table}.{notice.key}"]
    return _FORMATTER.vformat(text, (), defaultdict(lambda: "…", values))


def has_notice(key: str, table: str) -> bool:
    """Return whether there are words for a notice of this key."""
    return f"{table}.{key}" in catalogue("en")


def as_notice(error: AppError) -> Notice:
    """The same words as a value that travels in reports and events."""
    values = {
        name: value if isinstance(value, (str, int, float, Notice)) else str(value)
        for name, value in error.values.items()
    }
    return Notice(error.key, values, "error", "error")


def language_of(tag: str | None) -> Language:
    """The language we have for a locale tag such as "zh-CN" or "en_US.UTF-8"; English where it is another."""
    return "zh" if (tag or "").lower().startswith("zh") else "en"
