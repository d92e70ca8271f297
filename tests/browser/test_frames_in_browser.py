"""Frames chosen by hand, a range drawn, a part looked at again: in a real browser, with mouse and with keys alone.

The scripted report is of two seconds with frames at 0 and 1 second.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Position, expect

from framelens.services.container import SAMPLE
from tests.browser.conftest import App, Visit, choose_sample, expect_report, open_details, press_in_menu
from tests.browser.test_analyse_in_browser import arrives, video_of

pytestmark = pytest.mark.browser

A_SNAPSHOT = re.compile("^data:image/jpeg;base64,")


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


def test_keys_remove_and_add_frames_for_new_report(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    page.get_by_role("button", name="These frames").click()
    expect(page.get_by_role("button", name="Ask again with these frames")).to_be_disabled()
    strip.focus()
    strip.press("PageDown")
    arrives(page, page.locator("video"), 1.0)
    strip.press("Delete")
    expect(page.get_by_text("1 removed, 0 added")).to_be_visible()
    strip.press("Home")
    for _ in range(5):
        strip.press(".")
    strip.press("a")
    expect(page.get_by_text("1 removed, 1 added")).to_be_visible()
    strip.press("Home")
    strip.press("Backspace")
    expect(page.get_by_text("2 removed, 1 added")).to_be_visible()
    strip.press("Control+z")
    expect(page.get_by_text("1 removed, 1 added")).to_be_visible()
    added = page.get_by_role("listitem").filter(has_text="Added")
    expect(added.locator("img")).to_have_attribute("src", A_SNAPSHOT)
    time = added.locator(".chip").inner_text()
    assert time == "00:00.200"
    page.get_by_role("button", name="Ask again with these frames").click()
    expect_report(page)
    open_details(page, "Frames")
    headings = page.get_by_role("tabpanel").locator(".frame h5")
    expect(headings).to_have_text(["Frame 1 · 00:00.000", f"Frame 2 · {time}"])
    assert visit.complaints == []


def press_at_once(strip: Locator, *keys: str) -> None:
    """Press all keys in one task of the page, so that the player has not arrived anywhere when the next key comes: as
    on a machine that is too slow for the hand.
    """
    strip.evaluate(
        """(strip, keys) => {
            for (const key of keys) strip.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        }""",
        keys,
    )


def edit_by_hand(page: Page) -> None:
    """Begin to edit the frames; from here on the player follows the edits."""
    page.get_by_role("button", name="These frames").click()
    expect(page.get_by_text("0 removed, 0 added")).to_be_visible()
    expect(page.get_by_role("button", name="Add this frame")).to_be_visible()


@pytest.mark.thorough
def test_fast_keys_add_the_intended_frames(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    edit_by_hand(page)
    press_at_once(strip, "Home", *"....a", *"...,....a", "End")
    expect(page.get_by_text("0 removed, 2 added")).to_be_visible()
    added = page.get_by_role("listitem").filter(has_text="Added")
    expect(added.locator(".chip")).to_have_text(["00:00.160", "00:00.400"])
    for place in range(2):
        expect(added.nth(place).locator("img")).to_have_attribute("src", A_SNAPSHOT)
    assert visit.complaints == []


@pytest.mark.thorough
def test_added_frames_at_unplayed_times_get_pictures(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    report(page, scripted_app)
    edit_by_hand(page)
    times = [4.0, 9.0, 14.0]
    page.evaluate(
        """times => times.forEach((seconds) => {
            window.dispatchEvent(new CustomEvent("framelens:edit", { detail: { kind: "add", seconds } }));
        })""",
        times,
    )
    added = page.get_by_role("listitem").filter(has_text="Added")
    expect(added.locator("img")).to_have_count(3)
    with av.open(str(SAMPLE)) as container:
        frames = {frame.time: frame for frame in container.decode(video=0)}
    truth = [small(frames[seconds].to_image()) for seconds in times]
    for place in range(3):
        src = added.nth(place).locator("img").get_attribute("src") or ""
        seen = small(Image.open(BytesIO(base64.b64decode(src.partition(",")[2]))))
        off = [float(np.abs(seen - true).mean()) for true in truth]
        assert off.index(min(off)) == place
    expect(page.locator("video")).to_have_count(1)
    assert visit.complaints == []


def small(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(picture.convert("RGB").resize((32, 18)), np.float32)


@pytest.mark.thorough
def test_hovered_mark_shows_picture_once_available(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    edit_by_hand(page)
    press_at_once(strip, "Home")
    arrives(page, page.locator("video"), 0.0)
    strip.hover(position=within(strip, 1.5, high=0.1))
    detail = "{ detail: { kind: 'add', seconds: 1.5 } }"
    page.evaluate(f"() => {{ window.dispatchEvent(new CustomEvent('framelens:edit', {detail})); }}")
    strip.hover(position=within(strip, 1.501, high=0.1))
    expect(page.locator(".tip img")).to_have_attribute("src", A_SNAPSHOT)


@pytest.mark.thorough
def test_card_removes_and_restores_frame_keeping_focus(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    report(page, scripted_app)
    page.get_by_role("button", name="These frames").click()
    page.get_by_role("button", name="Remove: Frame 2").focus()
    page.keyboard.press("Enter")
    back = page.get_by_role("button", name="Put back: Frame 2")
    expect(back).to_be_focused()
    expect(page.get_by_text("1 removed")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("0 removed")).to_be_visible()
    page.get_by_role("button", name="Discard changes").click()
    expect(page.locator(".st-key-details")).to_be_visible()


@pytest.mark.thorough
def test_many_quick_changes_are_all_counted(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    strip = report(page, scripted_app)
    edit_by_hand(page)
    strip.evaluate(
        """async strip => {
            const press = (key) => strip.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            for (const at of [0.2, 0.4, 0.6, 0.8, 1.2, 1.4]) {
                window.dispatchEvent(new CustomEvent("framelens:edit", { detail: { kind: "add", seconds: at } }));
                await new Promise((done) => setTimeout(done, 15));
            }
            press("Home");
            press("Delete");
        }"""
    )
    expect(page.get_by_text("1 removed, 6 added")).to_be_visible()


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
def test_on_a_telephone_editing_and_ranges_fit_the_screen(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    strip = report(page, scripted_app)
    strip.focus()
    strip.press("PageDown")
    strip.press("o")
    expect_range(page, 0.0, 1.0)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth") <= 390
    page.get_by_role("button", name="These frames").click()
    expect(page.get_by_role("button", name="Add this frame")).to_be_visible()
    assert main.evaluate("main => main.scrollWidth") <= 390
