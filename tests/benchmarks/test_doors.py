"""The comparison of two states: which is measured when, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.doors import ROOT, checked_out, compared


def test_states_take_turns_and_the_first_pair_is_left_out(tmp_path: Path) -> None:
    asked = list[Path]()

    def measure(root: Path) -> float:
        asked.append(root)
        return (3.0 if root == ROOT else 2.0) if len(asked) > 2 else 100.0 * len(asked)

    row = compared("start", measure, tmp_path, pairs=2)
    assert asked == [tmp_path, ROOT, ROOT, tmp_path, tmp_path, ROOT]
    assert row.value == 1.5
    assert row.note == "1.50–1.50; 3.00 s / 2.00 s"


@pytest.mark.slow
def test_another_revision_is_a_folder_of_its_own() -> None:
    with checked_out("HEAD") as folder:
        assert folder != ROOT
        assert (folder / "app" / "main.py").is_file()
    assert not folder.exists()
