"""Backup, restore and first start, killed at each of their steps: all of it is there afterwards, or nothing."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from framelens.store.backup import check_backup, restore_backup, write_backup
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
from tests.killing import killed_at_each_step
from tests.store.test_backup import files_of, fill, ids_of_jobs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL"),
]
_IMPORTS = """
from pathlib import Path
from framelens.store.backup import restore_backup, write_backup
from framelens.store.database import Store
from framelens.store.videos.video_repository import VideoRepository
"""


def start(data: Path) -> None:
    """What the app does first with a data folder, days later."""
    for path in data.rglob("*"):
        if path.is_file() and ".new" in path.name:
            os.utime(path, (0, 0))
    Store(data / "framelens.sqlite").close()
    VideoRepository(data, (), data / "none.mp4")


def kept_in(data: Path) -> dict[str, bytes]:
    """The files of a data folder but those that SQLite makes while it is open."""
    return {name: found for name, found in files_of(data).items() if not name.endswith(("-wal", "-shm"))}


def leftovers(folders: Iterable[Path]) -> list[str]:
    """Names of what only a killed process leaves."""
    marks = (".new", "-journal", "-wal", "-shm", "backup-part", "restoring")
    return [path.name for folder in folders for path in folder.rglob("*") if any(one in path.name for one in marks)]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A folder with a data folder and a backup of it."""
    folder = tmp_path / "template"
    data = folder / "data"
    fill(data)
    write_backup(data, folder / "b.zip", videos=True)
    return folder


def test_killed_backup_is_whole_or_not_there(template: Path, tmp_path: Path) -> None:
    before = kept_in(template / "data")
    place, kills = tmp_path / "place", list[int]()
    act = "write_backup(Path(folder) / 'data', Path(folder) / 'out' / 'c.zip', videos=True)"
    for number in killed_at_each_step(_IMPORTS, act, template, place):
        kills.append(number)
        assert kept_in(place / "data") == before
        if (place / "out" / "c.zip").exists():
            check_backup(place / "out" / "c.zip")
        for left in (place / "out").glob("*backup-part*"):
            left.unlink()
        write_backup(place / "data", place / "out" / "d.zip", videos=True)
        assert leftovers([place]) == [] and check_backup(place / "out" / "d.zip").num_files > 8
    assert (place / "out" / "c.zip").exists() and len(kills) > 20


def test_killed_restore_is_whole_or_done_again(template: Path, tmp_path: Path) -> None:
    place, kills, whole = tmp_path / "place", 0, 0
    act = "restore_backup(Path(folder) / 'b.zip', Path(folder) / 'new')"
    for kills in killed_at_each_step(_IMPORTS, act, template, place):
        data = place / "new"
        if is_whole := (data / "framelens.sqlite").exists():
            whole += 1
        else:
            shutil.rmtree(data, ignore_errors=True)  # what the error of the next restore asks for
            restore_backup(place / "b.zip", data)
        start(data)
        assert ids_of_jobs(data) == ["job0", "job1"] and len(list(data.glob("videos/*/*.mp4"))) == 2, kills
        assert is_whole or leftovers([place]) == [], kills
    assert whole >= 1 and kills > 60


def test_killed_first_start_leaves_a_whole_secret(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    place = tmp_path / "place"
    act = "VideoRepository(Path(folder), (), Path(folder) / 'none.mp4')"
    for _ in killed_at_each_step(_IMPORTS, act, tmp_path / "template", place):
        start(place)
        assert len((place / "videos" / "secret").read_bytes()) == 32
        assert leftovers([place]) == []
