"""Which files a command line names: singly, by folders, by patterns."""

import os
from pathlib import Path

import pytest

from framelens.video.inputs import Inputs, resolve
from tests.media import moving, write_video


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp4", "A.MKV", "notes.txt", "sub/z.mov", "sub/clip [1].mp4", ".hidden/x.mp4", "._b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(inputs: Inputs) -> list[str]:
    return [item.path.relative_to(Path.cwd()).as_posix() for item in inputs.items]


def keys(inputs: Inputs) -> list[str]:
    return [item.error.key for item in inputs.items if item.error]


def test_a_folder_gives_its_videos_in_the_order_of_names(folder: Path) -> None:
    inputs = resolve(["."])
    assert names(inputs) == ["A.MKV", "b.mp4", "sub/clip [1].mp4", "sub/z.mov"]
    assert not inputs.is_one_file


def test_nothing_below_a_folder_to_leave_out_is_listed(folder: Path) -> None:
    (folder / "link.mp4").symlink_to(folder / "sub" / "z.mov")
    assert names(resolve(["."], without=folder / "sub")) == ["A.MKV", "b.mp4"]
    assert resolve([str(folder / "sub")], without=folder).items == ()


def test_patterns_work_without_a_shell(folder: Path) -> None:
    assert names(resolve(["*.mp4"])) == ["b.mp4"]
    assert names(resolve(["**/*.mo?", "b.mp4"])) == ["sub/z.mov", "b.mp4"]
    assert names(resolve(["s*"])) == ["sub/clip [1].mp4", "sub/z.mov"]
    assert not resolve(["*.mp4"]).is_one_file


def test_a_name_that_exists_is_no_pattern(folder: Path) -> None:
    inputs = resolve(["sub/clip [1].mp4"])
    assert names(inputs) == ["sub/clip [1].mp4"]
    assert inputs.is_one_file


def test_a_file_named_twice_counts_once(folder: Path) -> None:
    (folder / "link.mp4").symlink_to(folder / "b.mp4")
    assert names(resolve(["b.mp4", "./b.mp4", "*.mp4", "."])) == ["b.mp4", "A.MKV", "sub/clip [1].mp4", "sub/z.mov"]


def test_a_named_file_may_have_any_ending(folder: Path) -> None:
    assert names(resolve(["notes.txt", "missing"])) == ["notes.txt", "missing"]


def test_what_gives_no_file_is_named(folder: Path) -> None:
    (folder / "empty").mkdir()
    inputs = resolve(["empty", "*.nope", "b.mp4"])
    assert keys(inputs) == ["folder_without_videos", "pattern_without_files"]
    assert names(inputs)[-1] == "b.mp4"


def test_pattern_without_files_is_named_as_typed(folder: Path) -> None:
    (item,) = resolve(["nope*.mp4"]).items
    assert item.error and item.error.values["pattern"] == "nope*.mp4"


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refused(path: str) -> object:  # root may read everything, so the test cannot rely on modes
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    inputs = resolve(["."])
    assert keys(inputs) == ["folder_unreadable"]
    assert names(inputs) == ["A.MKV", "b.mp4", "sub"]


@pytest.mark.parametrize("word", ["x" * 5000, "~nobodyhere/x.mp4", "[", "?" * 3000])
def test_no_name_is_a_fault(word: str, folder: Path) -> None:
    assert len(resolve([word]).items) == 1


def test_typescript_is_no_transport_stream(folder: Path) -> None:
    write_video(folder / "sub" / "stream.ts", moving(20))
    (folder / "sub" / "source.ts").write_text("export const GOOD = 'GGGGGGGG';\n" * 200)
    assert "sub/stream.ts" in names(resolve(["sub"]))
    assert "sub/source.ts" not in names(resolve(["sub"]))


def test_address_of_a_local_file_is_its_path(folder: Path) -> None:
    address = (folder / "sub" / "clip [1].mp4").as_uri()
    (folder / "play.m3u").write_text(f"#EXTM3U\n{address}\n")
    for word in (address, address.replace("file:///", "file://localhost/"), "play.m3u"):
        assert names(resolve([word], reads_lists=True)) == ["sub/clip [1].mp4"], word


@pytest.mark.parametrize(
    "typed",
    ['"b.mp4"', "'b.mp4'", "“b.mp4”", "b.mp4 ", "sub\\z.mov", "sub/clip%20[1].mp4", "cafe\u0301.mp4", "~/b.mp4"],
)
def test_other_spellings_name_the_file_that_exists(typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "caf\u00e9.mp4").write_bytes(b"x")
    [item] = resolve([typed]).items
    assert item.path.is_file(), typed
    (folder / "list.txt").write_text(f"{typed}\n")
    [item] = resolve(["list.txt"], reads_lists=True).items
    assert item.path.is_file(), typed


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_list_of_any_unicode_encoding_is_read(encoding: str, folder: Path) -> None:
    (folder / "片段.mp4").write_bytes(b"x")
    (folder / "list.txt").write_bytes("b.mp4\r\n片段.mp4\r\n".encode(encoding))
    assert names(resolve(["list.txt"], reads_lists=True)) == ["b.mp4", "片段.mp4"]


def test_lists_of_ffmpeg_are_read(folder: Path) -> None:
    # List of ffmpeg is read.
    (folder / "list.txt").write_text("file 'sub/clip [1].mp4'\nfile b.mp4\n")
    assert names(resolve(["list.txt"], reads_lists=True)) == ["sub/clip [1].mp4", "b.mp4"]
    # List that is no text is an error of its own.
    (folder / "list.txt").write_bytes(b"b.mp4\nx\0y.mp4\n" + b"z" * 100)
    assert keys(resolve(["list.txt"], reads_lists=True)) == ["list_unreadable"]
