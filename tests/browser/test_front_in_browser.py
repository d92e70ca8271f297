"""From a dropped video to an exact answer in three actions, and to a PDF with one more: the real page and engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from framelens.engine.local_engine import LocalEngine
from framelens.i18n import t
from tests.browser.conftest import App, Visit, choose_language, expect_report, running, wait_until_still
from tests.cards import write_card_video
from tests.conftest import ready

pytestmark = [pytest.mark.browser, pytest.mark.engine]
COLOURS = ["gray"] * 3 + ["red"] * 2 + ["white"] * 4 + ["blue"] * 2 + ["gray"] * 3
SIZES = {"computer": (1280, 720), "telephone": (390, 844)}
ASKED = {
    ("en", "computer"): ("When does a red card appear?", "00:03.000", "00:04.900"),
    ("en", "telephone"): ("When does a blue card appear?", "00:09.000", "00:10.900"),
    ("zh", "computer"): ("红色卡片什么时候出现？", "00:03.000", "00:04.900"),
    ("zh", "telephone"): ("蓝色卡片什么时候出现？", "00:09.000", "00:10.900"),
}
FIRST_WORD_AT_MOST = {"computer": 400, "telephone": 500}
ENGINE_MS = 300_000


@pytest.fixture(scope="module")
def seeing_app(tiny_vl: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The real app with the model that sees cards."""
    with running("app/main.py", tmp_path_factory.mktemp("front"), model=str(tiny_vl)) as app:
        yield app


@pytest.fixture(scope="module")
def bare_app(vl_engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same without any plugin, at the engine that runs already."""
    folder, endpoint = tmp_path_factory.mktemp("bare"), ready(vl_engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMELENS_PLUGINS", "")
        patch.setenv("FRAMELENS_BASE_URL", endpoint.base_url)
        patch.setenv("FRAMELENS_API_KEY", endpoint.api_key)
        with running("app/main.py", folder, model=endpoint.model) as app:
            yield app


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("cards") / "cards.mp4", COLOURS)


@pytest.mark.parametrize(("language", "size"), list(ASKED))
def test_three_actions_lead_to_an_exact_answer(
    seeing_app: App, visit: Visit, cards: Path, language: str, size: str
) -> None:
    _ask(seeing_app, visit, cards, language, size)


def test_without_plugins_a_video_is_answered_too(bare_app: App, visit: Visit, cards: Path) -> None:
    _ask(bare_app, visit, cards, "en", "computer")
    visit.page.locator(".st-key-save").get_by_role("button").click()
    formats = visit.page.locator('[class*="st-key-exports"]')
    expect(formats).to_contain_text(t("ui.download_markdown", "en"))
    expect(formats).not_to_contain_text("EDL")


def _ask(app: App, visit: Visit, cards: Path, language: str, size: str) -> None:
    page, (question, start, end) = visit.page, ASKED[language, size]
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(app.url)
    if language == "zh":
        choose_language(page, "中文")
    analyse = page.get_by_role("button", name=t("ui.start", language), exact=True)  # type: ignore[arg-type]
    expect(analyse).to_be_in_viewport()

    page.locator("button.choose:not(:empty)").first.wait_for()
    page.locator("input[type=file][accept^='video']").set_input_files(cards)
    page.get_by_role("textbox", name=t("ui.question", language)).fill(question)  # type: ignore[arg-type]
    wait_until_still(page, analyse)
    expect(analyse).to_be_in_viewport()
    analyse.click()

    expect(page.locator(".st-key-report_menu")).to_be_visible(timeout=ENGINE_MS)
    expect_report(page)
    expect(page.get_by_role("heading", name=question).first).to_be_in_viewport()
    answer = page.locator('[class*="st-key-blocks_document"]')
    expect(answer.locator(".chip.strong")).to_have_text([f"{start[:-2]} – {end[:-2]}"])  # tenths
    expect(answer.locator(".thumbnails .picture")).to_have_count(1)
    top = answer.evaluate("one => one.getBoundingClientRect().top")
    assert top <= FIRST_WORD_AT_MOST[size], "the report begins with the first screen"

    with page.expect_download() as saved:
        page.locator('[class*="st-key-save_pdf"]').get_by_role("button").click()
    assert saved.value.suggested_filename.endswith(".pdf")
    assert Path(saved.value.path()).read_bytes().startswith(b"%PDF")

    page.locator(".st-key-details summary").click()
    page.get_by_role("tab", name=t("ui.tab_record", language)).click()  # type: ignore[arg-type]
    record = page.locator('[class*="st-key-blocks_record"]')
    expect(record).to_contain_text(start)
    expect(record).to_contain_text(end)
