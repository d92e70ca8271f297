"""Clips as a reader saves them in a real browser: of a finding, of what is drawn on the timeline, and of a report."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import av
import pytest
from playwright.sync_api import expect

from framelens import config
from framelens.composition import open_library
from framelens.core.domain import ReportedAnswer, ReportedConversation, ReportedPicture
from framelens.video.files import sha256_of
from tests.browser.conftest import App, Visit, wait_until_still
from tests.media import cards, write_video
from tests.plugins.editing.test_routes import num_frames
from tests.reports.content.test_labels import rich
from tests.reports.test_questions import BLUE, GREEN, searched

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    return write_video(folder / "film.mp4", cards(["red", "green", "blue"], 90), rate=30)


def talk() -> ReportedConversation:
    """An answer of a search, with pictures where its two intervals begin."""
    when, said = "2026-11-22T15:04:00+00:00", "Seen twice: a <b>red</b> card"
    answer = ReportedAnswer("When is it red?", when, said, "complete", cited=(1, 2), searches=(searched(),))
    pictures = (ReportedPicture(1, 2.0, jpeg=BLUE), ReportedPicture(2, 6.0, jpeg=GREEN))
    return ReportedConversation("talk01", "When is it red?", when, "en", (answer,), (), pictures)


def add_report(app: App, film: Path, job_id: str = "film123456") -> tuple[str, Path]:
    """Add the film and a report on it to the data folder of the running app; return the job's id and the video."""
    settings = config.load({"FRAMELENS_DATA_DIR": str(app.data_dir), "VLLM_MODEL_PATH": str(film.with_name("none"))})
    with open_library(settings) as services:
        upload = services.videos.create_upload(film.name, film.stat().st_size)
        with services.videos.part(upload.id, 0) as part:
            part.write(film.read_bytes())
        video_id, sha256 = services.videos.finish(upload.id), sha256_of(film)
        made = rich(sha256=sha256, id=job_id, conversations=(talk(),))
        services.reports.add(replace(made, video=replace(made.video, name=film.name)))
        services.videos.keep_copy_of(sha256, video_id)
        return job_id, services.videos.path(video_id)


COUNT_FIELDS = """() => {
    window.mostFields = 0;
    new MutationObserver(() => {
        const fields = document.querySelectorAll('[role="dialog"] input[type="text"]').length;
        window.mostFields = Math.max(window.mostFields, fields);
    }).observe(document.body, {childList: true, subtree: true});
}"""
"""Count the most text fields that dialogs have at the same time."""


def test_finding_range_and_report_are_saved_by_keyboard(app: App, visit: Visit, film: Path) -> None:
    page = visit.page
    job_id, _ = add_report(app, film)
    page.goto(f"{app.url}?job={job_id}")
    wait_until_still(page, page.locator("video"))
    page.get_by_role("button", name="Clip: A man walks by.").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Start", exact=True)).to_have_value("00:00.000")
    dialog.get_by_label("Start", exact=True).fill("0:01")
    dialog.get_by_label("End", exact=True).fill("1.5")
    with page.expect_download() as saved:  # what was typed counts before it is drawn
        dialog.get_by_role("button", name="Save clip").press("Enter")
    assert saved.value.suggested_filename == "film_00-01.000_00-01.500.mp4"
    assert num_frames(saved.value.path().read_bytes()) == 15
    dialog.get_by_label("End", exact=True).fill("0:00")
    dialog.get_by_label("End", exact=True).press("Enter")
    expect(dialog.get_by_text("is empty")).to_be_visible()
    expect(dialog.get_by_role("button", name="Save clip")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    strip = page.locator(".strip[role=slider]")
    wait_until_still(page, strip)  # the dialog gives the keyboard back once it is gone
    strip.focus()
    for key in ("Home", "i", "ArrowRight", "o"):
        page.keyboard.press(key)
    wait_until_still(page, page.locator(".tools").get_by_role("button", name="Clip", exact=True))
    page.evaluate(COUNT_FIELDS)
    page.locator(".tools").get_by_role("button", name="Clip", exact=True).press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Start", exact=True)).to_have_value("00:00.000")
    assert page.evaluate("window.mostFields") == 2  # none of the previous dialog's
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(".st-key-report_menu button:visible").first.press("Enter")
    page.get_by_role("button", name="Clips …").press("Enter")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save 2 clips (ZIP)").press("Enter")  # of the search
    with ZipFile(saved.value.path()) as archive:
        assert len(archive.namelist()) == 2
    page.keyboard.press("Escape")  # the menu behind it is closed already
    expect(page.get_by_test_id("stDialog")).to_have_count(0)
    assert visit.complaints == []


@pytest.mark.thorough
def test_interval_and_search_hit_are_saved(app: App, visit: Visit, film: Path) -> None:
    page = visit.page
    _, stored = add_report(app, film)
    subtitles = film.with_suffix(".srt")
    subtitles.write_text("1\n00:00:03,000 --> 00:00:04,000\nThe gate opens.\n")
    words = [
        "analyse",
        str(stored),
        "--no-model",
        "--subtitles",
        str(subtitles),
        "--output",
        str(film.parent / "report"),
    ]
    environ = os.environ | {"FRAMELENS_DATA_DIR": str(app.data_dir)}
    subprocess.run([sys.executable, "-m", "framelens.cli.main", *words], env=environ, check=True, capture_output=True)
    page.goto(f"{app.url}ask")
    page.get_by_text("When is it red?").first.click()
    page.get_by_role("button", name="Clip: Frame 1").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("a <b>red</b> card")).to_be_visible()
    dialog.get_by_text("Fast").click()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save clip").press("Enter")
    name = saved.value.suggested_filename  # with the true times
    assert name == "film_00-01.667_00-03.000.mp4" and num_frames(saved.value.path().read_bytes()) == 40
    page.goto(f"{app.url}library")
    search = page.get_by_role("searchbox")
    search.fill("gate opens")
    search.press("Enter")
    button = page.get_by_role("button", name="Clip: The gate opens.")
    assert button.evaluate("one => one.getClientRects()[0].width > one.getClientRects()[0].height")  # its word is whole
    button.press("Enter")
    expect(dialog.get_by_label("Start", exact=True)).to_have_value("00:01.000")
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save clip").press("Enter")
    assert num_frames(saved.value.path().read_bytes()) == 120
    assert visit.complaints == []


@pytest.mark.thorough
def test_reel_of_two_reports(app: App, visit: Visit, film: Path) -> None:
    page = visit.page
    other = write_video(film.with_name("night.mp4"), cards(["white", "blue"], 50, width=96, height=128), rate=10)
    add_report(app, film)
    add_report(app, other, "night12345")
    page.goto(f"{app.url}library")
    boxes = page.get_by_role("checkbox", name="Select: A man at the gate")
    wait_until_still(page, boxes.first)
    boxes.evaluate_all("(all) => all.forEach((one) => one.click())")  # faster than the server reads them
    page.get_by_role("button", name="Clips …").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Clips of 2 reports")).to_be_visible()
    dialog.get_by_text("Reel with chapters").click()
    with page.expect_download(timeout=200_000) as saved:  # four pieces are encoded and checked
        dialog.get_by_role("button", name="Save as one reel").press("Enter")
    with av.open(saved.value.path()) as reel:
        chapters = reel.chapters()
        frames = list(reel.decode(video=0))
    assert [chapter["metadata"]["title"] for chapter in chapters] == ["a <b>red</b> card"] * 4
    times = [float(chapter["start"] * chapter["time_base"]) + 0.5 for chapter in chapters[::2]]
    first, night = (next(one for one in frames if one.time >= time).to_ndarray(format="rgb24") for time in times)
    assert first.shape == (96, 160, 3) and first[48, 80, 1] < 100
    assert night[48, 80].min() > 200 > night[48, 5].max()  # upright and white
    assert visit.complaints == []
