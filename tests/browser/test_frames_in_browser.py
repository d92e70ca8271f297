"""A range drawn, a part looked at again: in a real browser, with mouse and with keys alone.

The scripted report is of two seconds with frames at 0 and 1 second.
"""

import pytest
from playwright.sync_api import Locator, Page, Position, expect

from tests.browser.conftest import App, Visit, choose_sample, expect_report, open_details, press_in_menu
from tests.browser.test_analyse_in_browser import arrives, video_of

pytestmark = pytest.mark.browser


def report(page: Page, app: App) -> Locator:
    """A finished report with its video loaded; the timeline."""
    app.go.touch()
    choose_sample(page, app.url)
    video_of(page)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    expect(page.locator('[data-test-script-state="notRunning"]')).to_be_visible()  # until then the page may still move
    return page.get_by_role("slider", name="Timeline")


def place(strip: Locator, seconds: float) -> tuple[float, float]:
    box = strip.bounding_box()
    assert box
    return box["x"] + box["width"] * seconds / 2, box["y"] + box["height"] / 2


def within(strip: Locator, seconds: float, *, high: float = 0.5) -> Position:
    """Where to point: Playwright waits until the strip has come to rest."""
    size = strip.bounding_box()
    assert size
    return {"x": size["width"] * seconds / 2, "y": size["height"] * high}


def drag(page: Page, strip: Locator, start: float, end: float) -> None:
    strip.hover(position=within(strip, start))
    page.mouse.down()
    page.mouse.move(*place(strip, (start + end) / 2), steps=3)
    page.mouse.move(*place(strip, end), steps=3)
    page.mouse.up()


def expect_range(page: Page, start: float, end: float) -> None:
    """The player says what was drawn, to a tenth of a second."""
    drawn = page.locator(".range")
    expect(drawn).not_to_be_empty()
    page.wait_for_function(
        """([drawn, start, end]) => {
            const found = drawn.textContent.match(/\\d+:(\\d+\\.\\d)\\D+\\d+:(\\d+\\.\\d)/);
            return found && Math.abs(found[1] - start) < 0.11 && Math.abs(found[2] - end) < 0.11;
        }""",
        arg=[drawn.element_handle(), start, end],
    )


def test_range_is_drawn_adjusted_and_analysed(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    tool = page.get_by_role("button", name="Range", exact=True)
    tool.click()
    expect(tool).to_have_attribute("aria-pressed", "true")
    drag(page, strip, 0.5, 1.5)
    expect_range(page, 0.5, 1.5)
    drag(page, strip, 1.5, 1.2)
    expect_range(page, 0.5, 1.2)
    press_in_menu(page, "New analysis of this video")
    page.get_by_label("What do you want to know?").fill("What falls?")
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    open_details(page, "How it was made")
    expect(page.get_by_text("This report covers only 00:00.")).to_be_visible()
    assert visit.complaints == []


def test_a_click_goes_to_its_place_and_draws_nothing(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    strip.click(position=within(strip, 1.5))
    arrives(page, page.locator("video"), 1.5)
    strip.click(position=within(strip, 1.01, high=0.05))
    arrives(page, page.locator("video"), 1.0)
    expect(page.locator(".range")).to_be_empty()


@pytest.mark.thorough
def test_keys_alone_draw_a_range_and_clear_it(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    strip.focus()
    strip.press("PageDown")
    arrives(page, page.locator("video"), 1.0)
    strip.press("i")
    expect_range(page, 1.0, 2.0)
    strip.press("Home")
    arrives(page, page.locator("video"), 0.0)
    strip.press("o")
    expect_range(page, 0.0, 0.04)
    strip.press("Escape")
    expect(page.locator(".range")).to_be_empty()


@pytest.mark.thorough
def test_a_range_that_is_typed_before_is_seen_on_the_timeline(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    choose_sample(page, scripted_app.url)
    video_of(page)
    page.get_by_role("button", name="Options").click()
    page.get_by_label("From", exact=True).fill("0:02.5")
    page.get_by_label("To", exact=True).fill("7")
    page.get_by_label("To", exact=True).blur()
    expect(page.get_by_text("00:02.5–00:07.0 (4.5 s)")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear range").click()
    page.get_by_role("button", name="Options").click()
    expect(page.get_by_label("From", exact=True)).to_have_value("")


@pytest.mark.thorough
def test_hovered_mark_shows_frame_and_reason(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    strip.hover(position=within(strip, 1.0, high=0.1))
    tip = page.locator(".tip")
    expect(tip).to_contain_text("Frame 2 · 00:01.000")
    expect(tip).to_contain_text("a new shot begins")
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=tip.locator("img").element_handle())
    strip.hover(position=within(strip, 0.9, high=0.5))
    expect(tip).to_contain_text("Shot 1 · Dissolve 0.2 s")
    strip.hover(position=within(strip, 1.7, high=0.5))
    expect(tip).to_contain_text("Shot 2 · Frozen 00:01–00:02")
    for word in ("Shot", "Dissolve", "Change", "Frozen"):
        expect(page.locator(".legend")).to_contain_text(word)


@pytest.mark.thorough
def test_a_zoomed_timeline_points_to_finer_times(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    strip.focus()
    strip.press("PageDown")
    arrives(page, page.locator("video"), 1.0)
    strip.press("+")  # one second of two, from 0.5 on
    strip.click(position=within(strip, 1.5))
    finer = "video => Math.abs(video.currentTime - 1.25) < 0.02"
    page.wait_for_function(finer, arg=page.locator("video").element_handle())
    page.get_by_role("button", name="Zoom out").click()
    strip.click(position=within(strip, 0.5))
    arrives(page, page.locator("video"), 0.5)


@pytest.mark.thorough
def test_on_a_telephone_ranges_fit_the_screen(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    strip = report(page, scripted_app)
    strip.focus()
    strip.press("PageDown")
    strip.press("o")
    expect_range(page, 0.0, 1.0)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth") <= 390
