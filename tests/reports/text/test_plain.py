"""Reports as plain text for a terminal."""

import re

import pytest

from framelens.reports.text import plain
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import NASTY, analysis

pytestmark = pytest.mark.usefixtures("english")


def test_plain_text_has_no_marks_of_markdown() -> None:
    text = plain.write(rich(), "en").replace(" ".join(NASTY.split()), "")
    assert not re.search(r"!\[|\]\(|^#|\*\*|\\", text, re.MULTILINE)
    assert text.endswith("\n") and "\n\n\n" not in text


def test_plain_text_keeps_what_is_unverified() -> None:
    text = plain.write(analysis(), "en")
    assert "later at 9:59 ⚠️ unverified: " in text
    assert " ".join(NASTY.split()) in " ".join(text.split())


def test_plain_text_has_no_heading_of_pictures() -> None:
    assert "Frames" not in plain.write(analysis(), "en").splitlines()
