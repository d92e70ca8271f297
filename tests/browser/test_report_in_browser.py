"""A report with parts as its readers meet it: paused and gone on with, a part asked again, two reports compared.

The scripted analysis is of two parts of ten seconds and waits in the middle of the second.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from framelens.i18n import LANGUAGES, t
from tests.browser.conftest import (
    App,
    Visit,
    choose_language,
    choose_sample,
    expect_report,
    open_details,
    press_in_menu,
    running,
    wait_until_still,
)
from tests.browser.test_analyse_in_browser import arrives, plays_from, video_of
from tests.thorough import first_of

pytestmark = pytest.mark.browser

_WATCH_OPACITY = """() => {
  const main = document.querySelector('[data-testid="stMain"]');
  window.lowestOpacity = 1;
  window.sawStale = false;
  const look = () => {
    for (const one of main.querySelectorAll('[data-stale], [role="tab"], [role="tablist"]')) {
      window.sawStale ||= one.dataset.stale === "true";
      window.lowestOpacity = Math.min(window.lowestOpacity, Number(getComputedStyle(one).opacity));
    }
    requestAnimationFrame(look);
  };
  look();
}"""


_WATCH_SHIFTS = """() => {
  window.shifts = [];
  window.lastShift = performance.now();
  const named = ({ node, previousRect: old, currentRect: now }) =>
    [node?.className ?? "", old.x, old.y, now.x, now.y].join(" ");
  new PerformanceObserver((list) => {
    window.lastShift = performance.now();
    const stays = ({ currentRect: now }) => now.width && now.height;  // what is taken away moves, too
    for (const { value, sources } of list.getEntries().filter((one) => one.sources.some(stays)))
      window.shifts.push({ value, moved: sources.map(named) });
  }).observe({ type: "layout-shift" });
}"""
_LONG_STILL = "() => performance.now() - window.lastShift > 2000"


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The pages over analyses with everything that a report can hold."""
    with running("tests/browser/rich_app.py", tmp_path_factory.mktemp("rich")) as app:
        yield app


@pytest.fixture
def rich_app(shared_app: App) -> Iterator[App]:
    """The same, whose analyses wait again; those of the test before have ended."""
    shared_app.go.unlink(missing_ok=True)
    time.sleep(0.2)  # until the server has seen it
    yield shared_app
    shared_app.go.touch()


def started(page: Page, app: App, question: str) -> Locator:
    """Start an analysis; each question is an analysis of its own."""
    choose_sample(page, app.url)
    video = video_of(page)
    page.get_by_label("What do you want to know?").fill(question)
    page.get_by_role("button", name="Analyse", exact=True).click()
    return video


def reported(page: Page, app: App) -> Locator:
    """Analyse to the end."""
    app.go.touch()
    video = started(page, app, "What happens?")
    expect_report(page)
    expect(page.get_by_text("number 0.0.")).to_be_visible()
    return video


@pytest.mark.parametrize(("width", "height"), first_of([(1280, 720), (390, 844)]))
def test_nothing_moves_when_the_report_arrives(rich_app: App, visit: Visit, width: int, height: int) -> None:
    page = visit.page
    rich_app.go.unlink(missing_ok=True)
    page.set_viewport_size({"width": width, "height": height})
    started(page, rich_app, f"What moves at {width}?")
    expect(page.get_by_text("in progress")).to_be_visible()
    page.evaluate(_WATCH_SHIFTS)
    page.wait_for_function(_LONG_STILL)  # frames and answers have arrived, and the last click is long ago
    page.evaluate("() => { window.shifts = [] }")
    rich_app.go.touch()
    expect_report(page)
    expect(page.locator('[class*="st-key-blocks_document"] .head').first).to_be_visible()
    wait_until_still(page, page.locator(".st-key-ask_composer"))
    page.wait_for_timeout(500)
    shifts = page.evaluate("window.shifts")
    moved = [one for one in shifts if one["value"] > 0.001]  # a pixel within a field that loads is less
    assert not moved, json.dumps(moved, indent=1)


@pytest.mark.thorough
def test_menu_covers_no_video_and_icons_have_names(rich_app: App, visit: Visit) -> None:
    page = visit.page
    reported(page, rich_app)
    page.get_by_role("button", name="Another video", exact=True).wait_for()  # its icon has a name
    expect(page.locator(".st-key-report_menu").get_by_role("button", name="More", exact=True)).to_be_visible()
    page.locator(".st-key-details").evaluate("one => one.scrollIntoView()")
    expect(page.locator(".st-key-report_menu")).not_to_be_in_viewport()
    words = page.locator(".st-key-menu_open button:visible p").first.bounding_box()
    video = page.locator(".st-key-watched").first.bounding_box()
    assert words and video and words["y"] + words["height"] <= video["y"]


@pytest.mark.thorough
def test_report_can_be_read_at_a_zoom_of_200_percent(rich_app: App, visit: Visit) -> None:
    page = visit.page
    reported(page, rich_app)
    page.set_viewport_size({"width": 640, "height": 450})
    page.get_by_text("number 0.0.").first.evaluate("one => one.scrollIntoView({ block: 'center' })")
    expect(page.get_by_text("number 0.0.").first).to_be_in_viewport()
    expect(page.locator("video")).not_to_be_in_viewport()
    expect(page.get_by_role("textbox", name="Your question")).not_to_be_in_viewport()


def test_pause_keeps_answers_and_resume_adds_the_rest(rich_app: App, visit: Visit) -> None:
    page = visit.page
    started(page, rich_app, "What is paused?")
    expect(page.get_by_text("in progress")).to_be_visible()
    page.get_by_role("button", name=re.compile("Part 1")).click()
    expect(page.get_by_text("number 0.3.")).to_be_visible()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("1 of 3 parts is answered")).to_be_visible()
    rich_app.go.touch()
    page.get_by_role("button", name="Continue").click()
    expect_report(page)
    expect(page.get_by_text("number 1.3.")).to_be_visible()
    assert visit.complaints == []


@pytest.mark.thorough
def test_tabs_keep_their_languages_while_a_job_runs(rich_app: App, visit: Visit) -> None:
    english = visit.page
    started(english, rich_app, "What is told?")
    expect(english.get_by_text("in progress")).to_be_visible()
    chinese = english.context.new_page()
    chinese.goto(english.url)
    expect(chinese.get_by_text("in progress")).to_be_visible()
    choose_language(chinese, "中文")
    expect(chinese.get_by_text(t("ui.part_busy", "zh"))).to_be_visible()
    chinese.get_by_role("button", name=t("ui.pause", "zh"), exact=True).click()
    expect(chinese.get_by_text(t("ui.paused_kept", "zh"))).to_be_visible()
    expect(english.get_by_text(t("ui.paused_kept", "en"))).to_be_visible()  # found by the fragment that polls
    rich_app.go.touch()
    chinese.get_by_role("button", name=t("ui.continue", "zh"), exact=True).click()
    expect_report(chinese)
    english.reload()
    expect_report(english)
    for page, language in zip((chinese, english), LANGUAGES, strict=True):  # an open tab is a fragment
        open_details(page, t("ui.tab_record", language))
        expect(page.get_by_text(t("report.requests", language))).to_be_visible()
    choose_language(chinese, "English")
    expect_report(chinese)
    assert visit.complaints == []


def test_a_part_is_asked_again_and_the_others_stay(rich_app: App, visit: Visit) -> None:
    page = visit.page
    rich_app.go.touch()
    started(page, rich_app, "What is asked again?")
    expect(page.get_by_text("number 1.0.")).to_be_visible()
    page.get_by_role("button", name="Ask this part again: Part 2").click()
    expect(page.get_by_text("Seen otherwise this time.")).to_be_visible()
    expect(page.get_by_text("number 0.0.")).to_be_visible()
    expect(page.get_by_text("number 1.0.")).not_to_be_visible()
    assert visit.complaints == []


def test_times_of_chapters_evidence_and_words_move_the_player(rich_app: App, visit: Visit) -> None:
    page = visit.page
    video = reported(page, rich_app)
    page.get_by_role("button", name="00:10", exact=True).first.click()
    arrives(page, video, 10.0)
    page.get_by_role("button", name="Go to 00:05.0 in the video").first.click()
    plays_from(page, video, 5.0)
    open_details(page, "Transcript")
    page.get_by_role("listitem").filter(has_text="Spoken line 1.").get_by_role("button").first.click()
    plays_from(page, video, 2.0)
    assert visit.complaints == []


@pytest.mark.thorough
def test_compared_reports_stack_on_a_phone(rich_app: App, visit: Visit) -> None:
    page = visit.page
    reported(page, rich_app)
    first = page.url
    press_in_menu(page, "New analysis of this video")
    page.get_by_label("What do you want to know?").fill("Who leaves?")
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    page.get_by_role("button", name="Compare").click()
    page.locator(".st-key-compare_start button").click()
    expect(page.get_by_text("Two reports side by side")).to_be_visible()
    assert re.search(r"[?&]with=", page.url) and page.url != first
    sides = page.locator(".pair").nth(1).locator(".side")
    expect(sides).to_have_count(2)
    left, right = (sides.nth(place).bounding_box() for place in (0, 1))
    assert left and right and left["y"] == right["y"] and left["x"] < right["x"]
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_text("B · Tiny-VL").last).to_be_visible()
    left, right = (sides.nth(place).bounding_box() for place in (0, 1))
    assert left and right and left["y"] < right["y"] and left["x"] == right["x"]
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth") <= 390
    page.reload()
    expect(page.get_by_text("Two reports side by side")).to_be_visible()
    assert visit.complaints == []


@pytest.mark.thorough
def test_a_run_that_takes_long_fades_nothing(rich_app: App, visit: Visit) -> None:
    page = visit.page
    reported(page, rich_app)
    page.evaluate(_WATCH_OPACITY)
    slow = rich_app.go.with_name("slow")
    slow.touch()
    choose_language(page, "中文")
    while not page.evaluate("window.sawStale"):
        page.wait_for_timeout(50)
    page.wait_for_timeout(2500)  # Streamlit begins to fade after half a second, and takes a second
    slow.unlink()
    expect_report(page)
    assert page.evaluate("window.lowestOpacity") == 1
    assert visit.complaints == []


@pytest.mark.thorough
def test_video_is_sticky_beside_or_above_report(rich_app: App, visit: Visit) -> None:
    page = visit.page
    video = reported(page, rich_app)
    for width, height in ((1280, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_text("number 1.3.").scroll_into_view_if_needed()
        expect(page.get_by_text("number 1.3.")).to_be_in_viewport()
        expect(video).to_be_in_viewport(ratio=0.9)
        shown = video.bounding_box()
        assert shown and shown["height"] < 0.25 * height
    assert visit.complaints == []


@pytest.mark.thorough
def test_a_telephone_shows_all_tabs_and_the_links_to_the_pages(rich_app: App, visit: Visit) -> None:
    page = visit.page
    reported(page, rich_app)
    page.set_viewport_size({"width": 390, "height": 844})
    open_details(page, "Frames")
    for tab in page.get_by_role("tab").all():
        box = tab.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.locator(".st-key-pages_on_phone").get_by_role("link", name="Library").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    assert visit.complaints == []


@pytest.mark.thorough
def test_a_panel_opens_over_the_report_and_knows_the_question(rich_app: App, visit: Visit) -> None:
    page = visit.page
    rich_app.go.touch()
    choose_sample(page, rich_app.url)
    page.get_by_label("What do you want to know?").fill("Who waits?")
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect(page.get_by_text("number 0.0.")).to_be_visible()
    save = page.get_by_role("button", name="Save report")
    before = save.bounding_box()
    save.click()
    expect(page.get_by_role("button", name="Markdown")).to_be_visible()
    assert save.bounding_box() == before
    page.keyboard.press("Escape")
    press_in_menu(page, "New analysis of this video")
    expect(page.get_by_label("What do you want to know?")).to_have_value("Who waits?")
    assert visit.complaints == []
