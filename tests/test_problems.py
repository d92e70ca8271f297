"""The table of problems names messages and tests that are there."""

import re
from pathlib import Path

import pytest

from framelens.i18n import catalogue, plugin_catalogue

pytestmark = pytest.mark.every_plugin

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs" / "internals" / "problems.md").read_text(encoding="utf-8")
KEY = re.compile(r"`([a-z]+(?:_[a-z0-9]+)+)`")
NO_MESSAGES = {"trust_remote_code"}


def test_every_message_that_is_named_has_words() -> None:
    known = {key.partition(".")[2] for key in catalogue("en") | plugin_catalogue("en")}
    assert set(KEY.findall(TABLE)) - NO_MESSAGES <= known


def test_named_tests_exist_and_cover_their_messages() -> None:
    for row in (line for line in TABLE.splitlines() if "tests/" in line and line.startswith("|")):
        files = re.findall(r"tests/[\w/]+\.py", row)
        texts = [(ROOT / file).read_text(encoding="utf-8") for file in files]
        assert texts, row
        causes = (ROOT / "framelens/llm/failure_patterns.py").read_text(encoding="utf-8")
        for key in set(KEY.findall(row)) - NO_MESSAGES:
            assert any(key in text for text in (*texts, causes)), (key, files)
