"""The picture that is searched for, of which a part is drawn with the pointer or chosen with the keyboard."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

import framelens
from tests.browser.conftest import App, Visit, running, wait_until_still
from tests.plugins.search.test_moments import MODEL, picture_of, street

__all__ = ["street"]
pytestmark = pytest.mark.browser


@pytest.fixture
def library(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("FRAMELENS_SEARCH_MODEL", str(MODEL))
    framelens.analyse(street, use_model=False, data_dir=tmp_path / "data")
    with running("app/main.py", tmp_path) as app:
        yield app


def drag(picture: Locator, left: float, top: float, right: float, bottom: float) -> None:
    box = picture.bounding_box()
    assert box
    mouse = picture.page.mouse
    mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
    mouse.down()
    mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=3)
    mouse.up()


def test_a_part_of_the_picture_is_drawn(library: App, visit: Visit, tmp_path: Path) -> None:
    page, both = visit.page, Image.new("RGB", (320, 90))
    for left, thing in ((0, ("van", "blue")), (160, ("ball", "red"))):
        both.paste(Image.open(io.BytesIO(picture_of(thing))), (left, 0))
    both.save(tmp_path / "both.png")
    page.goto(f"{library.url}library")
    page.get_by_role("button", name="Search by a picture").wait_for()
    page.locator("input[type=file]").last.set_input_files(tmp_path / "both.png")
    picture, whole = page.get_by_role("group", name="both.png"), page.get_by_role("button", name="Whole picture")
    found = page.get_by_role("button", name="Open at")
    wait_until_still(page, page.get_by_text("Nothing like that"))
    drag(picture, 0.01, 0.02, 0.5, 0.98)
    expect(found).to_have_count(1)
    expect(found).to_contain_text("00:02")
    drag(picture, 0.5, 0.02, 0.99, 0.98)
    expect(found).to_contain_text("00:04")
    drag(picture, 0.2, 0.2, 0.205, 0.21)  # a slip
    expect(whole).to_be_visible()
    whole.click()
    expect(whole).to_be_hidden()
    picture.press("ArrowLeft")  # the middle, in which is a half of both
    expect(whole).to_be_visible()
    assert picture.evaluate("element => element.matches(':focus')")
    picture.press("Escape")
    expect(whole).to_be_hidden()
    assert not visit.complaints
