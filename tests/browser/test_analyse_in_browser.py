"""The first page as its readers meet it: the real app, a real browser, a real video."""

import re
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from framelens.reports.formats import FORMATS
from tests.browser.conftest import (
    App,
    Visit,
    choose_language,
    choose_sample,
    expect_report,
    open_details,
    wait_until_still,
)
from tests.media import cards, write_video

pytestmark = pytest.mark.browser

# Lets `count` pieces through; the next never reaches the server, as when a line goes dead.
LOSE_PIECES = """count => {
    window.sendAsBefore = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) { if (count-- > 0) window.sendAsBefore.call(this, body); };
}"""

LOSE_THE_END = """() => {
    const [fetchAsBefore, sendAsBefore] = [window.fetch, WebSocket.prototype.send];
    window.lost = [];
    window.fetch = async (...asked) => {
        const isCheck = String(asked[0]).includes("/check");
        if (isCheck && !window.lost.length) {
            window.lost.push("check");
            throw new TypeError("Failed to fetch");
        }
        const answer = await fetchAsBefore(...asked);
        if (isCheck) WebSocket.prototype.send = () => {
            WebSocket.prototype.send = sendAsBefore;
            window.lost.push("message");
        };
        return answer;
    };
}"""


COLOURS = """button => ["color", "backgroundColor"].map(
    name => getComputedStyle(button)[name].match(/[\\d.]+/g).slice(0, 3).map(Number)
)"""


def contrast(one: list[float], other: list[float]) -> float:
    """The contrast of two colours from 0 to 255 by WCAG 2.2, from 1 to 21."""

    def luminance(colour: list[float]) -> float:
        parts = (value / 255 for value in colour)
        linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def upload(page: Page, file: Path) -> None:
    page.locator("button.choose:not(:empty)").first.wait_for()  # its words come with the program that hears the choice
    page.locator("input[type=file][accept^='video']").set_input_files(file)


def stop_in_the_middle(page: Page, file: Path) -> None:
    """Upload the first piece of a file; the second piece is never sent."""
    page.evaluate(LOSE_PIECES, 1)
    upload(page, file)
    expect(page.get_by_text(re.compile(r"^[1-9]\d %$"))).to_be_visible()


def video_of(page: Page) -> Locator:
    """The player once it has the video's first frame."""
    video = page.locator("video")
    video.wait_for()
    page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    return video


def seconds(video: Locator) -> float:
    return float(video.evaluate("video => video.currentTime"))


def arrives(page: Page, video: Locator, at: float) -> None:
    page.wait_for_function(
        "([video, at]) => Math.abs(video.currentTime - at) < 0.25 && !video.seeking", arg=[video.element_handle(), at]
    )


def plays_from(page: Page, video: Locator, at: float) -> None:
    """Wait until the video has been played from a second on; where it is by then depends on the machine."""
    page.wait_for_function(
        """([{ played }, at]) => {
            const starts = Array.from({ length: played.length }, (_, place) => played.start(place));
            return starts.some((start) => Math.abs(start - at) < 0.25);
        }""",
        arg=[video.element_handle(), at],
    )


def test_an_uploaded_video_plays_and_is_sought_at_once(app: App, visit: Visit, clip: Path) -> None:
    page = visit.page
    page.goto(app.url)
    upload(page, clip)
    video = video_of(page)
    assert re.search(r"[?&]video=", page.url)
    assert video.evaluate("video => video.duration") == pytest.approx(6, abs=0.2)
    strip = page.get_by_role("slider", name=re.compile("Timeline"))
    box = strip.bounding_box()
    assert box
    strip.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    arrives(page, video, 3.0)
    strip.press("ArrowRight")
    arrives(page, video, 4.0)
    strip.press("Home")
    arrives(page, video, 0.0)
    video.evaluate("video => { video.muted = true; return video.play() }")
    page.wait_for_function("video => video.currentTime > 0.3", arg=video.element_handle())
    assert [file.name for file in (app.data_dir / "videos" / "parts").iterdir()] == []
    assert visit.complaints == []


def is_video(url: str) -> bool:
    """Whether the address is a video itself, not a still."""
    return "/api/videos/" in url and "/stills/" not in url


def test_a_video_is_fetched_by_ranges(app: App, visit: Visit, clip: Path) -> None:
    statuses: list[int] = []
    visit.page.on("response", lambda got: statuses.append(got.status) if is_video(got.url) else None)
    visit.page.goto(app.url)
    upload(visit.page, clip)
    video_of(visit.page)
    assert set(statuses) == {206}


def test_an_upload_continues_after_a_reload(app: App, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page, sent = visit.page, list[int]()
    other = tmp_path / "resumed.mp4"
    other.write_bytes(clip.read_bytes())
    page.goto(app.url)
    stop_in_the_middle(page, other)
    page.reload()
    expect(page.get_by_text(re.compile("[1-9]\\d* % of .resumed.mp4. has arrived"))).to_be_visible()
    page.on("request", lambda asked: sent.append(int(asked.headers.get("upload-offset", -1))))
    upload(page, other)
    video_of(page)
    offsets = [offset for offset in sent if offset >= 0]
    assert offsets == sorted(offsets)
    assert offsets[0] == 8 * 2**20


@pytest.mark.thorough
def test_an_upload_continues_after_a_look_elsewhere(app: App, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page, sent = visit.page, list[int]()
    other = tmp_path / "left.mp4"
    other.write_bytes(clip.read_bytes())
    page.goto(app.url)
    stop_in_the_middle(page, other)
    page.evaluate("() => { XMLHttpRequest.prototype.send = window.sendAsBefore; }")
    page.on("request", lambda asked: sent.append(int(asked.headers.get("upload-offset", -1))))
    page.get_by_role("link", name="Library").first.click()
    page.get_by_role("searchbox").wait_for()
    page.get_by_role("link", name="Analyse").first.click()
    video_of(page)
    assert next(offset for offset in sent if offset >= 0) == 8 * 2**20
    page.get_by_role("button", name="Another video").click()
    expect(page.locator("button.choose:not(:empty)")).to_be_visible()
    page.wait_for_timeout(1000)
    expect(page.locator("video")).to_have_count(0)  # what has arrived is not sent again


@pytest.mark.thorough
def test_an_upload_can_be_paused_and_resumed(app: App, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page = visit.page
    other = tmp_path / "paused.mp4"
    other.write_bytes(clip.read_bytes())
    page.goto(app.url)
    page.evaluate(LOSE_PIECES, 0)
    upload(page, other)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused at")).to_be_visible()
    page.evaluate("() => { XMLHttpRequest.prototype.send = window.sendAsBefore; }")
    page.get_by_role("button", name="Resume").click()
    video_of(page)


def test_an_upload_that_ends_without_a_connection_arrives(app: App, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page = visit.page
    other = tmp_path / "offline.mp4"
    other.write_bytes(clip.read_bytes())
    page.goto(app.url)
    page.locator("button.choose:not(:empty)").wait_for()
    page.evaluate(LOSE_THE_END)
    upload(page, other)
    video_of(page)
    assert page.evaluate("window.lost") == ["check", "message"]


def test_a_piece_without_progress_is_sent_again(app: App, visit: Visit, clip: Path, tmp_path: Path) -> None:
    page, held = visit.page, list[Route]()
    other = tmp_path / "held.mp4"
    other.write_bytes(clip.read_bytes())

    def hold_the_first(route: Route) -> None:
        if held or route.request.method != "PATCH":
            return route.fallback()
        held.append(route)

    page.clock.install()
    page.route("**/uploads/**", hold_the_first)
    page.goto(app.url)
    with page.expect_request(lambda request: request.method == "PATCH"):
        upload(page, other)
    page.clock.fast_forward("01:01")
    video_of(page)
    assert held


def test_an_upload_that_is_refused_says_why(app: App, visit: Visit, tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    visit.page.goto(app.url)
    upload(visit.page, empty)
    expect(visit.page.get_by_role("alert").filter(has_text="is empty")).to_be_visible()


@pytest.mark.thorough
def test_language_change_keeps_choices_and_position(app: App, visit: Visit, clip: Path) -> None:
    page = visit.page
    page.goto(app.url)
    upload(page, clip)
    video = video_of(page)
    page.get_by_label("What do you want to know?").fill("Who comes?")
    page.get_by_label("What do you want to know?").blur()
    page.get_by_role("slider", name="Timeline").press("PageDown")
    arrives(page, video, 6.0)
    choose_language(page, "中文")
    expect(page.get_by_role("button", name="不用模型，直接分析")).to_be_visible()
    expect(page.get_by_label("想了解什么")).to_have_value("Who comes?")
    expect(page.get_by_role("radio", name="完整描述").or_(page.get_by_role("button", name="完整描述"))).to_be_visible()
    assert seconds(video) == pytest.approx(6, abs=0.3)
    page.reload()
    expect(page.get_by_role("button", name="不用模型，直接分析")).to_be_visible()
    video_of(page)


def test_chosen_language_is_kept_for_the_next_visit(app: App, visit: Visit) -> None:
    page = visit.page
    page.goto(app.url)
    wait_until_still(page, page.get_by_text("Try the sample video"))
    choose_language(page, "中文")
    page.get_by_role("link", name="分析库").first.click()
    expect(page.get_by_role("heading", name="分析库")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="分析库")).to_be_visible()
    page.goto(app.url)
    expect(page.get_by_text("试用示例视频")).to_be_visible()


FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at?.tagName === "BUTTON" ? at.innerText : "";
}"""  # the whole page can have the focus, too: it scrolls


def press_by_keyboard(page: Page, words: str, most: int = 60) -> None:
    """Go to a button with the tab key alone, and press it with the return key."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if words in page.evaluate(FOCUSED):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{words} was not reached")


def test_keyboard_alone_leads_from_video_to_pdf(app: App, visit: Visit, clip: Path) -> None:
    page = visit.page
    page.goto(app.url)
    page.locator("button.choose:not(:empty)").first.wait_for()
    wait_until_still(page, page.get_by_role("button", name="Choose videos"))
    with page.expect_file_chooser() as choice:
        press_by_keyboard(page, "Choose videos")
    choice.value.set_files(clip)
    video_of(page).wait_for()
    wait_until_still(page, page.get_by_role("button", name="Analyse without a model"))
    press_by_keyboard(page, "Analyse without a model")
    expect_report(page)
    wait_until_still(page, page.get_by_role("button", name="PDF").first)
    with page.expect_download() as download:
        press_by_keyboard(page, "PDF")
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


def test_report_without_model_seeks_player(app: App, visit: Visit) -> None:
    page = visit.page
    choose_sample(page, app.url)
    video = video_of(page)
    page.get_by_role("button", name="Analyse without a model").click()
    expect(page.get_by_text("No model has seen this")).to_be_visible(timeout=240_000)
    chip = page.get_by_test_id("stMain").get_by_role("listitem").nth(1).locator(".chip").first
    chip.wait_for()
    minutes, rest = chip.inner_text().split(":")
    chip.click()
    arrives(page, video, int(minutes) * 60 + float(rest))
    loaded = "image => image.complete && image.naturalWidth > 0"
    page.wait_for_function(loaded, arg=page.locator(".picture img").nth(1).element_handle())
    # The page has small pictures; those that are kept stay where they are.
    pictures = [
        request.url for request in visit.requests if "/frames/" in request.url and not request.url.endswith("&n=0")
    ]
    assert pictures and all("&side=" in url for url in pictures)
    page.get_by_role("button", name="Save report").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="HTML").click()
    assert saved.value.suggested_filename.endswith(".html")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Everything").click()
    with ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        endings = {Path(name).suffix for name in archive.namelist()}
    assert {Path(f"x{form.suffix}").suffix for form in FORMATS.values() if form.use == "read"} <= endings
    assert visit.complaints == []
    assert visit.hosts <= {app.url.split("/")[2], ""}


def test_on_a_telephone_nothing_is_wider_than_the_screen(app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    choose_sample(page, app.url)
    video_of(page)
    expect(page.get_by_role("button", name="Analyse without a model")).to_be_visible()
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth") <= 390


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_on_main_buttons_have_contrast(scripted_app: App, visit: Visit, scheme: Literal["light", "dark"]) -> None:
    page = visit.page
    page.emulate_media(color_scheme=scheme)
    choose_sample(page, scripted_app.url)
    main = page.locator("[data-testid=stMain] [kind=primary]:enabled").first
    assert contrast(*main.evaluate(COLOURS)) >= 4.5
    main.hover()
    page.wait_for_timeout(500)  # its colours change slowly
    assert contrast(*main.evaluate(COLOURS)) >= 4.5


def test_the_answer_streams_and_a_cancel_is_quick(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": 1280, "height": 600})
    choose_sample(page, scripted_app.url)
    video_of(page)
    start = page.get_by_role("button", name="Analyse", exact=True)
    expect(start).to_be_in_viewport()
    start.click()
    expect(page.get_by_text("a red card")).to_be_visible()
    expect(page.get_by_role("heading", name="sample.mp4")).to_be_in_viewport()
    expect(page.get_by_text("Messages format not supported, using text mode")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("You stopped this analysis")).to_be_visible()


def test_model_words_are_text_and_citations_are_buttons(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    scripted_app.go.touch()
    choose_sample(page, scripted_app.url)
    video = video_of(page)
    page.get_by_role("button", name="Analyse", exact=True).click()
    expect_report(page)
    open_details(page, "Frames")
    expect(page.get_by_text("SALE <b>50%</b> ![x](http://evil.example/x.png)").first).to_be_visible()
    page.get_by_role("button", name="00:01", exact=True).first.click()
    arrives(page, video, 1.0)
    expect(page.get_by_text("names a time that does not match its frames")).to_be_visible()
    assert visit.hosts <= {scripted_app.url.split("/")[2], ""}


@pytest.mark.thorough
def test_unplayable_video_shows_picture_at_playhead(app: App, visit: Visit, tmp_path: Path) -> None:
    colours = ["red", "green", "blue", "yellow"]
    avi = write_video(tmp_path / "camera.avi", cards(colours, 10, 320, 240), codec="mpeg4", rate=10)
    page = visit.page
    page.goto(app.url)
    upload(page, avi)
    still = page.locator("img.still")
    expect(still).to_be_visible()
    expect(still).to_have_attribute("alt", "Picture at 00:00.000")
    strip = page.get_by_role("slider", name=re.compile("Timeline"))
    for keys, shown in (
        (["ArrowRight"], "00:01.000"),
        ([".", "."], "00:01.200"),
        ([",", "ArrowRight"], "00:02.100"),
        (["End"], "00:03.900"),
    ):
        for key in keys:
            strip.press(key)
        expect(still).to_have_attribute("alt", f"Picture at {shown}")
    box = strip.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
    page.mouse.down()
    for share in (0.8, 0.6, 0.4, 0.3, 0.26):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 40)
    page.mouse.up()
    expect(still).to_have_attribute("alt", re.compile("Picture at 00:01.[0-4]00"))
    assert colour_of(still) == "green"
    assert not page.locator("video").is_visible()


@pytest.mark.thorough
def test_still_has_its_place_before_it_arrives(app: App, visit: Visit, tmp_path: Path) -> None:
    avi = write_video(tmp_path / "place.avi", cards(["red", "green"], 10, 320, 240), codec="mpeg4", rate=10)
    page = visit.page
    held: list[Route] = []
    page.route("**/stills/**", lambda route: held.append(route))
    page.goto(app.url)
    upload(page, avi)
    still = page.locator("img.still")
    wait_until_still(page, page.get_by_text("This browser cannot play this kind of video"))
    before = page.locator(".strip").bounding_box()
    page.unroute("**/stills/**")  # which lets go what was held
    assert held
    expect(still).to_have_attribute("alt", "Picture at 00:00.000")
    assert colour_of(still) == "red"
    assert page.locator(".strip").bounding_box() == before


@pytest.mark.thorough
def test_still_that_did_not_come_is_requested_again(app: App, visit: Visit, tmp_path: Path) -> None:
    avi = write_video(tmp_path / "lost.avi", cards(["red", "green", "blue"], 10, 320, 240), codec="mpeg4", rate=10)
    page = visit.page
    lost: list[str] = []

    def lose(route: Route) -> None:
        is_first = "/1000.jpg" in route.request.url and not lost
        lost.extend([route.request.url] * is_first)
        route.abort() if is_first else route.continue_()

    page.route("**/stills/**", lose)
    page.route("**/stills/2000.jpg*", lambda route: route.fulfill(status=400))
    page.goto(app.url)
    upload(page, avi)
    still = page.locator("img.still")
    expect(still).to_have_attribute("alt", "Picture at 00:00.000")
    strip = page.get_by_role("slider", name=re.compile("Timeline"))
    strip.press("ArrowRight")
    expect(still).to_have_attribute("alt", "Picture at 00:01.000")
    assert lost and colour_of(still) == "green"
    strip.press("ArrowRight")
    expect(still).to_have_attribute("alt", "No picture at 00:02.000")
    assert still.get_attribute("src") is None
    strip.press("ArrowLeft")
    expect(still).to_have_attribute("alt", "Picture at 00:01.000")


@pytest.mark.thorough
def test_filmstrip_seeks_to_its_pictures(app: App, visit: Visit, clip: Path) -> None:
    page = visit.page
    page.goto(app.url)
    upload(page, clip)
    video = video_of(page)
    pictures = page.locator(".film img")
    expect(pictures.nth(3)).to_be_visible()
    expect(page.locator(".film span:empty")).to_have_count(0)
    assert (colour_of(pictures.first), colour_of(page.locator(".film img").nth(1))) == ("red", "green")
    pictures.nth(1).click()
    page.wait_for_function("video => video.currentTime > 0.5", arg=video.element_handle())
    assert visit.complaints == []


def colour_of(image: Locator) -> str:
    """The strongest colour of a picture in the page."""
    levels = image.evaluate(
        """async image => {
            await image.decode();
            const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 1;
            const pen = canvas.getContext("2d");
            pen.drawImage(image, 0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
    )
    return ("red", "green", "blue")[levels.index(max(levels))]


def test_a_double_click_starts_one_analysis(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    choose_sample(page, scripted_app.url)
    page.get_by_label("What do you want to know?").fill("Who is seen twice?")
    page.get_by_role("button", name="Analyse", exact=True).dblclick()
    expect(page.get_by_text("Who is seen twice?").first).to_be_visible()
    page.goto(f"{scripted_app.url}library")
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    expect(page.locator(".st-key-work_rows").get_by_text("Who is seen twice?")).to_have_count(1)


def test_enter_starts_and_shift_enter_makes_a_line(scripted_app: App, visit: Visit) -> None:
    page = visit.page
    choose_sample(page, scripted_app.url)
    field = page.get_by_label("What do you want to know?")
    field.fill("What comes first?")
    field.press("Shift+Enter")
    field.press_sequentially("And then?")
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})  # chooses a Chinese character
    expect(field).to_have_value("What comes first?\nAnd then?")
    field.press("Enter")
    page.wait_for_url(re.compile("job="))
    expect(page.get_by_text("And then?").first).to_be_visible()
