"""A blank word, as a variable that isn't set gives it: no command takes it for the working directory or a default."""

from pathlib import Path

import pytest

from tests.commands import run_command


@pytest.mark.parametrize(
    "words", [("analyse",), ("keyframes",), ("clip", "--from", "0"), ("transcript",), ("batch",), ("download",)]
)
@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_name_is_refused(words: tuple[str, ...], blank: str, tmp_path: Path) -> None:
    done = run_command(words[0], blank, *words[1:], environ={"FRAMELENS_DATA_DIR": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode in (3, 6) and "blank" in done.stderr and "folder, not a video" not in done.stderr


@pytest.mark.parametrize("command", ["analyse", "batch", "clip", "export", "keyframes"])
def test_blank_output_is_refused(command: str, tmp_path: Path) -> None:
    done = run_command(
        command, "video.mp4", "--output", "", environ={"FRAMELENS_DATA_DIR": str(tmp_path)}, cwd=tmp_path
    )
    assert done.returncode == 2 and "--output: The path is blank" in done.stderr
    assert not list(tmp_path.glob("framelens-batch*"))
