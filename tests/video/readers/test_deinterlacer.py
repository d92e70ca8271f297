"""Interlaced pictures are shown without combing, and pictures at rest as sharp as they are."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from framelens.core.domain import VideoInfo
from framelens.core.errors import DecodeError
from framelens.video.features.text_recognition import ReadText, load_text_reader
from framelens.video.keyframes.survey import Survey
from framelens.video.readers import READERS
from framelens.video.readers.base import FrameReader
from framelens.video.readers.deinterlacer import combed_blocks
from framelens.video.seeking import AccurateSeeker
from tests.media import Image, textured

Open = Callable[[Path], FrameReader]
WIDTH, HEIGHT = 720, 576


@pytest.fixture(params=sorted(READERS))
def opened(request: pytest.FixtureRequest) -> Open:
    return READERS[request.param]


def scene(moment: int, *, across: int = 6, down: int = 0) -> Image:
    """A sign that moves over a textured ground, beside a text at rest; a moment is a field."""
    image = cv2.GaussianBlur(textured(5, WIDTH, HEIGHT), (0, 0), 3)
    write(image, "Small print 0123456789", (40, 80), 0.6)
    left, top = 40 + across * moment, 260 + down * moment
    cv2.rectangle(image, (left, top), (left + 330, top + 70), (245, 245, 245), -1)
    write(image, "EXIT 4821", (left + 10, top + 52), 1.8, (10, 10, 60))
    return image


def write(image: Image, text: str, place: tuple[int, int], size: float, ink: tuple[int, int, int] = (255,) * 3) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, round(2 * size), cv2.LINE_AA)


def woven(moments: Iterable[Image], *, top_first: bool = True) -> Iterator[Image]:
    """Frames of two moments each: one field's lines from the first, the other field's from the second."""
    fields = iter(moments)
    for first, second in zip(fields, fields, strict=True):
        image = first.copy()
        late = 1 if top_first else 0
        image[late::2] = second[late::2]
        yield image


def write_interlaced(
    path: Path, images: Iterable[Image], codec: str, pixel_format: str, options: dict[str, str], *, rate: int = 25
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        stream.codec_context.bit_rate = 12_000_000
        if codec == "dvvideo":
            stream.sample_aspect_ratio = Fraction(16, 15)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixel_format)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(opened: Open, path: Path, number: int) -> Image:
    with opened(path) as reader:
        return next(picture.upright(WIDTH * 2) for picture in reader.frames() if picture.index == number)


def combing_of(image: Image) -> float:
    """How much more neighbouring lines differ than lines of a field do, in levels."""
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.int16)
    own = np.abs(luma[:-2] - luma[2:])
    return float(np.maximum(np.abs(luma[:-2] - luma[1:-1]) - own, 0).mean())


@cache
def reader_of_text() -> ReadText:
    reader, _ = load_text_reader()
    assert reader is not None
    return reader


def texts_on(image: Image) -> str:
    return " ".join(one.text for one in reader_of_text()(image))


KINDS = [
    ("mpeg2.ts", "mpeg2video", "yuv420p", {"flags": "+ilme+ildct"}),
    ("mpeg2.mpg", "mpeg2video", "yuv420p", {"flags": "+ilme+ildct", "top": "0"}),
    ("mbaff.mp4", "libx264", "yuv420p", {"preset": "ultrafast", "x264-params": "tff=1"}),
    ("unflagged.mkv", "libx264", "yuv420p", {"preset": "ultrafast", "crf": "16"}),
    ("ten.mkv", "ffv1", "yuv422p10le", {}),
    ("rgb.mkv", "ffv1", "bgr0", {}),
    ("pal.dv", "dvvideo", "yuv420p", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "codec", "pixel_format", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_moving_text_is_shown_without_combing(
    tmp_path: Path, name: str, codec: str, pixel_format: str, options: dict[str, str]
) -> None:
    is_top_first = codec != "dvvideo" and not name.endswith("mpg")
    images = list(woven((scene(moment) for moment in range(12)), top_first=is_top_first))
    path = write_interlaced(tmp_path / name, images, codec, pixel_format, options)
    image = shown(READERS["pyav"], path, 4)
    assert combing_of(images[4]) > 1.5
    assert combing_of(image) < 0.4
    assert "EXIT 4821" in texts_on(image)


@pytest.mark.slow
def test_readers_deinterlace_alike(tmp_path: Path) -> None:
    images = list(woven(scene(moment) for moment in range(8)))
    path = write_interlaced(tmp_path / "a.mkv", images, "ffv1", "bgr0", {})
    first, second = (shown(opened, path, 3).astype(int) for opened in READERS.values())
    assert np.abs(first - second).mean() < 0.5
    assert combing_of(images[3]) > 1.5 > 0.4 > combing_of(second.astype(np.uint8))


@pytest.mark.slow
def test_opencv_refuses_frames_it_cannot_convert(tmp_path: Path) -> None:
    options = {"flags": "+ilme+ildct"}
    images = woven(scene(moment, across=8 * moment) for moment in range(8))
    path = write_interlaced(tmp_path / "a.ts", images, "mpeg2video", "yuv420p", options)
    with pytest.raises(DecodeError):
        READERS["opencv"](path)


@pytest.mark.parametrize(("across", "down"), [(2, 0), (-30, 0), (0, 12), (5, 5)])
def test_motion_in_any_direction_is_deinterlaced(across: int, down: int) -> None:
    still, moving = ([scene(moment, across=across * go, down=down * go) for moment in (6, 7)] for go in (0, 1))
    assert combed_blocks(luma_of(next(woven(moving)))) is not None
    assert combed_blocks(luma_of(next(woven(still)))) is None


def luma_of(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


@pytest.mark.slow
def test_text_at_rest_beside_motion_stays_sharp(tmp_path: Path) -> None:
    images = list(woven(scene(moment) for moment in range(8)))
    path = write_interlaced(tmp_path / "sharp.mkv", images, "ffv1", "yuv444p", {})
    small = shown(READERS["pyav"], path, 2)[50:100].astype(int)
    assert np.abs(small - images[2][50:100, :, ::-1].astype(int)).max() < 6


def stripes(period: int, *, width: int = WIDTH) -> Image:
    image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    image[100:500:period, 100 : 100 + width] = 220
    return image


def dither() -> Image:
    rows, columns = np.indices((HEIGHT, WIDTH))
    return np.repeat(np.where((rows + columns) % 2, 220, 30)[..., None], 3, axis=2).astype(np.uint8)


def pattern(name: str) -> Image:
    """Lines that a shirt, a screen or a fence shows in alternation with others beside them."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    levels = {
        "slanted": np.where((columns // 4 + rows) % 2, 230, 30),
        "plaid": np.where((columns // 3 + rows) % 2, 200, 60) + np.where(columns % 12 < 6, 30, -30),
        "weave": np.where((rows % 2) ^ (columns // 6 % 2), 200, 60),
        "raster": 127 + 100 * np.sin(2 * np.pi * (0.47 * rows + 0.05 * columns)),
        "fence": np.where((rows + columns // 16) % 2, 220, 40),
    }[name]
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", ["slanted", "plaid", "weave", "raster", "fence"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_patterns_at_rest_are_not_touched(name: str, is_whole: bool) -> None:
    image = pattern(name)
    if not is_whole:
        for part in (np.s_[:100], np.s_[400:], np.s_[:, :100]):
            image[part] = scene(3)[part]
    assert combed_blocks(luma_of(image)) is None


@pytest.mark.parametrize("name", ["slanted", "weave", "fence"])
def test_photographed_patterns_are_not_touched(name: str) -> None:
    turned = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 2, 0.9)
    image = cv2.warpAffine(pattern(name), turned, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    assert combed_blocks(luma_of(image)) is None


def test_what_is_at_rest_or_progressive_is_not_touched(opened: Open, moving_video: Path) -> None:
    """Ordered dither, as FFmpeg makes it: its parts alternate in other ways."""
    # Picture of two levels is not touched.
    order = np.array([[0, 32, 8, 40, 2, 34, 10, 42], [48, 16, 56, 24, 50, 18, 58, 26]])
    order = np.concatenate([order, order + 12, order + 3, order + 15])[:8]
    levels = np.linspace(0, 255, 9)[np.minimum(np.indices((HEIGHT, WIDTH))[1] // 80, 8)]
    image = np.where(levels > 4 * np.tile(order, (HEIGHT // 8, WIDTH // 8)), 255, 0)
    assert combed_blocks(image.astype(np.uint8)) is None
    # Progressive footage is not touched.
    with opened(moving_video) as reader:
        for picture in reader.frames():
            picture.upright(320)
        assert not reader.changes.is_deinterlaced and not reader.info.is_interlaced


@pytest.mark.parametrize(
    "image",
    [stripes(2), stripes(2, width=30), stripes(2, width=10), stripes(3), stripes(4), dither(), scene(3)],
    ids=["lines", "patch", "thin patch", "thirds", "quarters", "dither", "text"],
)
def test_still_pictures_are_not_touched(image: Image) -> None:
    assert combed_blocks(luma_of(image)) is None


def test_stripes_at_rest_beside_motion_stay() -> None:
    moments = [scene(moment) for moment in (2, 3)]
    for image in moments:
        image[400:560:2, 500:680] = 255
        image[401:560:2, 500:680] = 0
    blocks = combed_blocks(luma_of(next(woven(moments))))
    assert blocks is not None and blocks.any()
    assert not blocks[27:34, 33:41].any()


def test_picture_of_two_shots_is_one_of_them() -> None:
    image = next(woven([textured(1, WIDTH, HEIGHT), textured(2, WIDTH, HEIGHT)]))
    blocks = combed_blocks(luma_of(image))
    assert blocks is not None and blocks.mean() > 0.9


@pytest.mark.slow
def test_pulldown_is_found_where_no_frame_is_flagged(tmp_path: Path) -> None:
    """3:2 pulldown: of five frames, two consist of fields of two film pictures."""
    film = [scene(moment, across=9) for moment in range(8)]
    frames = []
    for a, b, c, d in (film[:4], film[4:]):
        frames += [a, b, *woven([b, c]), *woven([c, d]), d]
    path = write_interlaced(tmp_path / "film.mkv", frames, "ffv1", "yuv420p", {})
    with READERS["pyav"](path) as reader:
        pictures = list(reader.frames())
        assert not reader.info.is_interlaced
        combed = [combed_blocks(luma_of(image)) is not None for image in frames]
        assert combed == [False, False, True, True, False] * 2
        assert max(combing_of(picture.upright(WIDTH)) for picture in pictures) < 0.4


@pytest.mark.slow
def test_times_and_numbers_are_those_of_frames(tmp_path: Path) -> None:
    options = {"flags": "+ilme+ildct"}
    path = write_interlaced(tmp_path / "a.ts", woven(map(scene, range(20))), "mpeg2video", "yuv420p", options)
    with READERS["pyav"](path) as reader:
        info = reader.info
        times = [(picture.index, picture.time_seconds) for picture in reader.frames()]
    assert [index for index, _ in times] == list(range(10))
    assert [b - a for (_, a), (_, b) in pairwise(times)] == pytest.approx([0.04] * 9)
    assert info.is_interlaced
    assert combing_of(still_of(info, 0.2)) < 0.4


def still_of(video: VideoInfo, seconds: float) -> Image:
    with AccurateSeeker(video) as seeker:
        return seeker.at(seconds).upright(WIDTH)


@pytest.mark.slow
def test_deinterlacing_is_named(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.mkv", woven(map(scene, range(20))), "ffv1", "yuv420p", {})
    with READERS["pyav"](path) as reader:
        survey = Survey(reader, frames=2, max_side=320)
        list(survey.events())
        summary = survey.summary()
    assert summary.is_deinterlaced
    assert "deinterlaced" in [notice.key for notice in summary.notices]
