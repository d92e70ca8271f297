"""Reports as plain text for a terminal."""

import re

import pytest

from framelens.reports.text import plain
from tests.reports.content.test_labels import rich
from tests.reports.test_reports import NASTY, analysis

pytestmark = pytest.mark.usefixtures("english")


def test_plain_text_keeps_doubts_without_marks() -> None:
    # Plain text has no marks of markdown.
    text = plain.write(rich(), "en").replace(" ".join(NASTY.split()), "")
    assert not re.search(r"!\[|\]\(|^#|\*\*|\\", text, re.MULTILINE)
    assert text.endswith("\n") and "\n\n\n" not in text
    # Plain text keeps what is unverified.
    text = plain.write(analysis(), "en")
    assert "later at 9:59 ⚠️ unverified: " in text
    assert " ".join(NASTY.split()) in " ".join(text.split())
    assert "Frames" not in plain.write(analysis(), "en").splitlines()  # plain text has no heading of pictures
