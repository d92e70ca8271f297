"""Only the user can read the data folder and what is in it; what earlier versions left open is taken back."""

import logging
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.core.files import make_private_folder, restrict_to_owner
from framelens.store.database import Row, Store
from framelens.store.extraction_cache import ExtractionStore
from framelens.store.fs_utils import log_to
from framelens.store.locks import ProcessLock
from framelens.store.model_records import TimingStats
from framelens.store.videos.video_repository import VideoRepository

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders of a user are the user's own there")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What most systems have: new files can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def same_log() -> Iterator[None]:
    logger = logging.getLogger("framelens")
    level, handlers = logger.level, set(logger.handlers)
    yield
    for handler in set(logger.handlers) - handlers:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): mode(path) for path in sorted(folder.rglob("*"))}


def fill(data: Path) -> None:
    """Let each part of the store write what it keeps."""
    log_to(data)
    logging.getLogger("framelens").warning("something")
    store = Store(data / "framelens.sqlite")
    store.save(Row("id", "2026-01-01T00:00:00", "film", "done", "", "{}"))
    owner = ProcessLock(data / "running")
    shelf = VideoRepository(data, (), data / "none.mp4")
    upload = shelf.create_upload("film.mp4", 4)
    with shelf.part(upload.id, 0) as part:
        part.write(b"film")
    shelf.create_upload("other.mp4", 4)
    shelf.finish(upload.id)
    surveys = ExtractionStore(data / "surveys")
    surveys.put("0" * 64, b"survey")
    TimingStats(data).note_reading(1.0)
    found = modes(data)  # with the database open: its log files are there
    store.close()
    owner.close()
    assert {"framelens.log", "framelens.sqlite", "framelens.sqlite-wal", "framelens.sqlite-shm"} <= found.keys()
    assert {"videos/secret", f"videos/{upload.id}.json", f"videos/{upload.id}/film.mp4"} <= found.keys()
    wrong = {name: oct(one) for name, one in found.items() if one != (0o700 if (data / name).is_dir() else 0o600)}
    assert {name: one for name, one in wrong.items() if not name.endswith(".lock")} == {}


def test_everything_that_is_written_is_for_the_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "framelens"
    fill(data)
    assert mode(data) == 0o700


def test_modes_of_earlier_versions_are_tightened_at_start(tmp_path: Path) -> None:
    data = tmp_path / "framelens"
    fill(data)
    (data / "templates").mkdir()
    (data / "templates" / "mine.toml").write_text("")
    (data / "engine").mkdir()
    (data / "engine" / "engine-1.log").write_text("")
    (tmp_path / "elsewhere").write_text("")
    (data / "videos" / "film.mp4").symlink_to(tmp_path / "elsewhere")
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    log_to(data)
    found = modes(data)
    assert mode(data) == 0o700
    left = {"templates", "templates/mine.toml", "videos/film.mp4"}
    assert {name for name, one in found.items() if one & 0o077} == left


def test_shared_or_foreign_folder_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    (shared / "somebody.txt").write_text("")
    (shared / "framelens.log").write_text("")
    shared.chmod(0o1777)
    restrict_to_owner(shared, ("framelens.*",))
    assert (mode(shared), mode(shared / "somebody.txt")) == (0o1777, 0o644)
    assert mode(shared / "framelens.log") == 0o600


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(OSError, match="data"):
        make_private_folder(tmp_path / "data")


def test_an_error_that_ends_a_thread_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    path = log_to(tmp_path / "data")
    thread = threading.Thread(target=lambda: 1 / 0, name="counting")
    thread.start()
    thread.join()
    assert "the thread 'counting' failed" in path.read_text() and "ZeroDivisionError" in path.read_text()
