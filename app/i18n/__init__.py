"""Translations: `t(key, language, **values)` looks up a text in zh.toml or en.toml, which have the same keys.

A text selects singular or plural with `{n:finding|findings}`: the first word if the value is one.
"""

from __future__ import annotations

import locale
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, get_args

from app.core import AppError, Language, Notice

LANGUAGES: tuple[Language, ...] = get_args(Language)


class _PluralFormatter(Formatter):
    """`str.format` with an additional format spec "one|many" for the word after a number."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format a value, or select the singular or plural."""
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
    """Return all texts of a language by dotted key."""
    return dict(_flat(tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))))


def t(key: str, language: Language, /, **values: object) -> str:
    """Return the text of a key with its placeholders filled.

    Args:
        key: The dotted key.
        language: The language.
        values: The values of the placeholders `{name}`.

    Raises:
        KeyError: There is no such key, or a placeholder has no value.
    """
    return _FORMATTER.vformat(catalogue(language)[key], (), values)


def sentences(texts: Iterable[str], language: Language) -> str:
    """Join sentences, in Chinese without spaces; empty ones are left out."""
    return ("" if language == "zh" else " ").join(filter(None, texts))


def labelled(label: str, value: str, language: Language) -> str:
    """Return "label: value" with the colon of the language."""
    return t("ui.labelled", language, label=label, value=value)


def error_text(error: AppError, language: Language) -> str:
    """Return the text of an error."""
    return t(f"error.{error.key}", language, **error.values)


def notice_text(notice: Notice, language: Language) -> str:
    """Return the text of a notice; values that are notices themselves are replaced by their texts."""
    values = {
        name: notice_text(value, language) if isinstance(value, Notice) else value
        for name, value in notice.values.items()
    }
    # An earlier version may have stored the notice, with other placeholders.
    text = catalogue(language)[f"{notice.table}.{notice.key}"]
    return _FORMATTER.vformat(text, (), defaultdict(lambda: "…", values))


def has_notice(key: str, table: str) -> bool:
    """Return whether there is a text for a notice of this key."""
    return f"{table}.{key}" in catalogue("en")


def as_notice(error: AppError) -> Notice:
    """Convert an error to a notice with the same text, for reports and events."""
    values = {
        name: value if isinstance(value, (str, int, float, Notice)) else str(value)
        for name, value in error.values.items()
    }
    return Notice(error.key, values, "error", "error")


def language_of(tag: str | None) -> Language:
    """Return the language for a locale tag such as "zh-CN" or "en_US.UTF-8"; English if it is any other."""
    return "zh" if (tag or "").lower().startswith("zh") else "en"


def system_language() -> Language:
    """Return the language of FRAMELENS_LANGUAGE, or else of the system's locale."""
    for name in ("FRAMELENS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if tag := os.environ.get(name):
            return language_of(tag)
    return language_of(locale.getlocale()[0])
