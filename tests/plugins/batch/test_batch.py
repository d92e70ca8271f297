"""What a batch takes from folders, patterns and lists, and what it leaves out with a reason."""

import io
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from framelens.core.codec import from_json, to_json
from framelens.core.domain import AnalysisRequest
from framelens.core.errors import Cancelled
from framelens.core.roles import User, as_user
from framelens.plugins.batch.batch import Batch, Collected, batch_id, collect
from framelens.video.files import sha256_of
from framelens.video.inputs import Input, resolve

REQUEST = AnalysisRequest(Path("any.mp4"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("clips/a.mp4", "first"), ("clips/b.mp4", "second"), ("clips/deep/copy.mov", "first"), ("clips/notes.txt", "x"),
        ("clips/empty.mp4", ""),
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def named(arguments: Sequence[str]) -> tuple[Input, ...]:
    return resolve(arguments, reads_lists=True).items


def names(collected: Collected) -> list[str]:
    return [video.name for video in collected.videos]


def reasons(collected: Collected) -> dict[str, str]:
    return {one.path.name: one.error.key for one in collected.left_out}


def test_folders_give_each_video_once(folder: Path) -> None:
    # A folder gives each content once.
    found = collect(named(["clips"]), sha256_of)
    assert names(found) == ["a.mp4", "b.mp4"]
    assert reasons(found) == {"copy.mov": "same_video", "empty.mp4": "video_empty"}
    assert found.videos[0].key == sha256_of(folder / "clips" / "a.mp4")
    assert found.videos[0].size_bytes == 5
    # A pattern finds endings in capital letters.
    (folder / "clips" / "b.mp4").rename(folder / "clips" / "DJI_0001.MP4")
    assert names(collect(named(["**/*.mp4"]), sha256_of)) == ["a.mp4", "DJI_0001.MP4"]


def test_lists_name_paths_from_everywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A list names paths from its own folder.
    (folder / "clips" / "some.list").write_text("# the second\n\nb.mp4\r\nmissing.mp4\ndeep\n", encoding="utf-8-sig")
    found = collect(named([str(folder / "clips" / "some.list")]), sha256_of)
    assert names(found) == ["b.mp4", "copy.mov"]
    assert reasons(found) == {"missing.mp4": "video_not_found"}
    # A list may name paths from the working directory.
    (folder / "clips" / "all.txt").write_text("clips/a.mp4\nclips/b.mp4\n")
    assert names(collect(named(["clips/all.txt"]), sha256_of)) == ["a.mp4", "b.mp4"]
    # A list is read from standard input.
    written = b"clips/b.mp4\n# not this\nclips/a.mp4\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(written)))
    assert names(collect(named(["-"]), sha256_of)) == ["b.mp4", "a.mp4"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-16"])
def test_a_list_may_have_any_encoding(folder: Path, encoding: str) -> None:
    (folder / "clips" / "a.mp4").rename(folder / "clips" / "会议室监控.mp4")
    (folder / "some.txt").write_text("clips/会议室监控.mp4\nclips/b.mp4\n", encoding=encoding)
    assert names(collect(named(["some.txt"]), sha256_of)) == ["会议室监控.mp4", "b.mp4"]


def test_names_that_are_no_utf8_are_kept(folder: Path) -> None:
    path = folder / "clips" / os.fsdecode("监控.mp4".encode("gb18030"))
    path.write_text("third")
    (folder / "some.txt").write_bytes(b"clips/" + os.fsencode(path.name) + b"\nclips/b.mp4\n")
    assert [video.path for video in collect(named(["some.txt"]), sha256_of).videos] == [
        path,
        folder / "clips" / "b.mp4",
    ]


def test_bad_arguments_never_fail_the_others(folder: Path) -> None:
    (folder / "none.txt").write_text("# nothing\n")
    (folder / "empty").mkdir()
    found = collect(named(["nowhere/*.mp4", "none.txt", "empty", "rtsp://example.org/a", "clips/*.mp4"]), sha256_of)
    assert names(found) == ["a.mp4", "b.mp4"]
    assert [one.error.key for one in found.left_out] == [
        "pattern_without_files", "list_empty", "folder_without_videos", "video_is_address", "video_empty",
    ]  # fmt: skip


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions stop")
def test_what_cannot_be_read_is_left_out(folder: Path) -> None:
    (folder / "clips" / "a.mp4").chmod(0)
    (folder / "clips" / "deep").chmod(0)
    found = collect(named(["clips"]), sha256_of)
    assert names(found) == ["b.mp4"]
    assert {"video_no_permission", "folder_unreadable"} <= set(reasons(found).values())


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_not_utf8_is_kept(folder: Path) -> None:
    odd = Path(os.fsdecode(b"clips/caf\xe9.mp4"))
    odd.write_text("third")
    (folder / "odd.txt").write_bytes(b"clips/caf\xe9.mp4\n")
    found = collect(named(["odd.txt"]), sha256_of)
    assert found.videos[0].path == folder / odd
    assert found.videos[0].name == r"caf\xe9.mp4"
    batch = Batch("one", found.videos, REQUEST)
    assert from_json(to_json(batch), Batch) == batch


def test_a_stop_ends_the_search(folder: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        collect(named(["clips"]), sha256_of, cancel=cancel)


def test_the_same_command_has_the_same_batch() -> None:
    def id_of(what: str = "/out", request: AnalysisRequest = REQUEST, model: str = "m", *, fits: bool = False) -> str:
        return batch_id(what, request, {"model": model}, fits_request=fits)

    others = {id_of("/other"), id_of(request=replace(REQUEST, question="why?")), id_of(model="n"), id_of(fits=True)}
    with as_user(User("u1", "ann", "analyst")):
        others.add(id_of())
    assert id_of() == id_of(request=replace(REQUEST, path=Path("b.mp4"))) and len(others | {id_of()}) == 6
