"""The troubleshooting guide against the catalogue of causes: what it lists is known, and what is known is listed."""

import re
from pathlib import Path

import pytest

from framelens.core.domain import Language
from framelens.i18n import LANGUAGES, catalogue, plugin_catalogue
from framelens.llm.failure_patterns import keys, match_failure

DOCS = Path(__file__).parent.parent / "docs" / "guide"
_ROW = re.compile(r"^\| ((?:(`+).+?\2(?:<br>)?)+) \|", re.MULTILINE)
_QUOTE = re.compile(r"FrameLens (?:says: |会说：)\*([^*]+)\*")
_SPAN = re.compile(r"(`+) ?(.+?) ?\1(?!`)")


def messages(language: str) -> list[str]:
    """The first column of the table of what engines say."""
    text = (DOCS / f"troubleshooting.{language}.md").read_text(encoding="utf-8")
    return [span for row in _ROW.finditer(text) for _, span in _SPAN.findall(row[1])]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_troubleshooting_table_matches_known_causes(language: str) -> None:
    found = {message: match_failure(message, "m") for message in messages(language)}
    assert [message for message, error in found.items() if error is None] == []
    assert {error.key for error in found.values() if error} == set(keys())


def test_both_languages_list_the_same_messages() -> None:
    assert messages("en") == messages("zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_quoted_messages_are_those_of_framelens(language: Language) -> None:
    """Each piece between the dots of a quotation is in a message, up to the values that the quotation fills in."""
    text = (DOCS / f"troubleshooting.{language}.md").read_text(encoding="utf-8")
    quotes = [
        [piece.strip() for piece in re.split("…+", re.sub(r"(?<!/)\b(?:\d+|cpu|BFloat16|float)\b", "…", quote))]
        for quote in _QUOTE.findall(text)
    ]
    assert len(quotes) > 10
    known = [*catalogue(language).values(), *plugin_catalogue(language).values()]
    assert [quote for quote in quotes if not any(all(piece in one for piece in quote) for one in known)] == []
