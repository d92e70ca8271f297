"""Going from page to page keeps what is open, and the charts move on in place."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import App, Visit, choose_language, choose_sample, go_to, press_sample

pytestmark = pytest.mark.browser


def link(visit: Visit, name: str) -> Locator:
    return visit.page.get_by_test_id("stSidebarUserContent").get_by_test_id("stPageLink").get_by_role("link", name=name)


def test_charts_update_in_place_without_foreign_requests(scripted_app: App, visit: Visit) -> None:
    visit.page.goto(scripted_app.url)
    go_to(visit.page, "System")
    chart = visit.page.get_by_role("listitem").filter(has_text="Processor")
    expect(chart).to_contain_text(re.compile(r"\d+ %"))
    line = chart.locator("path.line")
    before = line.get_attribute("d")
    chart.evaluate("box => { box.dataset.seen = 'yes' }")
    expect(line).not_to_have_attribute("d", before or "")
    expect(chart).to_have_attribute("data-seen", "yes")
    box = chart.locator(".plot").bounding_box()
    assert box
    visit.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 20)
    expect(chart.locator(".tip")).to_contain_text(re.compile(r"\d+ %\s*\d+ s ago"))
    assert visit.complaints == []
    assert visit.hosts <= {urlsplit(scripted_app.url).netloc, ""}


@pytest.mark.thorough
def test_open_analysis_and_language_survive_navigation(scripted_app: App, visit: Visit) -> None:
    choose_sample(visit.page, scripted_app.url)
    visit.page.get_by_role("button", name="Analyse", exact=True).click()
    visit.page.wait_for_url(re.compile("job="))
    job = parse_qs(urlsplit(visit.page.url).query)["job"]

    go_to(visit.page, "System")
    expect(visit.page.get_by_text("This machine", exact=True)).to_be_visible()
    expect(visit.page.get_by_test_id("stPopoverBody")).to_have_count(0)  # the menu doesn't lie over the page
    choose_language(visit.page, "中文")
    expect(visit.page.get_by_text("本机", exact=True)).to_be_visible()
    link(visit, "分析").first.click()
    expect(visit.page.get_by_role("button", name="取消", exact=True)).to_be_visible()
    address = urlsplit(visit.page.url)
    assert address.path == "/" and parse_qs(address.query)["job"] == job

    visit.page.get_by_role("button", name="取消", exact=True).click()
    visit.page.get_by_role("button", name="换一个视频").click()
    expect(link(visit, "分析库")).not_to_have_attribute("href", re.compile("job="))
    go_to(visit.page, "系统")
    expect(visit.page.get_by_text("本机", exact=True)).to_be_visible()
    visit.page.locator('[class*="st-key-work_rows"] .go').first.click()
    visit.page.wait_for_url(lambda url: urlsplit(url).path == "/" and parse_qs(urlsplit(url).query).get("job") == job)
    assert visit.complaints == []


@pytest.mark.thorough
def test_rows_of_the_queue_act_on_their_own_analysis(scripted_app: App, visit: Visit) -> None:
    visit.page.goto(scripted_app.url)
    jobs = [begin_one(visit) for _ in range(4)]
    cancel = visit.page.locator('[aria-label^="Cancel"]')  # finished analyses are listed below, without this button
    rows = visit.page.locator('[class*="st-key-work_rows"] .job').filter(has=cancel)
    expect(rows).to_have_count(4)
    visit.page.locator(f'[data-id="{jobs[3]}"] [aria-label^="Move to top"]').click()
    expect(rows.nth(2)).to_have_attribute("data-id", jobs[3])
    visit.page.locator(f'[data-id="{jobs[2]}"] [aria-label^="Cancel"]').click()
    expect(visit.page.locator(f'[data-id="{jobs[2]}"] [aria-label^="Cancel"]')).to_have_count(0)
    visit.page.get_by_role("button", name="Cancel all").click()
    expect(visit.page.get_by_role("button", name="Cancel all")).to_have_count(0)
    assert visit.complaints == []


@pytest.mark.thorough
def test_queue_opens_analysis_from_every_page(scripted_app: App, visit: Visit) -> None:
    visit.page.goto(scripted_app.url)
    jobs = [begin_one(visit) for _ in range(2)]
    go_to(visit.page, "System")
    expect(visit.page.get_by_text("This machine", exact=True)).to_be_visible()
    visit.page.locator(f'[class*="st-key-work_rows"] [data-id="{jobs[0]}"] .go').click()
    visit.page.wait_for_url(lambda url: urlsplit(url).path == "/" and f"job={jobs[0]}" in url)
    expect(visit.page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    go_to(visit.page, "System")  # and no further: what was opened has been shown
    expect(visit.page.get_by_text("This machine", exact=True)).to_be_visible()
    assert visit.complaints == []


def begin_one(visit: Visit) -> str:
    """Has the sample analysed; the page is ready for another video afterwards. Returns the job's id."""
    press_sample(visit.page)
    visit.page.get_by_role("button", name="Analyse", exact=True).click()
    visit.page.wait_for_url(re.compile("job="))
    (job,) = parse_qs(urlsplit(visit.page.url).query)["job"]
    visit.page.get_by_role("button", name="Another video").click()
    expect(link(visit, "Library")).not_to_have_attribute("href", re.compile("job="))
    # Until the page is drawn to its end, the button of the form before may still be there.
    expect(visit.page.get_by_role("button", name="Analyse", exact=True)).to_be_disabled()
    return job


@pytest.mark.thorough
def test_sidebar_closes_on_small_screen_after_choice(scripted_app: App, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 800})
    visit.page.goto(scripted_app.url)
    sidebar = visit.page.get_by_test_id("stSidebar")
    visit.page.get_by_test_id("stExpandSidebarButton").click()
    expect(sidebar).to_have_attribute("data-collapsed", "false")
    sidebar.get_by_test_id("stPageLink").get_by_role("link", name="Library").click()
    expect(visit.page.get_by_test_id("stMain").get_by_role("heading", name="Library")).to_be_visible()
    expect(sidebar).to_have_attribute("data-collapsed", "true")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visit.complaints == []
