"""Language of a call's results and errors.

It is the argument `language`, else the language of the call's session or analysis, else FRAMELENS_LANGUAGE in
the environment or in `.env`, else the system's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TypeVar

from framelens import config
from framelens.core.domain import Language
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import LANGUAGES, error_text, in_language, system_language

Event = TypeVar("Event")


def checked_language(language: Language | None, otherwise: Language | None = None) -> Language:
    """Return the given language, else the second language, else the usual language.

    Raises:
        ConfigError: The language is unknown.
    """
    if language is None:
        return otherwise or usual_language()
    if language not in LANGUAGES:
        with localised(usual_language()):
            raise ConfigError("setting_choice", key="language", value=language, allowed=", ".join(LANGUAGES))
    return language


def usual_language(environ: Mapping[str, str] | None = None) -> Language:
    """Return the language of FRAMELENS_LANGUAGE, in the environment or `.env`, or else the system's."""
    setting = config.as_given(environ).get("FRAMELENS_LANGUAGE")
    return setting if setting in LANGUAGES else system_language()


@contextmanager
def localised(language: Language) -> Iterator[None]:
    """Set the language for a block, and the text of errors that leave the block. A generator must not yield in it."""
    try:
        with in_language(language):
            yield
    except AppError as error:
        error.text = error_text(error, language)
        raise


def localised_events(language: Language, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """Yield the events of a generator that runs in a language; an error of the generator has its text."""
    with closing(events):
        while True:
            with localised(language):
                try:
                    event = next(events)
                except StopIteration:
                    return
            yield event
