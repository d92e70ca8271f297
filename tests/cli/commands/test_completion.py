"""Completion of shells: scripts that name all commands and options, and what bash completes with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from framelens.cli.commands.completion import SHELLS
from framelens.cli.main import build_parser, main

pytestmark = pytest.mark.usefixtures("english")
_ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
function=$(complete -p framelens | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function framelens "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_names_all_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [name for name in build_parser(only="").commands if name not in script] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed on this system")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["lib"], "library"),
        (["library", "se"], "search"),
        (["analyse", "--fr"], "--frames"),
        (["analyse", "-f", "pd"], "pdf"),
        (["analyse", "a film"], "a film.mp4"),
        (["analyse", "x", "--output", "a film"], "a film.mp4"),
    ],
)
def test_bash_completes(words: list[str], completed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "a film.mp4").touch()
    command = ["bash", "-c", _ASK, "bash", "./script", "framelens", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [completed]
