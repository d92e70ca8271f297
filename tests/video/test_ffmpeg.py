"""The ffmpeg program: what it may read and write in the sandbox, names of files, and how it ends."""

import sys
import threading
import time
from pathlib import Path

import pytest

from framelens.core.errors import Cancelled, ConfigError
from framelens.i18n import LANGUAGES, error_text
from framelens.video import ffmpeg, sandbox
from tests.media import moving, write_video

COPY = ("-c", "copy", "-f", "mp4")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.mp4", moving(10))


def output(folder: Path, name: str = "out.part") -> Path:
    path = folder / name
    path.touch()
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-y.mp4", "a:b.mp4", "100%d.mp4", "it's [a], b;c.mp4", "concat:x.mp4", "片 段.mp4"])
def test_names_of_files_are_only_names(film: Path, tmp_path: Path, name: str) -> None:
    source = film.rename(tmp_path / name)
    target = output(tmp_path, f"{name}.part")
    ffmpeg.run_ffmpeg(("-i", ffmpeg.ffmpeg_address(source), *COPY), reads=[source], writes=target)
    assert target.stat().st_size > 500


@pytest.mark.slow
@pytest.mark.skipif(not sandbox.has_landlock(), reason="this kernel has no Landlock")
def test_other_files_are_neither_read_nor_written(film: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("file film.mp4\n")
    with pytest.raises(ffmpeg.FfmpegError):
        ffmpeg.run_ffmpeg(
            ("-f", "concat", "-i", ffmpeg.ffmpeg_address(tmp_path / "list.txt"), *COPY),
            reads=[tmp_path / "list.txt"],
            writes=output(tmp_path),
        )
    more = tmp_path / "more.mp4"
    with pytest.raises(ffmpeg.FfmpegError):
        ffmpeg.run_ffmpeg(
            ("-i", ffmpeg.ffmpeg_address(film), *COPY, ffmpeg.ffmpeg_address(more), *COPY),
            reads=[film],
            writes=output(tmp_path),
        )
    assert not more.exists()


@pytest.mark.slow
@pytest.mark.parametrize("given", ["tcp://127.0.0.1:9", "http://127.0.0.1:9/a.mp4"])
def test_network_is_out_of_reach(film: Path, tmp_path: Path, given: str) -> None:
    with pytest.raises(ffmpeg.FfmpegError):
        ffmpeg.run_ffmpeg(("-i", given, *COPY), reads=[film], writes=output(tmp_path))


@pytest.mark.slow
def test_run_ends_when_it_is_cancelled(film: Path, tmp_path: Path) -> None:
    cancel, begun = threading.Event(), time.monotonic()
    threading.Timer(0.5, cancel.set).start()
    endless = ("-stream_loop", "-1", "-re", "-i", ffmpeg.ffmpeg_address(film), "-c:v", "libx264", "-f", "mp4")
    with pytest.raises(Cancelled):
        ffmpeg.run_ffmpeg(endless, reads=[film], writes=output(tmp_path), cancel=cancel)
    assert time.monotonic() - begun < 10


def test_without_a_program_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ffmpeg, "_candidates", lambda: [tmp_path / "none"])
    ffmpeg.program.cache_clear()
    with pytest.raises(ConfigError) as error:
        ffmpeg.program()
    assert error.value.key == "ffmpeg_missing" and sys.executable in error_text(error.value, "en")
    assert all(error_text(error.value, language) for language in LANGUAGES)
