"""Layout of pictures: a view is found again whatever was done to its picture, and other places are not."""

from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.plugins.search.planted import FRAMES, PAIRS, draw_clips, fill, to_jpeg
from framelens.jobs.stored.library_search import MomentQuery
from framelens.plugins.search.layout import LEAST, changed_region, layout_of
from framelens.plugins.search.moment_index import MomentIndex
from scripts.test_models.things import background, draw_thing

CLIPS = draw_clips(12, PAIRS, seed=21)


def cosine(first: bytes, second: bytes) -> float:
    a, b = layout_of(first), layout_of(second)
    return float(a @ b / max(1e-9, np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture.resize((97, 61)),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
        lambda picture: ImageOps.grayscale(picture),
        lambda picture: ImageOps.expand(picture, (0, 40), "black"),
        lambda picture: ImageOps.expand(picture, (60, 0), "black"),
    ],
)
def test_view_is_found_whatever_was_done_to_its_picture(tmp_path: Path, change: object) -> None:
    store, library = fill(tmp_path, CLIPS)
    frames = {clip.id: clip for clip in CLIPS}
    index = MomentIndex(store, library, frames=lambda job_id: frames[job_id].indexed())
    index.catch_up()
    for clip in CLIPS:
        for shot in range(len(clip.shots)):
            place = FRAMES * shot + 1
            picture = to_jpeg(change(Image.open(BytesIO(clip.frames[place]))).convert("RGB"))  # type: ignore[operator]
            first = index.find(MomentQuery(picture=picture)).moments[0]
            assert (first.job_id, int(first.time_seconds) // FRAMES, first.reasons) == (clip.id, shot, ("same",))
    index.close()
    store.close()


def test_other_places_and_plain_pictures_are_not_alike() -> None:
    scenes = [clip.frames[0] for clip in CLIPS]
    assert max(cosine(first, second) for first, second in pairwise(scenes)) < LEAST
    plain = to_jpeg(Image.new("RGB", (160, 90), (30, 90, 30)))
    assert not layout_of(plain).any() and not layout_of(b"no picture").any()
    assert cosine(scenes[0], scenes[0]) == pytest.approx(1)


def test_what_changed_in_a_view_is_a_part_of_it() -> None:
    rng = np.random.default_rng(1)
    scene = background(rng, 480, 270)
    thing = draw_thing("ball", "red", rng).resize((60, 60))
    with_thing = scene.copy()
    with_thing.paste(thing, (300, 150), thing)
    region = changed_region(to_jpeg(scene), to_jpeg(ImageEnhance.Brightness(with_thing).enhance(1.05)))
    assert region is not None
    left, top, right, bottom = region
    assert left <= 305 / 480 and right >= 355 / 480 and top <= 155 / 270 and bottom >= 205 / 270
    assert (right - left) * (bottom - top) < 0.15
    assert changed_region(to_jpeg(scene), to_jpeg(scene)) is None
    assert changed_region(to_jpeg(scene), to_jpeg(background(rng, 480, 270))) is None
