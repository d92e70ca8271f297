"""The library as its readers use it: searched, opened where words were found, renamed, deleted, and gone back to."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from framelens.reports.formats import FORMATS
from tests.browser.conftest import App, Visit, choose_sample, expect_report, running, wait_until_still
from tests.browser.test_analyse_in_browser import arrives, video_of
from tests.reports.test_questions import asked
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.browser
SHOW_UPRIGHT = """async image => {
    image.src = `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="90" height="160"/>`;
    await image.decode();
}"""


@pytest.fixture(scope="module")
def library_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The pages over analyses that end at once."""
    with running("tests/browser/rich_app.py", tmp_path_factory.mktemp("library")) as app:
        app.go.touch()
        yield app


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as another machine exported it."""
    path = tmp_path_factory.mktemp("report") / "elsewhere.json"
    given = replace(analysis(id="job123456"), sha256="5" * 64)  # of no video in the library
    path.write_bytes(FORMATS["json"].write(replace(given, video=replace(given.video, name="停车场.mp4")), "en"))
    return path


def import_files(page: Page, *files: Path) -> None:
    page.get_by_text("Import reports").first.click()
    page.get_by_role("button", name="Choose reports").wait_for()
    page.locator("input[type=file]").set_input_files(files)


def test_search_result_opens_at_its_time(library_app: App, visit: Visit) -> None:
    page = visit.page
    choose_sample(page, library_app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    page.get_by_role("link", name="Library").click()
    search = page.get_by_role("searchbox", name="Search names")
    search.press_sequentially('"number 1.1"')  # the list follows what is typed
    expect(page).to_have_url(re.compile("q="))
    page.get_by_role("button", name=re.compile("00:12 · Finding")).click()
    expect_report(page)
    arrives(page, video_of(page), 12.5)
    page.go_back()
    expect(page.get_by_role("searchbox", name="Search names")).to_have_value('"number 1.1"')


@pytest.mark.thorough
def test_card_that_is_drawn_again_while_pressed_opens(library_app: App, visit: Visit) -> None:
    page, main = visit.page, visit.page.get_by_test_id("stMain")
    choose_sample(page, library_app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    page.get_by_role("link", name="Library").click()
    card = main.get_by_role("button", name="An afternoon at the gate", exact=True).first
    wait_until_still(page, card)
    card.hover()
    page.get_by_role("searchbox", name="Search names").fill(
        "sample"
    )  # half a second later the cards show what was found
    page.mouse.down()
    expect(page).to_have_url(re.compile("q="))
    wait_until_still(page, card)
    expect(main.locator("mark")).to_have_count(0)
    page.mouse.up()
    expect_report(page)


@pytest.mark.thorough
def test_card_that_moves_while_pressed_opens(library_app: App, visit: Visit) -> None:
    page, main = visit.page, visit.page.get_by_test_id("stMain")
    choose_sample(page, library_app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    page.get_by_role("link", name="Library").click()
    card = main.get_by_role("button", name="An afternoon at the gate", exact=True).first
    wait_until_still(page, card)
    card.hover()
    page.mouse.down()
    main.evaluate("(main) => { main.style.paddingTop = '8rem'; }")
    page.mouse.up()
    expect_report(page)


def test_list_of_work_is_one_stop_of_the_tab_key(library_app: App, visit: Visit, report: Path) -> None:
    page = visit.page
    choose_sample(page, library_app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    page.get_by_role("link", name="Library").click()
    import_files(page, report)
    rows = page.locator(".st-key-work .go")
    wait_until_still(page, rows.nth(1))
    assert rows.evaluate_all("rows => rows.filter((row) => row.tabIndex === 0).length") == 1
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()


def test_foreign_report_is_imported_renamed_and_deleted(library_app: App, visit: Visit, report: Path) -> None:
    page, main = visit.page, visit.page.get_by_test_id("stMain")
    page.goto(f"{library_app.url}library")
    import_files(page, report)
    expect(main.locator(".entry").get_by_role("button", name="停车场.mp4", exact=True)).to_be_visible()
    page.get_by_role("button", name="Rename: 停车场.mp4").click()
    field = page.get_by_role("textbox", name="Rename: 停车场.mp4")
    field.fill("front door")
    field.press("Enter")
    expect(main.get_by_role("button", name="front door", exact=True)).to_be_visible()
    page.locator(".entry", has_text="front door").locator(".facts").first.click()  # not on its name
    page.get_by_role("button", name="Add the video").click()
    expect(page.get_by_text("made on another machine")).to_be_visible()
    expect(page.get_by_role("button", name="Choose videos")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.locator("video").count() == 0
    document = page.locator('[class*="st-key-blocks_document"]')
    for width, height, most in ((390, 844, 500), (1280, 720, 400)):
        page.set_viewport_size({"width": width, "height": height})
        wait_until_still(page, document)
        assert document.evaluate("one => one.getBoundingClientRect().top") <= most
    page.get_by_role("link", name="Library").click()
    page.get_by_role("checkbox", name="Select: front door").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export 1 as ZIP").click()
        page.get_by_role("button", name="Export 1 as ZIP").last.click()
    assert download.value.suggested_filename == "framelens-reports.zip"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(main.get_by_role("button", name="front door", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(main.get_by_role("button", name="front door", exact=True)).to_be_visible()
    page.get_by_role("checkbox", name="Select: front door").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    main.get_by_text("Trash · 1").click()
    expect(main.get_by_text("30 days left")).to_be_visible()
    main.get_by_role("button", name="Delete for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(main.get_by_text("Trash · 1")).to_have_count(0)
    expect(main.get_by_role("button", name="front door", exact=True)).to_have_count(0)


@pytest.mark.thorough
def test_upload_of_a_report_stays_in_view_when_cards_appear(library_app: App, visit: Visit, tmp_path: Path) -> None:
    page, file, held = visit.page, tmp_path / "late.json", list[Route]()
    given = analysis(id="job888888")
    file.write_bytes(FORMATS["json"].write(replace(given, video=replace(given.video, name="late.mp4")), "en"))
    page.goto(f"{library_app.url}library?q=nothing-has-this-word")
    expect(page.get_by_text("No analysis matches")).to_be_visible()
    page.route("**/check?*", lambda route: held.append(route))
    with page.expect_request("**/check?*"):
        import_files(page, file)
    page.get_by_role("searchbox", name="Search names").fill("")
    expect(page.locator(".entry").first).to_be_visible()
    expect(page.get_by_text("late.json")).to_be_visible()  # the part with the uploader isn't folded
    held.pop().continue_()
    expect(page.get_by_role("button", name="late.mp4", exact=True).first).to_be_visible()


@pytest.mark.thorough
def test_the_cards_keep_to_a_narrow_screen(library_app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{library_app.url}library")
    expect(page.get_by_role("listitem").first).to_be_visible()
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth") <= 390
    entry = page.locator(".entry").first
    height = "entry => entry.getBoundingClientRect().height"
    before = entry.evaluate(height)
    entry.locator(".cover img").evaluate(SHOW_UPRIGHT)
    assert before and entry.evaluate(height) == before


@pytest.mark.thorough
def test_search_takes_the_width_of_a_phone(library_app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{library_app.url}library")
    box = page.get_by_role("searchbox", name="Search names").bounding_box()
    assert box and box["width"] > 300


@pytest.mark.thorough
def test_files_without_a_report_import_nothing(library_app: App, visit: Visit, tmp_path: Path) -> None:
    page, (report, other) = visit.page, (tmp_path / "a.json", tmp_path / "b.json")
    given = analysis(id="job777777")
    report.write_bytes(FORMATS["json"].write(replace(given, video=replace(given.video, name="never.mp4")), "en"))
    other.write_text("{}")
    page.goto(f"{library_app.url}library")
    import_files(page, report, other)
    expect(page.get_by_role("alert").filter(has_text="b.json")).to_be_visible()
    assert page.get_by_role("button", name="never.mp4", exact=True).count() == 0
    assert not list((library_app.data_dir / "videos" / "parts").iterdir())
    assert not [body for body in visit.requests if "/_stcore/upload_file" in body.url]


@pytest.mark.thorough
def test_imported_answers_are_shown_and_saved_unless_left_out(library_app: App, visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    (tmp_path / "asked.json").write_bytes(FORMATS["json"].write(replace(asked(), id="job654321"), "en"))
    page.goto(f"{library_app.url}library")
    import_files(page, tmp_path / "asked.json")
    expect(page.get_by_text("clip.mp4").first).to_be_visible()
    page.goto(f"{library_app.url}?job=job654321")
    expect(page.get_by_role("heading", name="Questions and answers")).to_be_visible()
    answer = page.locator(".answer").first
    expect(answer).to_have_text("A man [1] is at the door.\nHe leaves [2]; a dog [5] and a cat [6] follow, as in [7].")
    expect(page.locator(".thumbnails").nth(1).locator("img")).to_have_count(5)
    expect(page.get_by_text("frames that don't exist: 99")).to_be_visible()
    expect(page.get_by_text("some/model, other/model").first).to_be_visible()
    page.get_by_role("button", name="Save report").click()
    for is_there in (True, False):
        with page.expect_download() as download:
            page.get_by_role("button", name="JSON", exact=True).click()
        assert (b"Who is at the door?" in download.value.path().read_bytes()) == is_there
        page.get_by_text("With questions and answers").click()
    assert visit.hosts <= {urlsplit(library_app.url).netloc, ""}
