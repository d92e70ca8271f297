"""The troubleshooting guide against the catalogue of causes: what it lists is known, and what is known is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.core.failure_patterns import keys, match_failure

DOCS = Path(__file__).parent.parent / "docs"
_ROW = re.compile(r"^\| ((?:(`+).+?\2(?:<br>)?)+) \|", re.MULTILINE)
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
