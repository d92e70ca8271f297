"""The manual page that a script writes: every command with its options, as man reads it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.walk import contexts

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "write_man_page.py"


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_every_command_and_man_reads_it(language: str) -> None:
    words = [sys.executable, str(SCRIPT), "--language", language]
    page = subprocess.run(words, capture_output=True, encoding="utf-8", check=True).stdout
    headings = {line.removeprefix('.SH "').removesuffix('"') for line in page.splitlines() if line.startswith(".SH")}
    assert {ctx.command_path.replace("-", "\\-") for ctx in contexts()} <= headings
    assert "\\-\\-output" in page and ("退出码" if language == "zh" else "exit codes") in page
    if mandoc := shutil.which("mandoc"):
        subprocess.run([mandoc, "-T", "lint", "-W", "error"], input=page, encoding="utf-8", check=True)
