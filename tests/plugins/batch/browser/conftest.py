"""The fixtures of the browser."""

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import browser, profile, scripted_app, visit  # noqa: F401
from tests.cards import write_card_video


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("several")
    first = write_card_video(folder / "a.mp4", ["red", "green"], width=320, height=240)
    others = [Path(shutil.copy(first, folder / name)) for name in ("b.mp4", "c.mp4")]
    for path in others:
        with path.open("ab") as file:  # a box of nothing, so that they differ
            file.write((8).to_bytes(4, "big") + b"free")
    return [first, *others]
