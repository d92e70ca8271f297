"""Another model in place of the model in use, chosen and loaded on the page, which updates by itself."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import App, Visit, go_to, running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def models_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running("tests/plugins/models/browser/models_app.py", tmp_path_factory.mktemp("models")) as app:
        yield app


def main(visit: Visit) -> Locator:
    return visit.page.get_by_test_id("stMain")


def go_there(app: App, visit: Visit) -> None:
    """By the link: an address typed in makes Streamlit look for its files beside the page first."""
    visit.page.goto(app.url)
    go_to(visit.page, "Models")
    expect(main(visit).get_by_text("Choose a model", exact=True)).to_be_visible()


def take(visit: Visit, model: Path) -> None:
    field = visit.page.get_by_role("textbox", name="Which model?")
    if not field.is_visible():
        main(visit).get_by_text("All models", exact=True).click()
    field.fill(str(model))
    field.press("Enter")
    expect(main(visit).get_by_text(f"On this machine: {model}")).to_be_visible()
    visit.page.get_by_role("button", name="Use this model").click()


def test_switch_is_followed_and_failure_keeps_old_model(
    models_app: App, visit: Visit, tiny_text: Path, tmp_path: Path
) -> None:
    good, broken = tmp_path / "second", tmp_path / "broken"
    for folder in (good, broken):
        shutil.copytree(tiny_text, folder)
    models_app.go.unlink(missing_ok=True)
    go_there(models_app, visit)
    take(visit, good)
    page = main(visit)
    expect(page.get_by_text("Starting second")).to_be_visible()
    expect(page.get_by_text("The engine is building the model").first).to_be_visible()
    expect(visit.page.get_by_role("button", name="Use this model")).to_be_disabled()
    card = page.get_by_text("Starting second")
    card.evaluate("one => { one.dataset.seen = 'yes' }")
    visit.page.wait_for_timeout(5000)
    expect(card).to_have_attribute("data-seen", "yes")  # the page has looked again meanwhile, and drew nothing again

    models_app.go.touch()
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    expect(visit.page.get_by_role("button", name="Use this model")).to_be_enabled()

    take(visit, broken)
    expect(page.get_by_text("broken is not in use.")).to_be_visible()
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    assert visit.complaints == []
    assert visit.hosts <= {urlsplit(models_app.url).netloc, ""}


@pytest.mark.thorough
def test_a_row_of_the_table_is_put_into_the_choice(models_app: App, visit: Visit) -> None:
    go_there(models_app, visit)
    main(visit).get_by_text("All models", exact=True).click()
    visit.page.get_by_role("button", name="Choose: Qwen2-VL-2B-Instruct", exact=True).click()  # fits on most machines
    expect(visit.page.get_by_role("textbox", name="Which model?")).to_have_value("Qwen/Qwen2-VL-2B-Instruct")
    expect(visit.page.get_by_role("textbox", name="Engine settings")).to_have_value(re.compile("max_model_len"))
    assert visit.complaints == []
