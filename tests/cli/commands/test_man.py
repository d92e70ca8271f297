"""The manual page: complete, in both languages, and readable by man."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess

import pytest

from framelens.cli.commands.man import exit_codes
from framelens.cli.main import build_parser, main
from framelens.i18n import in_language


def page(capsys: pytest.CaptureFixture[str], language: str) -> str:
    assert main(["man", "--language", language]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_option_and_exit_code_is_on_the_page(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(capsys, language).replace("\\-", "-")
    with in_language(language):  # type: ignore[arg-type]
        codes = [code for code, _ in exit_codes()]
        pending = [build_parser()]
    assert re.findall(r"^\.B (\d+)$", text, re.MULTILINE) == codes == ["0", "1", "2", "3", "4", "5", "6", "130", "141"]
    while pending:
        parser = pending.pop()
        _, _, section = text.partition(f'.SH "{parser.prog}"\n')
        section, _, _ = section.partition("\n.SH ")
        for action in parser._actions:
            if not isinstance(action, argparse._SubParsersAction):
                names = action.option_strings or [str(action.metavar or action.dest)]
                assert all(name in section for name in names), (parser.prog, names)
        pending += parser.commands.values()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed on this system")
def test_groff_formats_the_page_without_errors(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["groff", "-man", "-Tutf8", "-K", "utf8", "-z"]
    done = subprocess.run(command, input=page(capsys, "en"), capture_output=True, encoding="utf-8", check=True)
    assert "error" not in done.stderr
