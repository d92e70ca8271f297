"""Write the pictures of the README: the page at work as a moving WebP, and a report as a still, in both languages.

    python scripts/make_pictures.py [--only demo|report] [--language en|zh]

The page is the app's own, in Chromium. The moving picture is of a real vLLM with the test model tests/fixtures/tiny-vl,
which knows the colours of cards: a card is planted twice in the sample video, and the question is when. The still shows
the report of docs/gallery, imported as any other. Elements are found by role and by words of framelens/i18n.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from PIL import Image, ImageChops
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images"
SAMPLE = ROOT / "framelens" / "samples" / "sample.mp4"
MODEL = ROOT / "tests" / "fixtures" / "tiny-vl"
_ENGINE = {"enforce_eager": True, "max_model_len": 8192, "dtype": "float32", "limit_mm_per_prompt": {"image": 8}}
LOCALES = {"en": "en-US", "zh": "zh-CN"}
QUESTIONS = {"en": "When is there a red card?", "zh": "什么时候有红色卡片？"}
CARD_SECONDS = ((5.0, 6.5), (13.0, 14.0))
MOST_BYTES = 3 * 2**20
_SIZE = (1280, 800)
_SHOWN_WIDTH = 960
_LONGEST_MS = 400_000
_SHOT_SECONDS = 0.1
_SHOWN_MS, _LAST_MS = 350, 3500
"""How long a picture of the demo is shown, and how long its last. A wait without changes takes a single picture."""


def write_video(path: Path) -> Path:
    """Write the sample video with a red card that covers part of its pictures for a while, twice."""
    from tests.cards import draw_card

    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as target:
        shown = source.streams.video[0]
        stream = target.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = shown.width, shown.height, "yuv420p"
        card = draw_card("red", width=shown.width // 2, height=shown.height * 2 // 3)
        top, left = shown.height // 6, shown.width // 4
        for frame in source.decode(shown):
            picture = frame.to_ndarray(format="rgb24")
            if any(start <= (frame.time or 0.0) < end for start, end in CARD_SECONDS):
                picture[top : top + card.shape[0], left : left + card.shape[1]] = card
            changed = av.VideoFrame.from_ndarray(picture, format="rgb24")
            changed.pts, changed.time_base = frame.pts, frame.time_base
            target.mux(stream.encode(changed))
        target.mux(stream.encode())
    return path


class Recorder:
    """Takes pictures of a page while something is awaited, and writes the pictures that differ as a moving WebP."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pictures: list[Image.Image] = []

    def take(self) -> None:
        """Add a picture of the page."""
        self._pictures.append(take(self._page))

    def watch(self, is_over: Callable[[], bool], most: int = 40) -> None:
        """Add pictures until something is over; if there are more than `most`, some of them, evenly spread."""
        until = time.monotonic() + _LONGEST_MS / 1000
        taken = [take(self._page)]
        while not is_over():
            if time.monotonic() > until:
                raise TimeoutError(f"the page hangs:\n{self._page.locator('body').aria_snapshot()}")
            time.sleep(_SHOT_SECONDS)
            picture = take(self._page)
            if ImageChops.difference(taken[-1], picture).getbbox():
                taken.append(picture)
        places = {round(place * (len(taken) - 1) / most) for place in range(most + 1)}
        self._pictures += [taken[place] for place in sorted(places)]
        self.take()

    def write(self, path: Path) -> None:
        """Write the moving picture; the more it would take, the coarser, and at last with fewer pictures."""
        for quality, every in ((85, 1), (60, 1), (60, 2), (40, 3)):
            chosen = [*self._pictures[:-1:every], self._pictures[-1]]
            shown = [picture.resize(_scaled(picture), Image.Resampling.LANCZOS) for picture in chosen]
            durations = [_SHOWN_MS] * (len(shown) - 1) + [_LAST_MS]
            options = {"duration": durations, "loop": 0, "quality": quality, "method": 6}
            shown[0].save(path, "WEBP", save_all=True, append_images=shown[1:], minimize_size=True, **options)
            if path.stat().st_size <= MOST_BYTES:
                return
        raise ValueError(f"{path.name} takes {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}")


def take(page: Page) -> Image.Image:
    """Return a picture of the visible part of the page."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _scaled(picture: Image.Image) -> tuple[int, int]:
    return _SHOWN_WIDTH, round(picture.height * _SHOWN_WIDTH / picture.width)


# The steps on the page, a function each


def hand_over(page: Page, button: str, file: Path) -> None:
    """Give the dialog of a button a file."""
    with page.expect_file_chooser() as chooser:  # the button has its words when the page can take a file
        page.get_by_role("button", name=words(button)).first.click()
    chooser.value.set_files(file)


def wait_until_still(page: Page) -> None:
    """Wait until the page is drawn: an earlier click may be lost."""
    from tests.browser.conftest import IS_STILL

    page.wait_for_function(IS_STILL)


def type_question(recorder: Recorder, field: Locator, question: str) -> None:
    """Type the question, a few letters at a time."""
    expect(field).to_be_enabled()
    field.click()
    for start in range(0, len(question), 4):
        field.press_sequentially(question[start : start + 4])
        recorder.take()


def watch_report(page: Page, recorder: Recorder) -> None:
    """Take pictures until the report is there: frames appear, and the strip of the search fills."""
    report = page.locator(".st-key-report_menu")
    recorder.watch(report.is_visible)
    settle(page)
    recorder.take()


def import_report(page: Page, file: Path) -> None:
    """Import a report on the Library page and open it."""
    page.get_by_role("link", name=words("ui.page_library"), exact=True).first.click()
    page.get_by_text(words("library.import"), exact=True).first.click()
    hand_over(page, "library.import_choose", file)
    page.get_by_role("button", name=re.compile(f"^{re.escape(words('library.open'))}: ")).first.click()
    page.wait_for_url(re.compile(r"[?&]job="))


def show_evidence(page: Page) -> None:
    """Move the player to the first frame that the answer cites."""
    page.get_by_test_id("stMain").get_by_role("button", name=re.compile(r"^\d\d:\d\d\.\d{3}")).first.click()
    settle(page)


def settle(page: Page) -> None:
    """Wait until everything that is drawn or fetched is there, and no message covers it."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].every((one) => one.readyState >= 2 && !one.seeking)"
    )
    wait_until_still(page)
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    page.mouse.move(_SIZE[0] // 2, 2)  # over nothing
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)  # the timeline draws its pictures


def words(key: str) -> str:
    """Return the words of a text in the language of the page."""
    from framelens.i18n import t

    return t(key)


# The pictures


def demo(language: str, folder: Path) -> None:
    """Write the moving picture."""
    with opened(language, folder, model=str(MODEL)) as page:
        recorder = Recorder(page)
        page.locator("button.choose:not(:empty)").wait_for()
        settle(page)
        recorder.take()
        hand_over(page, "ui.upload_choose", write_video(folder / "cards.mp4"))
        page.locator("video").wait_for()
        settle(page)
        recorder.take()
        type_question(recorder, page.get_by_role("textbox", name=words("ui.question")), QUESTIONS[language])
        start = page.get_by_role("button", name=words("ui.start"), exact=True)
        wait_until_still(page)
        start.click()
        watch_report(page, recorder)
        recorder.write(TARGET / f"demo.{language}.webp")


def report(language: str, folder: Path) -> None:
    """Write the still of a report, with its video beside it."""
    with opened(language, folder) as page:
        import_report(page, ROOT / "docs" / "gallery" / language / "sample.json")
        page.get_by_role("button", name=words("ui.add_the_video")).first.click()
        hand_over(page, "ui.upload_choose", SAMPLE)
        page.locator("video").wait_for()
        show_evidence(page)
        take(page).save(TARGET / f"report.{language}.webp", "WEBP", quality=85, method=6)


PICTURES = {"demo": demo, "report": report}


@contextmanager
def opened(language: str, folder: Path, *, model: str = "") -> Iterator[Page]:
    """Start the app, and open it in a browser that speaks the language."""
    from framelens.i18n import in_language
    from tests.browser.conftest import CHROMIUM, running

    os.environ |= {"VLLM_CONFIG": json.dumps(_ENGINE), "VLLM_CPU_KVCACHE_SPACE": "1"}
    with running("app/main.py", folder, model=model) as app, sync_playwright() as playwright, in_language(language):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(locale=LOCALES[language], viewport={"width": _SIZE[0], "height": _SIZE[1]})
        context.set_default_timeout(_LONGEST_MS)
        page = context.new_page()
        page.goto(app.url)
        yield page
        browser.close()


def main(arguments: Sequence[str]) -> None:
    """Write the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(PICTURES), nargs="+", default=tuple(PICTURES))
    parser.add_argument("--language", choices=tuple(LOCALES), nargs="+", default=tuple(LOCALES))
    given = parser.parse_args(arguments)
    TARGET.mkdir(exist_ok=True)
    for language in given.language:
        for name in given.only:
            with TemporaryDirectory() as folder:
                PICTURES[name](language, Path(folder))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main(sys.argv[1:])
