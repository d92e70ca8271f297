"""Tests follow their plugin: without its folder, no other test misses it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
IMPORTED = re.compile(r"^\s*(?:from|import) (?:framelens|tests)\.plugins\.(\w+)", re.MULTILINE)


def test_tests_import_no_plugin_but_their_own() -> None:
    foreign = set()
    for path in TESTS.rglob("*.py"):
        own = path.relative_to(TESTS).parts[1] if path.is_relative_to(TESTS / "plugins") else ""
        imported = set(IMPORTED.findall(path.read_text(encoding="utf-8")))
        foreign |= {(str(path.relative_to(TESTS)), name) for name in imported - {own}}
    assert foreign == set()


@pytest.mark.thorough
@pytest.mark.timeout(1800)  # as long as `make check`
def test_quick_tests_pass_without_plugins() -> None:
    command = [sys.executable, str(TESTS.parent / "scripts" / "test_without_plugins.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
