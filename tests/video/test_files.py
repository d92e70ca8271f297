"""Paths that cannot be used, and names as they may be shown."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from framelens.core.errors import Cancelled, InputError
from framelens.core.events import HashProgress, value_of
from framelens.i18n import LANGUAGES, error_text
from framelens.video import files
from framelens.video.extractor import extract, probe
from framelens.video.files import check_file, hashed, printable_path, sha256_of
from framelens.video.keyframes.options import ExtractOptions


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        check_file(path)
    for language in LANGUAGES:
        assert printable_path(path.name) in error_text(caught.value, language)
    return caught.value


def test_missing_file_folder_and_empty_file_differ(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "nowhere.mp4").key == "video_not_found"
    for name, target in (("gone.mp4", "deleted.mp4"), ("ring.mp4", "ring.mp4")):
        (tmp_path / name).symlink_to(target)
        broken = refused(tmp_path / name)
        assert (broken.key, broken.values["target"]) == ("video_link_broken", target)
    assert refused(tmp_path).key == "video_is_folder"
    assert refused(tmp_path / "empty.mp4").key == "video_empty"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(tmp_path / "pipe.mp4").key == "video_not_a_file"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system names no open files there")
def test_an_open_file_of_this_process_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video")
    with (tmp_path / "a.mp4").open("rb") as file:
        for name in (f"/proc/self/fd/{file.fileno()}", f"/dev/fd/{file.fileno()}"):
            assert refused(Path(name)).key == "video_not_a_file"


def test_a_file_without_permission_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert refused(tmp_path / "secret.mp4").key == "video_no_permission"


def test_a_folder_without_permission_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert refused(tmp_path / "inside.mp4").key == "video_no_permission"


def test_reading_that_is_denied_at_last_is_a_sentence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open_input", denied)
    with pytest.raises(InputError) as caught:
        sha256_of(tmp_path / "secret.mp4")
    assert caught.value.key == "video_no_permission"


@pytest.mark.parametrize("task", [probe, sha256_of, lambda path: next(extract(path, ExtractOptions(1)))])
def test_every_way_in_checks_the_file(task: object, tmp_path: Path) -> None:
    assert callable(task)
    with pytest.raises(InputError) as caught:
        task(tmp_path)
    assert caught.value.key == "video_is_folder"


def test_names_are_shown_in_one_line_and_otherwise_as_they_are() -> None:
    assert printable_path('it\'s a "测试" 视频.mp4') == 'it\'s a "测试" 视频.mp4'
    assert printable_path("two\nlines\t\x1b[31m.mp4") == "two\\nlines\\t\\x1b[31m.mp4"
    assert printable_path("\udcff.mp4") == "\\xff.mp4"


def test_the_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "data").write_bytes(data)
    assert sha256_of(tmp_path / "data") == hashlib.sha256(data).hexdigest()


def test_the_digest_stops_when_cancelled(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        sha256_of(tmp_path / "data", cancel)


@pytest.mark.slow
def test_reading_a_large_file_shows_every_percent(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    path.touch()
    os.truncate(path, 300 << 20)
    shown: list[HashProgress] = []
    assert value_of(hashed(path), shown.append) == sha256_of(path)
    assert [one.percent for one in shown] == list(range(1, 101))


def test_reading_a_small_file_shows_nothing(moving_video: Path) -> None:
    shown: list[HashProgress] = []
    value_of(hashed(moving_video), shown.append)
    assert shown == []


@pytest.mark.slow
def test_reading_a_large_file_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    path.touch()
    os.truncate(path, 10 << 30)
    cancel = threading.Event()
    progress = hashed(path, cancel)
    assert next(progress).percent == 1
    cancel.set()
    with pytest.raises(Cancelled):
        next(progress)
