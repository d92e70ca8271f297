"""The words of the product: `t(key, language, **values)` reads zh.toml or en.toml, which have equal key sets."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import get_args

from app.domain import Language, Notice
from app.errors import AppError

LANGUAGES: tuple[Language, ...] = get_args(Language)


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
    return catalogue(language)[key].format(**values)


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
    return catalogue(language)[f"{notice.table}.{notice.key}"].format_map(defaultdict(lambda: "…", values))


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
