"""The rows of several analyses on a terminal leave the lines of results alone."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from app.cli import progress
from app.cli.progress import BatchProgress
from app.core.domain import StageStarted

_STEP = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows after these bytes: text, cursor up, erase line, returns."""
    lines, row, column = [""], 0, 0
    for number, action, back, feed, text in _STEP.findall(written):
        if action == "A":
            row = max(0, row - int(number or 1))
        elif action == "K":
            lines[row] = ""
        elif back:
            column = 0
        elif feed:
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line for line in lines if line.strip()]


def test_results_stay_above_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(
        progress, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=60, color_system=None)
    )
    results = [f"[{number}/3] done · {number}.mp4 {'and more ' * number}" for number in (1, 2, 3)]
    with BatchProgress("en", 3, quiet=False) as shown:
        for result in results:
            row, other = shown.begin("a.mp4"), shown.begin("b.mp4")
            row.show(StageStarted("survey", None))
            shown.say(result, terminal)
            shown.ended(row)
            shown.ended(other)
    assert (
        screen(terminal.getvalue()) == [result.rstrip() for result in results] or screen(terminal.getvalue()) == results
    )


def test_what_goes_to_a_file_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, file = Terminal(), StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=terminal, force_terminal=True, width=60))
    with BatchProgress("en", 1, quiet=False) as shown:
        shown.say("[1/1] done", file)
    assert file.getvalue() == "[1/1] done\n"
    assert "[1/1] done" not in terminal.getvalue()
