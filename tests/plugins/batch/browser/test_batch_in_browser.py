"""Several videos at once, as a reader meets them in a real browser."""

import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import App, Visit, wait_until_still

pytestmark = pytest.mark.browser
ARE_OVER_TABLE = """() => {
    const [buttons, table] = ["stElementToolbarButtonContainer", "stDataFrame"].map(
        (name) => [...document.querySelectorAll(`[data-testid=${name}]`)].at(-1).getBoundingClientRect());
    return buttons.bottom < table.top;
}"""


def test_several_uploads_are_analysed_together(scripted_app: App, visit: Visit, videos: list[Path]) -> None:
    page = visit.page
    scripted_app.go.unlink(missing_ok=True)
    page.goto(scripted_app.url)
    page.locator("button.choose:not(:empty)").wait_for()
    page.locator("input[type=file]").set_input_files(videos)
    expect(page.get_by_text("3 videos", exact=True)).to_be_visible()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        expect(page.get_by_role("button", name=re.compile(name)).first).to_be_visible()
    page.get_by_role("button", name="Analyse 3 videos").press("Enter")
    expect(page).to_have_url(re.compile(r"[?&]batch="))
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_text(re.compile("3 videos: .*waiting")).first).to_be_visible()
    scripted_app.go.touch()
    expect(page.get_by_text("3 videos: 3 done").first).to_be_visible(timeout=60_000)
    table = page.get_by_test_id("stDataFrame")
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 120, box["y"] + 120)  # a cell of the second row
    expect(page).to_have_url(re.compile(r"[?&]job="))
    page.get_by_role("button", name="3 videos: a.mp4 …").first.click()
    save = page.get_by_role("button", name="Save summary and reports")
    wait_until_still(page, save)
    page.get_by_test_id("stDataFrame").hover()  # its own buttons move up, and cover no other
    other = save.bounding_box()
    assert other
    page.wait_for_function(ARE_OVER_TABLE)
    own = page.get_by_test_id("stElementToolbarButtonContainer").last.bounding_box()
    assert own and own["y"] >= other["y"] + other["height"]
    with page.expect_download() as saved:
        save.click()
    with ZipFile(saved.value.path()) as archive:
        names = archive.namelist()
        assert {"summary.html", "summary.csv", "summary.json"} < set(names)
        assert len([name for name in names if name.startswith("reports/")]) == 3
    assert visit.complaints == []
