"""Several videos at once, and the plan, as a reader meets them in a real browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import App, Visit
from tests.browser.test_analyse_in_browser import upload
from tests.cards import write_card_video

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("several")
    first = write_card_video(folder / "a.mp4", ["red", "green"], width=320, height=240)
    others = [Path(shutil.copy(first, folder / name)) for name in ("b.mp4", "c.mp4")]
    for path in others:
        with path.open("ab") as file:  # a box of nothing, so that they differ
            file.write((8).to_bytes(4, "big") + b"free")
    return [first, *others]


@pytest.mark.thorough
def test_non_video_is_refused_by_name_among_others(
    scripted_app: App, visit: Visit, videos: list[Path], tmp_path: Path
) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("This is not a video.\n" * 50)
    page = visit.page
    page.goto(scripted_app.url)
    page.locator("button.choose:not(:empty)").wait_for()
    page.locator("input[type=file]").set_input_files([videos[0], empty, text, videos[1]])
    expect(page.get_by_text("2 videos", exact=True)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="“empty.mp4” is empty")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="text.mp4 is not a readable video")).to_be_visible()


@pytest.mark.thorough
def test_single_non_video_is_refused_at_the_uploader(scripted_app: App, visit: Visit, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("This is not a video.\n" * 50)
    page = visit.page
    page.goto(scripted_app.url)
    page.locator("button.choose:not(:empty)").wait_for()
    page.locator("input[type=file]").set_input_files(text)
    expect(page.get_by_role("alert").filter(has_text="text.mp4 is not a readable video")).to_be_visible()
    expect(page.get_by_role("button", name="Choose videos")).to_be_visible()


def test_the_plan_follows_the_number(scripted_app: App, visit: Visit, videos: list[Path]) -> None:
    page = visit.page
    page.goto(scripted_app.url)
    upload(page, videos[0])
    expect(page.get_by_text(re.compile("^Automatic: about 8 frames"))).to_be_visible()
    page.get_by_role("button", name="Options").click()
    page.get_by_text("Automatic number of frames").click()
    number = page.get_by_role("spinbutton", name="Frames to analyse")
    number.fill("9")
    number.press("Enter")
    expect(page.get_by_text(re.compile("^9 frames"))).to_be_visible()
    assert visit.complaints == []
