"""Names and places of colours."""

from __future__ import annotations

import numpy as np
import pytest

from app.i18n import LANGUAGES, t
from app.video.features.dominant_colours import NAMES, PLACES, main_colours
from tests.media import Image


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
