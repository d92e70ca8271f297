"""Random IDs that users type, absolute paths, and the home of a user that the system doesn't know."""

import getpass
import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest

from framelens import config
from framelens.core.files import absolute, ensure_home, fitting_name, free_path, new_id, single_line, unused_name


def test_names_leave_no_doubt_and_have_room(tmp_path: Path) -> None:
    # Ids can be typed as an argument.
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(one.isascii() and one.isalnum() and len(one) == 12 for one in ids)
    # An unused name is none that a file system confuses.
    taken = {"talk.txt"}
    assert [unused_name("Talk", taken, ".txt") for _ in range(2)] == ["Talk-2.txt", "Talk-3.txt"]
    # A fitting name has room for its number.
    made = fitting_name("测" * 200, ".report.md", tmp_path)
    assert made.endswith("测.report.md")
    (tmp_path / made).touch()
    free_path(tmp_path / made).touch()
    # No control is left on a single line.
    assert single_line("n\x9b32mX\x85Y\x1b[m.mp4") == "n 32mX Y [m.mp4"
    assert single_line("ä é 名") == "ä é 名"


def test_absolute_path_has_no_detour_unless_a_link_is_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clips" / "far").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert absolute(Path("../clips/./a.mp4")) == tmp_path / "clips" / "a.mp4"
    assert absolute(Path("a.mp4")) == tmp_path / "work" / "a.mp4"
    assert absolute(Path("\0/../a.mp4")).is_absolute()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "clips" / "far")
    assert absolute(Path("link/../a.mp4")) == tmp_path / "work" / "link" / ".." / "a.mp4"  # that is clips/a.mp4


def test_a_free_path_has_a_number_where_the_name_is_taken(tmp_path: Path) -> None:
    wanted, taken = tmp_path / "Talk.mp4", {"talk-2.mp4"}
    wanted.touch()
    assert free_path(wanted).name == "Talk-2.mp4"
    assert free_path(wanted, taken=taken).name == "Talk-3.mp4" and "talk-3.mp4" in taken
    assert free_path(wanted, overwrites=True) == wanted
    assert free_path(wanted, [wanted], overwrites=True).name == "Talk-2.mp4", "an input is never replaced"


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without an entry in the system's list of users; return the folder for temporary files."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, "")  # undone at the end, whatever is set meanwhile
        monkeypatch.delenv(name)
    return tmp_path


def test_unknown_user_gets_a_private_home(unknown_user: Path) -> None:
    settings = config.load({})
    home = Path(os.environ["HOME"])
    assert home.parent == unknown_user
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert settings.data_dir.is_relative_to(home)
    assert getpass.getuser() == f"uid-{os.getuid()}"
    del os.environ["HOME"]
    ensure_home()
    assert os.environ["HOME"] == str(home)


def test_home_that_others_can_write_is_not_used(unknown_user: Path) -> None:
    taken = unknown_user / f"framelens-{os.getuid()}"
    taken.mkdir()
    taken.chmod(0o777)
    ensure_home()
    assert Path(os.environ["HOME"]).parent == unknown_user
    assert os.environ["HOME"] != str(taken)


def test_known_user_keeps_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_home()
    assert os.environ["HOME"] == str(tmp_path)
