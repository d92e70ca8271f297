"""The HTML report in a browser: on a phone and on a desk."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.reports.text.test_html import hostile, page
from tests.thorough import first_of


@pytest.mark.parametrize("width", first_of([390, 1280]))
def test_a_browser_finds_nothing_wrong_and_nothing_too_wide(browser: Browser, tmp_path: Path, width: int) -> None:
    place = tmp_path / "report.html"
    place.write_text(page(hostile("x" * 10_000)), encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    try:
        tab.goto(place.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        for picture in tab.locator("img").all():
            picture.scroll_into_view_if_needed()
            assert picture.evaluate("one => one.decode().then(() => one.naturalWidth > 0)")
        assert tab.locator("svg circle").count() == 6
    finally:
        tab.close()
    assert said == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []
