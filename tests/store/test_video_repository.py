"""The shelf keeps uploads whole and resumable, and opens nothing outside the allowed folders."""

import errno
import os
import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framelens.core.errors import InputError, StorageError
from framelens.core.files import safe_file_name
from framelens.core.roles import User, as_user
from framelens.store.fs_utils import KEPT_FREE_BYTES
from framelens.store.videos import video_repository
from framelens.store.videos.upload_limits import UploadLimits, UploadPurpose
from framelens.store.videos.video_repository import VideoRepository


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    return folder


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.mp4"
    path.write_bytes(b"sample")
    return path


@pytest.fixture
def shelf(tmp_path: Path, allowed: Path, sample: Path) -> VideoRepository:
    return VideoRepository(tmp_path / "data", (allowed,), sample)


def refused(key: str, call: object, *args: object) -> InputError | StorageError:
    with pytest.raises((InputError, StorageError)) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.key == key
    return caught.value


def append(shelf: VideoRepository, upload_id: str, offset: int, chunks: Iterable[bytes]) -> int:
    with shelf.part(upload_id, offset) as part:
        for chunk in chunks:
            part.write(chunk)
        return part.offset


def test_an_upload_becomes_a_video_with_its_bytes_and_its_name(shelf: VideoRepository) -> None:
    upload = shelf.create_upload("holiday.mp4", 6)
    assert append(shelf, upload.id, 0, [b"abc"]) == 3
    assert append(shelf, upload.id, 3, [b"d", b"ef"]) == 6
    video = shelf.finish(upload.id)
    assert shelf.path(video).read_bytes() == b"abcdef"
    assert shelf.path(video).name == shelf.name(video) == "holiday.mp4"
    assert shelf.finish(upload.id) == video
    assert shelf.upload(upload.id).is_complete


def test_an_upload_continues_after_a_restart(tmp_path: Path, shelf: VideoRepository, sample: Path) -> None:
    upload = shelf.create_upload("long.mkv", 10)
    append(shelf, upload.id, 0, [b"01234"])
    again = VideoRepository(tmp_path / "data", (), sample)
    assert again.upload(upload.id).offset == 5
    append(again, upload.id, 5, [b"56789"])
    assert again.path(again.finish(upload.id)).read_bytes() == b"0123456789"


def test_a_finish_cut_in_half_can_be_finished(
    tmp_path: Path, shelf: VideoRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = shelf.create_upload("a.mp4", 3)
    append(shelf, upload.id, 0, [b"abc"])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        refused("disk_refused", shelf.finish, upload.id)
    assert shelf.path(shelf.finish(upload.id)).read_bytes() == b"abc"


def test_what_arrived_before_a_lost_connection_is_kept(shelf: VideoRepository) -> None:
    def lost() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionResetError

    upload = shelf.create_upload("a.mp4", 6)
    with pytest.raises(ConnectionResetError):
        append(shelf, upload.id, 0, lost())
    assert shelf.upload(upload.id).offset == 3


def test_a_piece_at_the_wrong_place_is_refused(shelf: VideoRepository) -> None:
    upload = shelf.create_upload("a.mp4", 6)
    append(shelf, upload.id, 0, [b"abc"])
    error = refused("upload_conflict", append, shelf, upload.id, 0, [b"abc"])
    assert (error.values["given"], error.values["expected"]) == (0, 3)
    assert shelf.upload(upload.id).offset == 3


def test_more_or_no_bytes_are_refused(shelf: VideoRepository) -> None:
    # More bytes than announced are refused.
    upload = shelf.create_upload("a.mp4", 2)
    refused("upload_too_long", append, shelf, upload.id, 0, [b"abc"])
    assert shelf.upload(upload.id).offset == 0
    refused("upload_empty", shelf.create_upload, "a.mp4", 0)  # an empty file is refused
    # An unfinished upload is no video.
    upload = shelf.create_upload("a.mp4", 6)
    refused("upload_incomplete", shelf.finish, upload.id)
    refused("video_unknown", shelf.path, upload.id)


def test_two_writers_of_one_upload_are_kept_apart(shelf: VideoRepository) -> None:
    upload = shelf.create_upload("a.mp4", 6)
    with shelf.part(upload.id, 0) as part:
        part.write(b"ab")
        refused("upload_busy", append, shelf, upload.id, 2, [b"c"])
    assert append(shelf, upload.id, 2, [b"c"]) == 3


def test_two_apps_on_one_data_folder_write_no_upload_at_once(
    shelf: VideoRepository, tmp_path: Path, sample: Path
) -> None:
    other = VideoRepository(tmp_path / "data", (), sample)
    upload = shelf.create_upload("a.mp4", 6)
    with shelf.part(upload.id, 0) as part:
        part.write(b"abc")
        refused("upload_busy", append, other, upload.id, 3, [b"d"])
    refused("upload_conflict", append, other, upload.id, 0, [b"abc"])
    assert append(other, upload.id, 3, [b"def"]) == 6
    assert shelf.path(shelf.finish(upload.id)).read_bytes() == b"abcdef"
    assert list((tmp_path / "data/videos/parts").iterdir()) == []


def test_upload_larger_than_disk_is_refused_early(shelf: VideoRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(video_repository.shutil, "disk_usage", lambda _: usage(10**9, 0, 10**9))
    error = refused("disk_full", shelf.create_upload, "a.mp4", 2 * 10**9)
    assert error.values["needed"] == "2.0 GB"


def test_a_disk_that_fills_up_keeps_what_arrived(shelf: VideoRepository) -> None:
    upload = shelf.create_upload("a.mp4", 6)

    class Full:
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with shelf.part(upload.id, 0) as part:
        part.write(b"ab")
        part._file = Full()  # type: ignore[assignment]
        refused("disk_full_now", part.write, b"cd")
    assert shelf.upload(upload.id).offset == 2


@pytest.mark.parametrize("identifier", ["", "../../etc/passwd", "a/b", "x" * 15, "y" * 65, "nobody-knows-this-one"])
def test_an_id_that_was_never_given_out_opens_nothing(shelf: VideoRepository, identifier: str) -> None:
    refused("video_unknown", shelf.path, identifier)
    refused("upload_unknown", shelf.upload, identifier)


def test_an_abandoned_upload_is_cleared_at_the_start(tmp_path: Path, shelf: VideoRepository, sample: Path) -> None:
    old, fresh = shelf.create_upload("old.mp4", 6), shelf.create_upload("fresh.mp4", 6)
    month_ago = time.time() - 30 * 24 * 3600
    os.utime(tmp_path / "data/videos/parts" / f"{old.id}.part", (month_ago, month_ago))
    again = VideoRepository(tmp_path / "data", (), sample)
    refused("upload_unknown", again.upload, old.id)
    assert again.upload(fresh.id).offset == 0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("C:\\Users\\me\\会议 录像.mp4", "会议 录像.mp4"),
        ("\\\\nas\\clips\\a.mp4", "a.mp4"),
        ("take 1\\2.mp4", "take 1\\2.mp4"),
        ("clips/take 1\\2.mp4", "take 1\\2.mp4"),
        ("/tmp/x/y.mkv", "y.mkv"),
        ("two\nlines\r\x00.mp4", "two lines .mp4"),
        ('say "hi" <b>.mp4', 'say "hi" <b>.mp4'),
        ("evil\u202egpj.mp4", "evil gpj.mp4"),
        ("", "video"),
    ],
)
def test_names_of_all_kinds_survive(shelf: VideoRepository, given: str, shown: str) -> None:
    upload = shelf.create_upload(given, 1)
    append(shelf, upload.id, 0, [b"x"])
    assert shelf.name(shelf.finish(upload.id)) == shown
    assert shelf.path(upload.id).read_bytes() == b"x"


def test_names_are_cut_and_paths_need_a_folder(tmp_path: Path, sample: Path) -> None:
    # Long chinese name is cut keeping extension.
    name = safe_file_name("影" * 200 + ".mp4")
    assert len(name.encode()) <= 140
    assert name.endswith("影.mp4")
    # Without allowed folders no path is opened.
    refused("path_none_allowed", VideoRepository(tmp_path / "d", (), sample).from_path, str(sample))


@pytest.mark.parametrize(
    ("given", "safe"),
    [("nul.mp4", "_nul.mp4"), ("COM1", "_COM1"), ("console.mp4", "console.mp4"), (r"AC\DC live.mp4", "AC_DC live.mp4")],
)
def test_name_that_windows_refuses_is_changed(given: str, safe: str) -> None:
    assert safe_file_name(given) == safe


def test_file_in_input_folder_opens_by_full_or_short_path(shelf: VideoRepository, allowed: Path) -> None:
    (allowed / "sub").mkdir()
    file = allowed / "sub" / "a b.mp4"
    file.write_bytes(b"x")
    video = shelf.from_path(f'"{file}"')
    assert shelf.path(video) == file
    assert shelf.name(video) == "a b.mp4"
    assert shelf.from_path("sub/a b.mp4") == shelf.from_path(file.as_uri()) == video


@pytest.mark.parametrize("text", ["/etc/passwd", "../secret.mp4", "/etc/no-such-file", "~/x.mp4"])
def test_a_path_outside_is_refused_whether_or_not_it_exists(shelf: VideoRepository, tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    refused("path_missing" if text.startswith("~") else "path_outside", shelf.from_path, text)


def test_link_out_of_the_folder_is_always_refused(shelf: VideoRepository, allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    inside = allowed / "a.mp4"
    inside.write_bytes(b"x")
    video = shelf.from_path("a.mp4")
    inside.unlink()
    inside.symlink_to(tmp_path / "secret.mp4")
    refused("path_outside", shelf.from_path, "a.mp4")
    refused("path_outside", shelf.path, video)


def test_data_folder_below_an_allowed_one_is_refused(tmp_path: Path, sample: Path) -> None:
    shelf = VideoRepository(tmp_path / "data", (tmp_path,), sample)
    (tmp_path / "data/framelens.sqlite").write_bytes(b"SQLite")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "data/framelens.sqlite")
    for path in ("data/framelens.sqlite", "link.mp4", "data/videos/secret"):
        refused("path_outside", shelf.from_path, path)
    assert shelf.folder("data") is None
    assert shelf.from_path("sample.mp4")


def test_what_is_no_readable_file_is_refused_with_its_reason(shelf: VideoRepository, allowed: Path) -> None:
    (allowed / "folder").mkdir()
    os.mkfifo(allowed / "pipe.mp4")
    (allowed / "loop.mp4").symlink_to(allowed / "loop.mp4")
    refused("path_not_a_file", shelf.from_path, "folder")
    refused("path_not_a_file", shelf.from_path, "pipe.mp4")
    refused("path_unreadable", shelf.from_path, "loop.mp4")
    refused("path_missing", shelf.from_path, "nothing.mp4")
    refused("path_empty", shelf.from_path, "  ")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who can be refused")
def test_a_file_without_permission_is_refused(shelf: VideoRepository, allowed: Path) -> None:
    file = allowed / "locked.mp4"
    file.write_bytes(b"x")
    file.chmod(0)
    refused("path_unreadable", shelf.from_path, "locked.mp4")


def test_video_ids_are_stable_per_installation(tmp_path: Path, allowed: Path, sample: Path) -> None:
    first = VideoRepository(tmp_path / "d1", (allowed,), sample).sample()
    assert VideoRepository(tmp_path / "d1", (allowed,), sample).sample() == first
    assert VideoRepository(tmp_path / "d2", (allowed,), sample).sample() != first


def test_a_video_that_has_vanished_says_so(shelf: VideoRepository, sample: Path) -> None:
    video = shelf.sample()
    assert shelf.path(video) == sample
    sample.unlink()
    assert refused("path_missing", shelf.path, video).values["path"] == "sample.mp4"
    refused("path_missing", shelf.sample)


def test_a_file_leads_back_to_its_video(shelf: VideoRepository, allowed: Path, sample: Path, tmp_path: Path) -> None:
    (allowed / "a.mp4").write_bytes(b"x")
    upload = shelf.create_upload("b.mp4", 1)
    append(shelf, upload.id, 0, [b"x"])
    for video in (shelf.sample(), shelf.from_path("a.mp4"), shelf.finish(upload.id)):
        assert shelf.find(shelf.path(video)) == video
    assert shelf.find(tmp_path / "other.mp4") is None


def test_an_administrator_finds_the_video_of_another(shelf: VideoRepository, allowed: Path) -> None:
    (allowed / "a.mp4").write_bytes(b"x")
    with as_user(User("ann", "ann", "analyst")):
        video = shelf.from_path("a.mp4")
        path = shelf.path(video)
        assert shelf.find(path) == shelf.find(path, "ann") == video
    with as_user(User("ada", "ada", "administrator")):
        assert shelf.find(path) is None
        assert shelf.find(path, "ann") == video
    with as_user(User("ben", "ben", "analyst")):
        assert shelf.find(path, "ann") is None


def limited(tmp_path: Path, sample: Path, **limits: int) -> VideoRepository:
    return VideoRepository(tmp_path / "limited", (), sample, UploadLimits(**limits))


def user(name: str) -> User:
    return User(name, name, "analyst")


def test_unfinished_uploads_are_counted_per_user(tmp_path: Path, sample: Path) -> None:
    shelf = limited(tmp_path, sample, most_unfinished=2)
    with as_user(user("a")):
        first = shelf.create_upload("1.mp4", 3)
        shelf.create_upload("2.mp4", 3)
        refused("uploads_unfinished", shelf.create_upload, "3.mp4", 3)
        with as_user(user("b")):
            shelf.create_upload("3.mp4", 3)
        with shelf.part(first.id, 0) as part:
            part.write(b"abc")
        shelf.finish(first.id)
        shelf.create_upload("3.mp4", 3)


def test_announced_bytes_count_for_their_user(tmp_path: Path, sample: Path) -> None:
    shelf = limited(tmp_path, sample, most_bytes=100)
    with as_user(user("a")):
        first = shelf.create_upload("1.mp4", 60)
        refused("upload_quota", shelf.create_upload, "2.mp4", 41)
        refused("upload_too_large", shelf.create_upload, "2.mp4", 101)
        with shelf.part(first.id, 0) as part:
            part.write(bytes(60))
        path = shelf.path(shelf.finish(first.id))
        refused("upload_quota", shelf.create_upload, "2.mp4", 41)
        with as_user(user("b")):
            shelf.create_upload("2.mp4", 41)
        shelf.drop_upload(path)
        shelf.create_upload("2.mp4", 41)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets how many bytes are free for uploads."""
    space = namedtuple("space", "total used free")

    def set_free(size_bytes: int) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _: space(1, 1, KEPT_FREE_BYTES + size_bytes))

    return set_free


def test_nobody_keeps_room_by_announcing(shelf: VideoRepository, free: Callable[[int], None]) -> None:
    free(100)
    with as_user(user("a")):
        refused("upload_quota", shelf.create_upload, "all.mp4", 100)
        shelf.create_upload("half.mp4", 50)
        refused("upload_quota", shelf.create_upload, "more.mp4", 1)
    with as_user(user("b")):
        shelf.create_upload("half.mp4", 50)


def test_what_a_user_stores_is_of_the_same_share(shelf: VideoRepository, free: Callable[[int], None]) -> None:
    free(100)
    with as_user(user("a")):
        upload = shelf.create_upload("half.mp4", 50)
        with shelf.part(upload.id, 0) as part:
            part.write(bytes(50))
        path = shelf.path(shelf.finish(upload.id))
        free(50)
        refused("upload_quota", shelf.create_upload, "more.mp4", 1)
        shelf.drop_upload(path)
        free(100)
        shelf.create_upload("half.mp4", 50)


def test_own_disk_is_not_promised_twice(shelf: VideoRepository, free: Callable[[int], None]) -> None:
    free(100)
    upload = shelf.create_upload("1.mp4", 60)  # by an administrator, who may take all
    refused("disk_full", shelf.create_upload, "2.mp4", 41)
    with shelf.part(upload.id, 0) as part:  # what has arrived is no longer free, nor due
        part.write(bytes(30))
    free(70)
    refused("disk_full", shelf.create_upload, "2.mp4", 41)
    shelf.create_upload("2.mp4", 40)


def test_an_upload_that_has_stopped_takes_its_bytes_alone(
    shelf: VideoRepository, free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(100)
    upload = shelf.create_upload("1.mp4", 90)
    refused("disk_full", shelf.create_upload, "2.mp4", 41)
    later = time.time() + video_repository.ACTIVE_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: later)
    shelf.create_upload("2.mp4", 41)
    with shelf.part(upload.id, 0) as part:  # it continues all the same
        part.write(bytes(90))
    assert shelf.upload(upload.id).is_complete


def test_uploads_leave_room_on_the_disk(shelf: VideoRepository, free: Callable[[int], None]) -> None:
    free(100)
    upload = shelf.create_upload("1.mp4", 60)
    free(0)
    with shelf.part(upload.id, 0) as part:
        refused("disk_full_now", part.write, bytes(60))
    assert shelf.upload(upload.id).offset == 0


@pytest.mark.slow
def test_hundreds_of_creates_at_once_keep_to_the_limit(tmp_path: Path, sample: Path) -> None:
    shelf = limited(tmp_path, sample, most_unfinished=10)

    def create(number: int) -> bool:
        try:
            shelf.create_upload(f"{number}.mp4", 1)
        except StorageError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(300))) == 10


def test_abandoned_uploads_make_room(tmp_path: Path, sample: Path) -> None:
    shelf = limited(tmp_path, sample, most_unfinished=1)
    old = shelf.create_upload("old.mp4", 6)
    week_ago = time.time() - 7 * 24 * 3600
    os.utime(tmp_path / "limited/videos/parts" / f"{old.id}.part", (week_ago, week_ago))
    shelf.create_upload("new.mp4", 6)
    refused("upload_unknown", shelf.upload, old.id)


@pytest.mark.parametrize(
    ("purpose", "num_bytes", "is_kept"), [("picture", 6, False), ("picture", 3, True), ("video", 6, True)]
)
def test_picture_that_is_never_asked_about_makes_room(
    tmp_path: Path, sample: Path, purpose: UploadPurpose, num_bytes: int, is_kept: bool
) -> None:
    shelf = limited(tmp_path, sample, most_unfinished=2)
    upload = shelf.create_upload("a.png", 6, purpose)
    append(shelf, upload.id, 0, [bytes(num_bytes)])
    hours_ago = time.time() - 2 * 3600
    os.utime(tmp_path / "limited/videos/parts" / f"{upload.id}.part", (hours_ago, hours_ago))
    shelf.create_upload("new.mp4", 6)
    if is_kept:
        assert shelf.upload(upload.id).offset == num_bytes
    else:
        refused("upload_unknown", shelf.upload, upload.id)


def complete(shelf: VideoRepository, name: str, content: bytes = b"abc") -> str:
    upload = shelf.create_upload(name, len(content))
    append(shelf, upload.id, 0, [content])
    return shelf.finish(upload.id)


def test_attached_upload_lies_beside_its_video(shelf: VideoRepository) -> None:
    video, words = complete(shelf, "a.mp4"), complete(shelf, "b.srt", b"words")
    shelf.attach(video, words, "a.srt")
    shelf.attach(video, words, "a.srt")
    assert shelf.path(words) == shelf.path(video).with_name("a.srt")
    assert shelf.path(words).read_bytes() == b"words" and shelf.name(words) == "b.srt"


def test_upload_attached_to_another_video_stays(shelf: VideoRepository) -> None:
    first, second, words = complete(shelf, "a.mp4"), complete(shelf, "b.mp4"), complete(shelf, "a.srt", b"words")
    shelf.attach(first, words, "a.srt")
    shelf.attach(second, words, "b.srt")
    assert shelf.path(first).with_name("a.srt").read_bytes() == b"words"
    assert shelf.path(second).with_name("b.srt").read_bytes() == b"words"


def test_attached_upload_is_deleted_with_its_video(shelf: VideoRepository) -> None:
    video, words = complete(shelf, "a.mp4"), complete(shelf, "a.srt")
    shelf.attach(video, words, "a.srt")
    folder = shelf.path(video).parent
    assert shelf.drop_upload(shelf.path(video))
    assert not folder.exists()
    refused("video_unknown", shelf.path, words)


def test_uploads_are_attached_to_uploads_of_ones_own(shelf: VideoRepository, allowed: Path) -> None:
    # Nothing is attached to what is no upload.
    (allowed / "a.mp4").write_bytes(b"abc")
    words = complete(shelf, "a.srt")
    refused("subtitles_for_path", shelf.attach, shelf.from_path("a.mp4"), words, "a.srt")
    assert [path.name for path in allowed.iterdir()] == ["a.mp4"]
    # Uploads of others are not attached.
    with as_user(User("a", "a", "analyst")):
        words = complete(shelf, "a.srt")
    with as_user(User("b", "b", "analyst")):
        refused("upload_unknown", shelf.attach, complete(shelf, "a.mp4"), words, "a.srt")
