"""A report as a reader corrects it in a real browser, by mouse and keyboard, and as another person meets it."""

import pytest
from playwright.sync_api import expect

from framelens import config
from framelens.composition import open_library
from framelens.jobs.stored.corrections import Draft
from tests.browser.conftest import App, Visit, wait_until_still
from tests.reports.content.test_labels import rich

pytestmark = pytest.mark.browser


def test_a_report_is_corrected_in_place(app: App, visit: Visit) -> None:
    page = visit.page
    settings = config.load({"FRAMELENS_DATA_DIR": str(app.data_dir), "VLLM_MODEL_PATH": "/nowhere"})
    with open_library(settings) as services:
        services.reports.add(rich(id="corrected-1"))
        page.goto(f"{app.url}?job=corrected-1")
        menu = page.locator(".st-key-report_menu button:visible").last
        wait_until_still(page, menu)
        menu.click()
        page.get_by_role("button", name="Correct", exact=True).click()
        item = page.locator('.item[data-key="f1"]')
        page.get_by_label("Your name").fill("Anna")
        page.get_by_label("Your name").press("Enter")
        wait_until_still(page, item)
        item.focus()
        item.press("Enter")
        field = page.locator(".items textarea")
        field.fill("thrown away")
        field.press("Escape")
        expect(item).to_contain_text("A man walks by.")
        item.locator(".text").click()
        field.fill("Anna's words")
        services.reports.correct("corrected-1", [Draft("replace", "f1", "Bo's words")], author="Bo")
        field.press("Enter")  # another person was quicker
        expect(page.get_by_text("Bo and Anna have changed the same text")).to_be_visible()
        expect(item).to_contain_text("Bo's words")
        page.get_by_role("button", name="Use Anna's").click()
        expect(item).to_contain_text("Anna's words")
        expect(item).to_contain_text("corrected by Anna")
        item.get_by_text("The model wrote").click()
        expect(item.get_by_text("A man walks by.")).to_be_visible()
        item.focus()
        item.press("Delete")
        expect(item).to_have_class("item struck")
        expect(item).to_be_focused()
        item.press("Control+z")
        expect(item).to_have_class("item")
        item.hover()
        item.get_by_role("button", name="Add a remark").click()
        expect(field).to_be_focused()
        field.fill("ask him")
        field.press("Enter")
        expect(page.locator(".items .item").filter(has_text="ask him")).to_contain_text("written by Anna")
        page.get_by_role("button", name="Add a finding").click()
        field.fill("a dog barks")
        page.locator(".items form input").fill("99:99")
        page.locator(".items form .primary").click()
        expect(page.locator(".items [role=alert]")).to_contain_text("99:99")
        expect(field).to_have_value("a dog barks")
        page.locator(".items form input").fill("0:02")
        page.locator(".items form .primary").click()
        expect(page.locator(".items .item").filter(has_text="a dog barks")).to_have_count(1)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".items .item").filter(has_text="a dog barks")).to_have_count(0)
        page.get_by_role("button", name="Redo").click()
        expect(page.locator(".items .item").filter(has_text="a dog barks")).to_have_count(1)
        page.get_by_role("button", name="Done").click()
        expect(page.get_by_text("a dog barks")).to_be_visible()
        page.get_by_text("(corrected by Anna").click()  # the model's words are one click away
        expect(page.get_by_text("The model wrote: A man walks by.")).to_be_visible()
        assert not visit.complaints
