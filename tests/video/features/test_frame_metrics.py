"""What is measured on keyframes, text on the screen included."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from framelens.core.domain import FrameFacts, Keyframe
from framelens.core.events import FactsMeasured
from framelens.i18n import LANGUAGES, notice_text, t
from framelens.video.extractor import extract
from framelens.video.features.frame_metrics import NAMES, PLACES, FrameMeter, main_colours
from framelens.video.features.text_reader import is_certain
from framelens.video.features.text_recognition import load_text_reader
from framelens.video.keyframes.options import ExtractOptions
from tests.media import COLOURS, Image, solid, textured

SAMPLE = Path(__file__).resolve().parents[3] / "framelens" / "samples" / "sample.mp4"


def keyframe(number: int, image: Image) -> Keyframe:
    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert ok
    return Keyframe(number, number, float(number), "even", 1, image.shape[1], image.shape[0], data.tobytes())


def measured(*images: Image) -> list[FrameFacts]:
    meter = FrameMeter(None)
    return [meter.measure(keyframe(number, image)) for number, image in enumerate(images, 1)]


def test_light_sharpness_and_motion_are_measured() -> None:
    # Light runs from black to white.
    black, white = measured(solid(COLOURS["black"]), solid(COLOURS["white"]))
    assert (black.brightness, white.brightness) == (0.0, 1.0)
    assert black.motion is None and white.motion == pytest.approx(1.0)
    assert black.texts == () and [area.name for area in white.colours] == ["white"]
    # A blurred picture is less sharp.
    detail = np.random.default_rng(1).integers(0, 255, (96, 160, 3), dtype=np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(detail, (9, 9), 0), np.uint8)
    sharp, soft = measured(detail, blurred)
    assert sharp.sharpness > 10 * soft.sharpness
    assert measured(textured(1), textured(1))[1].motion == 0.0  # the same picture again has no motion


@pytest.mark.slow
def test_english_and_chinese_text_is_read_where_it_is() -> None:
    events = extract(SAMPLE, ExtractOptions(5))
    facts = [event.facts for event in events if isinstance(event, FactsMeasured)]
    lines = {line.text.replace(" ", ""): line for fact in facts for line in fact.texts}
    english, chinese = lines["FrameLenssamplevideo"], lines["示例视频：五个镜头"]
    assert english.confidence > 0.9 and chinese.confidence > 0.9
    assert 0 <= english.box[0] < 0.2 and 0.8 < english.box[2] <= 1
    assert english.box[3] <= chinese.box[1] + 0.05
    assert any("开放时间" in text for text in lines)


def test_missing_text_reader_becomes_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    reader, notice = load_text_reader()
    assert reader is None and notice is not None
    for language in LANGUAGES:
        assert "rapidocr" in notice_text(notice, language)


@pytest.mark.slow
def test_models_that_are_missing_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    reader, notice = load_text_reader()
    assert reader is None and notice is not None and "FileNotFoundError" in str(notice.values["reason"])


@pytest.mark.slow
def test_a_picture_without_text_gives_none() -> None:
    reader, notice = load_text_reader()
    assert notice is None and reader is not None
    assert reader(solid(COLOURS["blue"])) == ()


@pytest.mark.parametrize(
    ("text", "confidence", "counts"),
    [
        ("MISVIS", 0.71, False), ("MISTiITS", 0.67, False), ("公", 0.89, False), ("心", 0.95, False), ("", 1.0, False),
        ("￥128", 0.86, True), ("histogram algorithm", 1.0, True), ("U", 0.99, True), ("出", 1.0, True),
    ],
)  # fmt: skip
def test_what_is_read_with_doubt_is_no_measured_fact(text: str, confidence: float, counts: bool) -> None:
    assert is_certain(text, confidence) is counts


def colours_of(rgb_image: Image) -> list[tuple[str, str]]:
    return [(area.name, area.place) for area in main_colours(np.ascontiguousarray(rgb_image[..., ::-1]))]


@pytest.mark.parametrize(
    ("name", "rgb"),
    [
        ("red", (255, 0, 0)), ("red", (200, 30, 40)), ("red", (120, 15, 15)),
        ("orange", (255, 140, 0)), ("orange", (240, 120, 30)),
        ("yellow", (255, 255, 0)), ("yellow", (240, 210, 40)),
        ("green", (0, 128, 0)), ("green", (0, 255, 0)), ("green", (60, 120, 70)), ("green", (160, 200, 60)),
        ("cyan", (0, 255, 255)), ("cyan", (0, 160, 170)),
        ("blue", (0, 0, 255)), ("blue", (30, 110, 200)), ("blue", (20, 30, 90)), ("blue", (135, 190, 235)),
        ("purple", (128, 0, 128)), ("purple", (130, 60, 190)),
        ("pink", (255, 192, 203)), ("pink", (255, 105, 180)),
        ("brown", (139, 69, 19)), ("brown", (101, 67, 33)), ("brown", (160, 120, 90)),
        ("gray", (128, 128, 128)), ("gray", (90, 92, 95)),
        ("white", (255, 255, 255)), ("white", (240, 238, 235)),
        ("black", (0, 0, 0)), ("black", (25, 25, 28)),
    ],
)  # fmt: skip
def test_a_colour_has_the_name_people_give_it(name: str, rgb: tuple[int, int, int]) -> None:
    assert colours_of(np.full((40, 60, 3), rgb, np.uint8)) == [(name, "all")]


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_a_patch_is_where_it_is(row: int, column: int) -> None:
    image = np.full((90, 150, 3), 128, np.uint8)
    image[30 * row : 30 * row + 30, 50 * column : 50 * column + 50] = (220, 20, 20)
    assert colours_of(image)[1] == ("red", PLACES[row][column])


def test_colours_come_by_their_share_and_specks_are_left_out() -> None:
    image = np.full((100, 100, 3), (0, 0, 255), np.uint8)
    image[:30] = (255, 255, 255)
    image[:2, :2] = (255, 0, 0)
    (first, second) = main_colours(image[..., ::-1])
    assert (first.name, first.rgb, first.share) == ("blue", (0, 0, 255), pytest.approx(0.7, abs=0.02))
    assert (second.name, second.place) == ("white", "top")


def test_every_name_and_place_has_its_words() -> None:
    for language in LANGUAGES:
        for name in NAMES:
            assert t(f"colour.{name}", language)
        for place in (*(cell for row in PLACES for cell in row), "all"):
            assert t(f"place.{place}", language)
