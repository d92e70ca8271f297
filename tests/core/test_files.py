"""Random IDs that users type, and absolute paths."""

from pathlib import Path

import pytest

from framelens.core.files import absolute, new_id, single_line


def test_ids_can_be_typed_as_an_argument() -> None:
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(one.isascii() and one.isalnum() and len(one) == 12 for one in ids)


def test_absolute_path_has_no_detour_unless_a_link_is_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clips" / "far").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert absolute(Path("../clips/./a.mp4")) == tmp_path / "clips" / "a.mp4"
    assert absolute(Path("a.mp4")) == tmp_path / "work" / "a.mp4"
    assert absolute(Path("\0/../a.mp4")).is_absolute()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "clips" / "far")
    assert absolute(Path("link/../a.mp4")) == tmp_path / "work" / "link" / ".." / "a.mp4"  # that is clips/a.mp4


def test_no_control_is_left_on_a_single_line() -> None:
    assert single_line("n\x9b32mX\x85Y\x1b[m.mp4") == "n 32mX Y [m.mp4"
    assert single_line("ä é 名") == "ä é 名"
