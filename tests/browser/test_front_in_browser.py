"""From a dropped video to an exact answer in three actions, and to a PDF in a fourth: the real page and engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from framelens.core.domain import Language
from framelens.engine.local.local_engine import LocalEngine
from framelens.i18n import t
from tests.browser.conftest import App, Visit, choose_language, expect_report, running, wait_until_still
from tests.cards import write_card_video
from tests.conftest import ready

pytestmark = [pytest.mark.browser, pytest.mark.engine]
COLOURS = ["gray", "red", "red", "white", "white", "blue", "blue", "red"]
SIZES = {"computer": (1280, 720), "telephone": (390, 844)}
ASKED = {
    ("en", "computer"): ("When does a red card appear?", [("00:01.000", "00:03.000"), ("00:07.000", "00:08.000")]),
    ("zh", "telephone"): ("蓝色卡片什么时候出现？", [("00:05.000", "00:07.000")]),
}
"""Each with the size at which all is done; the first screen and the report's screen are seen at both sizes."""
FIRST_WORD_AT_MOST = {"computer": 400, "telephone": 500}
ENGINE_MS = 300_000


@pytest.fixture(scope="module")
def seeing_app(tiny_vl: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The real app, which starts an engine with the model that sees cards."""
    with running("app/main.py", tmp_path_factory.mktemp("front"), model=str(tiny_vl), reads_text=False) as app:
        yield app


@pytest.fixture(scope="module")
def served_app(vl_engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same at the engine that runs already."""
    with _at(vl_engine, tmp_path_factory.mktemp("served")) as app:
        yield app


@pytest.fixture(scope="module")
def bare_app(vl_engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same without any plugin, at the engine that runs already."""
    with _at(vl_engine, tmp_path_factory.mktemp("bare"), FRAMELENS_PLUGINS="") as app:
        yield app


@contextmanager
def _at(engine: LocalEngine, folder: Path, **variables: str) -> Iterator[App]:
    endpoint = ready(engine)
    more = {"FRAMELENS_BASE_URL": endpoint.base_url, "FRAMELENS_API_KEY": endpoint.api_key, **variables}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in more.items():
            patch.setenv(name, value)
        with running("app/main.py", folder, model=endpoint.model, reads_text=False) as app:
            yield app


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_card_video(tmp_path_factory.mktemp("cards") / "cards.mp4", COLOURS)


def test_three_actions_lead_to_an_exact_answer(served_app: App, visit: Visit, cards: Path) -> None:
    _ask(served_app, visit, cards, "zh", "telephone")


@pytest.mark.thorough
def test_page_starts_the_engine_that_answers(seeing_app: App, visit: Visit, cards: Path) -> None:
    _ask(seeing_app, visit, cards, "en", "computer")


def test_without_plugins_a_video_is_answered_too(bare_app: App, visit: Visit, cards: Path) -> None:
    _ask(bare_app, visit, cards, "en", "computer")
    visit.page.locator(".st-key-save").get_by_role("button").click()
    formats = visit.page.locator('[class*="st-key-exports"]')
    expect(formats).to_contain_text(t("ui.download_markdown", "en"))
    expect(formats).not_to_contain_text("EDL")


def _ask(app: App, visit: Visit, cards: Path, language: Language, size: str) -> None:
    page, (question, spans) = visit.page, ASKED[language, size]
    page.goto(app.url)
    if language == "zh":
        choose_language(page, "中文")
    analyse = page.get_by_role("button", name=t("ui.start", language), exact=True)
    for shown in _sizes(page, size):
        expect(analyse, shown).to_be_in_viewport()

    page.locator("button.choose:not(:empty)").first.wait_for()
    page.locator("input[type=file][accept^='video']").set_input_files(cards)
    page.get_by_role("textbox", name=t("ui.question", language)).fill(question)
    wait_until_still(page, analyse)
    for shown in _sizes(page, size):
        expect(analyse, shown).to_be_in_viewport()
    analyse.click()

    expect(page.locator(".st-key-report_menu")).to_be_visible(timeout=ENGINE_MS)
    expect_report(page)
    answer = page.locator('[class*="st-key-blocks_document"]')
    expect(answer.locator(".chip.strong")).to_have_text([f"{start}–{end}" for start, end in spans])
    expect(answer.locator(".thumbnails .picture")).to_have_count(len(spans))
    _expect_on_first_screen(page, question, size)

    with page.expect_download() as saved:
        page.locator('[class*="st-key-save_pdf"]').get_by_role("button").click()
    assert saved.value.suggested_filename.endswith(".pdf")
    assert Path(saved.value.path()).read_bytes().startswith(b"%PDF")

    page.locator(".st-key-details summary").click()
    page.get_by_role("tab", name=t("ui.tab_record", language)).click()
    record = page.locator('[class*="st-key-blocks_record"]')
    for time in (time for span in spans for time in span):
        expect(record).to_contain_text(time)

    for other in SIZES.keys() - {size}:
        _resize(page, other)
        page.reload()
        expect_report(page)
        _expect_on_first_screen(page, question, other)


def _sizes(page: Page, last: str) -> Iterator[str]:
    """Give the page each size, ending with the size that it keeps."""
    for size in sorted(SIZES, key=last.__eq__):
        _resize(page, size)
        yield size


def _resize(page: Page, size: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})


def _expect_on_first_screen(page: Page, question: str, size: str) -> None:
    """Expect the question within what is seen, and the report's first word near its top."""
    expect(page.get_by_role("heading", name=question).first).to_be_in_viewport()
    answer = page.locator('[class*="st-key-blocks_document"]')
    expect(answer.locator(".chip.strong").first).to_be_visible()
    top = answer.evaluate("one => one.getBoundingClientRect().top")
    assert top <= FIRST_WORD_AT_MOST[size], f"the report begins with the first screen of a {size}"
