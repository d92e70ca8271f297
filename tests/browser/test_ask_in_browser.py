"""Questions as a reader asks them in a real browser, answered by a scripted engine."""

import base64
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from framelens.composition import SAMPLE
from framelens.i18n import t
from tests.browser.conftest import App, Visit, choose_sample, running, wait_until_still
from tests.browser.test_analyse_in_browser import arrives, video_of
from tests.llm.scripted import Server, serve
from tests.thorough import first_of

pytestmark = pytest.mark.browser
HOSTILE = (
    "<img src=http://evil.example/a.png onerror=alert(1)> ![x](http://evil.example/b.png)"
    " [here](http://evil.example) <script>document.title = 'taken'</script>"
)

PASTE = """(field, content) => {
    const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([bytes], "three.png", { type: "image/png" }));
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


@dataclass
class AskApp:
    """The app, its engine, and the event for which the second half of every answer waits."""

    app: App
    engine: Server
    going: threading.Event

    def questions(self) -> list[dict[str, Any]]:
        """The requests for answers."""
        return [body for body in self.engine.requests if is_question(body)]


def is_question(body: dict[str, Any]) -> bool:
    """Whether this is neither a probe nor the classification of a question."""
    system = str(body["messages"][0]["content"])
    return body["max_tokens"] > 1 and not system.startswith(t("ask.prompt.classify_system", "en"))


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskApp]:
    going, folder = threading.Event(), tmp_path_factory.mktemp("ask")

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if not is_question(body):
            yield "x"
            return
        yield "It begins with a title [1]. "
        going.wait(120)
        yield f"Then hills [3]. {HOSTILE}"

    with serve(behave, model=str(folder / "no-model")) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMELENS_BASE_URL", engine.base_url)
        with running("app/main.py", folder, reads_text=False) as app:
            yield AskApp(app, engine, going)
            going.set()


@pytest.fixture
def ask_app(shared_app: AskApp) -> Iterator[AskApp]:
    """The app with an engine that waits and has not been asked."""
    shared_app.going.clear()
    shared_app.engine.requests.clear()
    yield shared_app
    shared_app.going.set()


def ask(page: Page, question: str) -> None:
    field = page.get_by_placeholder("Your question")
    expect(field).to_be_enabled()
    field.fill(question)
    field.press("Enter")


def open_ask(page: Page, url: str) -> None:
    """Open the Ask page when it is still."""
    page.goto(url)
    page.get_by_role("link", name="Ask").first.click()
    wait_until_still(page, page.get_by_role("button", name="Add pictures or videos"))


def added(page: Page) -> Locator:
    """The input behind the button that adds files."""
    return page.locator("input[type=file][accept*='image/*']")


def test_answer_survives_clicks_reloads_and_tabs(ask_app: AskApp, visit: Visit) -> None:
    page = visit.page
    open_ask(page, ask_app.app.url)
    added(page).set_input_files(SAMPLE)
    expect(page.get_by_role("button", name="sample.mp4")).to_be_visible()
    ask(page, "Summarise the video.")
    expect(page.get_by_text("It begins with a title")).to_be_visible()
    page.get_by_role("link", name="Library").first.click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("It begins with a title")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    ask_app.going.set()
    for one in (page, other):
        expect(one.get_by_text("Then hills")).to_be_visible()
        expect(one.get_by_role("button", name="Ask again")).to_be_enabled()
        expect(one.get_by_text("onerror=alert(1)")).to_be_visible()
    assert len(ask_app.questions()) == 1
    place = page.get_by_role("button", name=re.compile("^Go to")).last
    named = place.evaluate("one => one.ariaLabel || one.querySelector('img')?.alt || one.textContent")
    minutes, seconds = re.findall(r"(\d+):([\d.]+)", named)[0]
    place.click()
    arrives(page, video_of(page), int(minutes) * 60 + float(seconds))
    assert visit.hosts <= {"", ask_app.app.url.split("/")[2]} and page.title() != "taken"
    assert visit.complaints == []


@pytest.mark.parametrize("width", first_of((390, 1280)))
def test_question_below_a_report_comes_into_view(ask_app: AskApp, visit: Visit, width: int) -> None:
    page = visit.page
    page.set_viewport_size({"width": width, "height": 700})
    ask_app.going.set()
    choose_sample(page, ask_app.app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect(page.locator(".st-key-report_menu")).to_be_visible()
    ask_app.going.clear()
    scrolled = "main => main.scrollTop"
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate(scrolled) == 0
    ask(page, "What does the title say?")
    asked, answer = (page.get_by_test_id("stChatMessage").nth(place) for place in (0, 1))
    expect(answer).to_contain_text("It begins with a title")
    for one in (asked, answer):
        expect(one).to_be_in_viewport()
    page.mouse.move(width - 20, 350)
    page.mouse.wheel(0, -5000)  # the reader goes back to the report, and stays there
    expect(asked).not_to_be_in_viewport()
    ask_app.going.set()
    expect(answer).to_contain_text("Then hills")
    assert main.evaluate(scrolled) == 0
    assert visit.complaints == []


@pytest.mark.thorough
def test_report_has_its_conversations_on_a_phone(ask_app: AskApp, visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    ask_app.going.set()
    choose_sample(page, ask_app.app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    ask(page, "What does the title say?")
    expect(page.get_by_text("Then hills")).to_be_visible()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Edit").fill("And the hills?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("2/2")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.get_by_text("And the hills?")).to_be_visible()
    page.get_by_role("button", name="‹").click()
    expect(page.get_by_text("1/2")).to_be_visible()
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth") <= 390
    page.locator(".st-key-ask_menu button:visible").first.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Markdown").click()
    saved.value.save_as(tmp_path / "saved.md")
    text = (tmp_path / "saved.md").read_text(encoding="utf-8")
    assert "What does the title say?" in text and "And the hills?" in text
    assert visit.complaints == []


@pytest.mark.thorough
def test_pictures_belong_to_the_next_question(ask_app: AskApp, visit: Visit, tmp_path: Path) -> None:
    page, files = visit.page, [tmp_path / name for name in ("one.png", "two.png", "three.png")]
    for number, file in enumerate(files):
        Image.new("RGB", (40, 40), (90 * number, 0, 0)).save(file)
    ask_app.going.set()
    open_ask(page, ask_app.app.url)
    added(page).set_input_files(files[:2])
    page.get_by_role("button", name="two.png").press("Enter")
    expect(page.get_by_role("button", name="two.png")).to_have_count(0)
    page.get_by_placeholder("Your question").evaluate(PASTE, base64.b64encode(files[2].read_bytes()).decode())
    expect(page.get_by_role("button", name="three.png")).to_be_visible()
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth <= innerWidth")
    ask(page, "Which colours?")
    expect(page.get_by_text("Then hills")).to_be_visible()
    expect(page.get_by_role("button", name="one.png")).to_have_count(0)
    page.get_by_role("button", name="Add pictures").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    added(page).set_input_files(files[1])
    page.get_by_role("button", name="What do these images show?").press("Enter")
    expect(page.get_by_text("Then hills")).to_have_count(2)
    pictures = [sum(part["type"] == "image_url" for part in parts_of(body)) for body in ask_app.questions()]
    assert pictures[0] == 2 and len(pictures) == 2 and pictures[1] >= 1
    assert not list((ask_app.app.data_dir / "videos" / "parts").iterdir())
    assert not [body for body in visit.requests if "/_stcore/upload_file" in body.url]


def parts_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the messages that have parts."""
    return [part for one in body["messages"] if isinstance(one["content"], list) for part in one["content"]]


@pytest.mark.thorough
def test_file_that_is_no_picture_is_refused_at_once(ask_app: AskApp, visit: Visit, tmp_path: Path) -> None:
    page, file = visit.page, tmp_path / "notes.txt"
    file.write_text("no picture")
    ask_app.going.set()
    choose_sample(page, ask_app.app.url)
    page.get_by_role("button", name="Analyse", exact=True).click()
    wait_until_still(page, page.get_by_role("button", name="Add pictures"))
    added(page).set_input_files(file)
    expect(page.get_by_role("alert").filter(has_text="notes.txt is no image")).to_be_visible()
    expect(page.get_by_role("button", name="What do these images show?")).to_have_count(0)


def test_videos_are_added_one_by_one_and_removed(ask_app: AskApp, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page = visit.page
    open_ask(page, ask_app.app.url)
    for name in ("one.mp4", "two.mp4", "one.mp4"):
        other = tmp_path / name
        other.write_bytes(clip.read_bytes())
        added(page).set_input_files(other)
        chosen = page.get_by_test_id("stMain").get_by_role("button", name=re.compile(rf"{name}$"))
        expect(chosen).to_be_visible()
        expect(page.get_by_role("button", name="Add pictures or videos")).to_be_visible()  # for the next
        if name == "one.mp4":
            chosen.click()
            expect(chosen).to_have_count(0)
    page.wait_for_timeout(3000)  # more than the uploader waits for an answer
    expect(page.get_by_role("button", name=re.compile("one.mp4$"))).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("two.mp4$"))).to_be_visible()
