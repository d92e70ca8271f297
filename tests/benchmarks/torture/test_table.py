"""The table of `make torture`: a part of each part runs, and what is lost or crashed is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.torture import __main__ as torture
from benchmarks.torture import mutations
from benchmarks.torture.line import Line, Scale

pytestmark = pytest.mark.usefixtures("english")


@pytest.mark.slow
def test_each_format_has_a_line(tmp_path: Path) -> None:
    lines = list(mutations.run(Scale(0.0016, tmp_path)))
    assert [line.count for line in lines] == [1] * 16
    assert [str(line) for line in lines if line.failed] == []


def test_what_is_lost_is_the_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(mutations, "run", lambda _: iter([Line("kill", 3), Line("full disk", 2, lost=1)]))
    assert torture.main(["mutations"]) == 1
    assert "full disk" in capsys.readouterr().out


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(SystemExit):
        torture.main(["earthquake"])
