"""Nothing from outside controls the terminal, whatever prints it."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from framelens.cli import terminal
from framelens.cli.main import main
from framelens.reports.formats import FORMATS
from tests.reports.test_reports import analysis

HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\x7f\u202ed\u200f"
SHOWN = r"a\u001b]0;owned\u0007b\u009b31mc\u007f\u202ed\u200f"
CONTROLS = {chr(code) for code in (*range(32), *range(127, 160))} - set("\n\t")


def test_controls_become_escapes_that_json_reads_alike() -> None:
    assert terminal.clean(HOSTILE) == SHOWN
    assert terminal.clean("one\r\ntwo\tthree\n") == "one\ntwo\tthree\n"
    assert terminal.clean("over\rwritten") == r"over\u000dwritten"
    assert json.loads(terminal.clean(json.dumps(HOSTILE, ensure_ascii=False))) == HOSTILE


def test_streams_are_clean_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out, errors = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", errors)
    with terminal.clean_streams():
        print(HOSTILE)
        sys.stdout.writelines([HOSTILE])
        terminal.redraw(HOSTILE)
    assert (sys.stdout, sys.stderr) == (out, errors)
    assert out.getvalue() == f"{SHOWN}\n{SHOWN}"
    assert errors.getvalue() == f"\r\033[K{SHOWN}"


def test_documents_are_clean_and_in_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken, encoding="ascii"))
    with terminal.clean_streams():
        terminal.write_document(json.dumps({"名": HOSTILE}, ensure_ascii=False).encode())
    assert not CONTROLS & set(taken.getvalue().decode()) and json.loads(taken.getvalue()) == {"名": HOSTILE}


def test_nothing_else_writes_bytes_to_standard_output() -> None:
    package = Path(terminal.__file__).parents[1]
    sources = [*package.glob("cli/**/*.py"), *package.glob("plugins/*/commands/**/*.py")]
    writers = [path.name for path in sources if re.search(r"\.buffer\b", path.read_text(encoding="utf-8"))]
    assert writers == ["terminal.py"]


def test_a_table_has_colours_of_its_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    table = Table(HOSTILE, style="red")
    table.add_row(HOSTILE)
    with terminal.clean_streams():
        terminal.console(width=200).print(table)
    assert out.getvalue().count(r"a\u001b]0;owned") == 2 and "\x1b[31m" in out.getvalue()
    assert not {"\x07", "\x9b", "\x7f"} & set(out.getvalue())


def test_lines_of_a_table_end_without_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    table = Table("name", "about", box=None, pad_edge=False)
    for row in (("a", "short"), ("b", "somewhat longer"), ("c", "")):
        table.add_row(*row)
    console = terminal.console(width=140)
    console.print(table)
    console.print("end ")
    assert out.getvalue() == "name  about\na     short\nb     somewhat longer\nc\nend \n"


@pytest.mark.slow
def test_a_hostile_report_cannot_control_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRAMELENS_DATA_DIR", str(tmp_path / "data"))
    given = analysis(id="job0abcdef", created="2026-01-01T00:00:00+00:00")
    path = tmp_path / f"{HOSTILE[:5]}.json"
    path.write_bytes(FORMATS["json"].write(replace(given, video=replace(given.video, name=HOSTILE)), "en"))
    commands = (
        ["library", "import", str(path)], ["library", "tag", "latest", HOSTILE], ["library", "list"],
        ["library", "list", "--json"], ["library", "search", HOSTILE], ["admin", "audit"], ["admin", "audit", "--json"],
        ["export", "latest", "--output", str(tmp_path / f"{HOSTILE[:3]}.html")], ["library", "show", HOSTILE],
        ["library", "show", "latest"], ["library", "show", "latest", "--json"],
    )  # fmt: skip
    for words in commands:
        main(words)
        said = capsys.readouterr()
        assert not CONTROLS & set(said.out + said.err), words
