"""The files of a watched folder that are taken, and those that still wait."""

import threading
from pathlib import Path

import pytest

from framelens.plugins.batch import watch
from framelens.plugins.batch.watch import WatchedFolder


@pytest.mark.slow
def test_files_that_wait_are_counted(tmp_path: Path, card_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_SETTLED_SECONDS", 0.0)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(card_video.read_bytes() + name.encode())
    folder, cancel, waiting = WatchedFolder(tmp_path), threading.Event(), list[int]()
    assert folder.num_left() == 2
    arriving = folder.arriving(lambda path, _: path.name, cancel, waiting.append)
    assert next(arriving) is None
    videos = (video for video in arriving if video)
    assert next(videos).name == "a.mp4"
    assert (waiting, folder.num_left()) == ([2], 1)
    cancel.set()
    assert [video.name for video in videos] == ["b.mp4"]
    assert folder.num_left() == 0
