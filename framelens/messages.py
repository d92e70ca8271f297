"""Error messages in the language of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.core import AppError, ConfigError, Language
from app.i18n import LANGUAGES, error_text, system_language


def checked_language(language: Language | None, otherwise: Language | None = None) -> Language:
    """Return the given language, else the second one, else that of the system.

    Raises:
        ConfigError: The language is unknown.
    """
    if language is None:
        return otherwise or system_language()
    if language not in LANGUAGES:
        with localised(system_language()):
            raise ConfigError("setting_choice", key="language", value=language, allowed=", ".join(LANGUAGES))
    return language


@contextmanager
def localised(language: Language) -> Iterator[None]:
    """Give errors that leave the block their text in this language."""
    try:
        yield
    except AppError as error:
        error.text = error_text(error, language)
        raise
