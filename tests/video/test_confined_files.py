"""Files in folders that others can write to are opened without following links."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framelens.video.files import confine, held_folder, input_status, is_confined, open_descriptor, open_input

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows can't open below a folder")


@pytest.fixture
def confined(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "shared"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/film.mp4").write_bytes(b"film")
    (tmp_path / "private").mkdir()
    (tmp_path / "private/film.mp4").write_bytes(b"private")
    confine([folder])
    yield folder
    confine(())


def test_a_file_is_read_and_described(confined: Path) -> None:
    film = confined / "deep/film.mp4"
    with open_input(film) as file:
        assert file.read() == b"film"
    assert (input_status(film).st_size, is_confined(film), is_confined(confined.parent / "private")) == (4, True, False)


def test_a_link_in_any_part_is_refused(confined: Path) -> None:
    private = confined.parent / "private"
    (confined / "linked").symlink_to(private)
    (confined / "film.mp4").symlink_to(private / "film.mp4")
    (confined / "own.mp4").symlink_to(confined / "deep/film.mp4")
    for path in ("linked/film.mp4", "film.mp4", "own.mp4", "deep/../film.mp4", "missing.mp4", "deep/film.mp4/x"):
        for look in (open_input, input_status, open_descriptor, lambda one: open_descriptor(one, only_look=True)):
            with pytest.raises(OSError):
                look(confined / path)


def test_what_is_no_file_is_refused_at_once(confined: Path) -> None:
    os.mkfifo(confined / "pipe.mp4")
    for path in ("pipe.mp4", "deep"):
        with pytest.raises(OSError):
            open_input(confined / path)


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="the system has no paths to what is open")
def test_a_held_folder_is_the_one_that_was_opened(confined: Path) -> None:
    private = confined.parent / "private"
    with held_folder(confined / "deep") as held:
        (confined / "deep").rename(confined / "moved")
        (confined / "deep").symlink_to(private)
        assert (held / "film.mp4").read_bytes() == b"film"
        (held / "report.md").write_bytes(b"report")
    assert (confined / "moved/report.md").exists() and not (private / "report.md").exists()
    for path in ("deep", "moved/film.mp4", "missing"):
        with pytest.raises(OSError), held_folder(confined / path):
            raise AssertionError
    with held_folder(private) as elsewhere:
        assert elsewhere == private


def test_elsewhere_links_are_followed(confined: Path) -> None:
    private = confined.parent / "private"
    link = private / "link.mp4"
    link.symlink_to(private / "film.mp4")
    with open_input(link) as file:
        assert file.read() == b"private"
    assert input_status(link).st_size == 7


def test_a_folder_may_be_named_by_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "film.mp4").write_bytes(b"film")
    (tmp_path / "named").symlink_to(real)
    confine([tmp_path / "named"])
    try:
        assert is_confined(real / "film.mp4")
        with open_input(real / "film.mp4") as file:
            assert file.read() == b"film"
    finally:
        confine(())
