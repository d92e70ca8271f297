"""Argument parser in the user's language, including argparse's own messages and errors."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any
from unicodedata import east_asian_width

from app.core.domain import Language
from app.core.errors import AppError
from app.i18n import catalogue, error_text

_OURS = "cli.argparse."
_WIDE = r"\u2e80-\u9fff\uff00-\uffef"
_ENDS = "，。、；：？！）】》”’"  # marks that can't begin a line
_BEGINS = "（【《“‘"  # marks that can't end a line
_UNIT = re.compile(rf"[{_BEGINS}]*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_ENDS}]*|\s+")
"""A unit that isn't broken across lines: a Chinese character or a word of another script with its marks, or blanks."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose subparsers have the same class. A `type` may raise an AppError, whose text is shown."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Formatter, **options})

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except AppError as error:
            raise argparse.ArgumentError(action, error_text(error, _spoken)) from error


_spoken: Language = "en"


def set_language(language: Language) -> None:
    """Set the language of argparse's own messages ("usage", "expected one argument").

    argparse looks them up in gettext, which knows only the language of the environment and needs compiled files.
    """
    global _spoken
    _spoken = language
    english, ours = catalogue("en"), catalogue(language)
    words = {text: ours[key] for key, text in english.items() if key.startswith(_OURS)}

    def plural(one: str, many: str, number: int) -> str:
        text = one if number == 1 else many
        return words.get(text, text)

    vars(argparse).update(_=lambda text: words.get(text, text), ngettext=plural)


class _Formatter(argparse.HelpFormatter):
    class _Section(argparse.HelpFormatter._Section):
        def format_help(self) -> str:
            plain, ours = f"{self.heading}:\n", vars(argparse)["_"]("%(heading)s:") % {"heading": self.heading}
            return super().format_help().replace(plain, f"{ours}\n", 1)  # Python 3.11 does not look this one up

    def _split_lines(self, text: str, width: int) -> list[str]:
        return list(_wrap(text, width))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in _wrap(text, width - len(indent)))


def _wrap(text: str, width: int) -> Iterator[str]:
    """Split `text` into lines of at most `width` columns, longer only if a single word is."""
    line = ""
    for unit in _UNIT.findall(" ".join(text.split())):
        if line.strip() and _display_width(line + unit) > width:
            yield line.rstrip()
            line = ""
        line = line + unit if line else unit.lstrip()
    if line:
        yield line.rstrip()


def _display_width(text: str) -> int:
    """Return the terminal columns of `text`: two for each wide character."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
