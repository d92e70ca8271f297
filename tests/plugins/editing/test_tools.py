"""The tool of the MCP server that saves clips, called as the server calls it; tests of the server ask for it, too."""

from pathlib import Path
from typing import Any

import pytest

from framelens.api.tools import ToolCall
from framelens.core.errors import Cancelled, InputError, StorageError
from framelens.plugins.editing.tools import clip
from tests.media import cards, write_video
from tests.plugins.editing.commands.test_clip import report_on

SERVICES: Any = None  # this tool needs no services


def call_about(path: Path | None, *, has_report: bool = True) -> ToolCall:
    return ToolCall(SERVICES, lambda video: (path, report_on(path) if path and has_report else None), Path)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.mp4", cards(["red", "green", "blue"], 30), rate=10)


@pytest.mark.slow
@pytest.mark.usefixtures("english")
def test_findings_are_saved_and_what_fails_is_said(film: Path, tmp_path: Path) -> None:
    call, target = call_about(film), tmp_path / "cut"
    made = clip(call, str(film), str(target), kind="finding", numbers=[3, 1])
    assert made.clips and made.quoted and [one.start for one in made.clips] == [4.5, 0.0]
    names = [Path(path).name for path in made.quoted.paths]
    assert names == ["He comes back._00-04.500_00-09.000.mp4", "A man walks by._00-00.000_00-02.500.mp4"]
    assert sorted(names) == sorted(path.name for path in target.iterdir()) and call.doing.startswith("cutting")


def test_what_a_tool_cannot_save_is_said(film: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as away:
        clip(call_about(None), "a1b2", str(tmp_path))
    assert away.value.key == "clip_without_video"
    with pytest.raises(InputError) as unknown:
        clip(call_about(film, has_report=False), str(film), str(tmp_path), kind="chapter")
    assert unknown.value.key == "clip_without_report"
    call = call_about(film)
    call.cancel.set()
    with pytest.raises(Cancelled):
        clip(call, str(film), str(tmp_path))


@pytest.mark.slow
def test_folder_that_is_a_file_is_said(film: Path) -> None:
    with pytest.raises(StorageError) as error:
        clip(call_about(film), str(film), str(film), 1, 2)
    assert error.value.key == "clip_not_written"
