"""Commands of FrameLens, run in the tests' process: a process of its own would import everything again, a second."""

from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from framelens.cli import main


@dataclass(frozen=True)
class Done:
    """A command that has ended, with what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*words: object, environ: Mapping[str, str], cwd: Path | None = None) -> Done:
    """Run a command with these variables besides the test's."""
    output, errors = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        for name, value in {"LANG": "C.UTF-8", **environ}.items():
            patch.setenv(name, value)
        patch.chdir(cwd or Path.cwd())
        code = main.main([*map(str, words)])
    for stream in (output, errors):
        stream.seek(0)
    return Done(code, output.read(), errors.read())
