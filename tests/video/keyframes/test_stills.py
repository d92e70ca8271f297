"""What is new in a video that hardly moves, and stays."""

import numpy as np

from framelens.video.keyframes.details import Details
from framelens.video.keyframes.stills import new_stills

SLIDE, POPUP = slice(100, 200), slice(500, 520)


def still(num: int) -> np.ndarray:
    """Luma of `num` equal pictures, by cell."""
    return np.repeat(np.random.default_rng(5).integers(0, 100, (1, 576, 13), np.uint8), num, axis=0)


def shown(pixels: np.ndarray, full_seconds: float = 2.0) -> np.ndarray:
    details = Details(pixels.transpose(1, 0, 2), np.zeros((576, 2, len(pixels)), np.float32))
    return new_stills(details, np.arange(len(pixels), dtype=float), full_seconds)


def test_new_slides_are_told_from_noise_and_short_stays() -> None:
    # The next slide is new until it was shown.
    pixels = still(10)
    pixels[4:, SLIDE] += 100
    found = shown(pixels)
    assert found[3, 4:].tolist() == [800.0] * 6
    assert not found[4:, 4:].any() and not found[:, :4].any()
    # Other words in the same lines are new.
    pixels = still(10)
    pixels[4:, SLIDE] = pixels[4:, SLIDE, ::-1]  # of the same mean in each cell
    found = shown(pixels)
    assert found[3, 4:].min() > 300 and not found[4:, 4:].any()
    # What is gone at once is not counted as staying.
    pixels = still(10)
    pixels[4, POPUP] += 100
    assert not shown(pixels).any()
    # A short stay counts less.
    pixels = still(10)
    pixels[4:6, SLIDE] += 100
    assert shown(pixels)[0, 4] == 400.0
    # A change within noise is not new.
    pixels = still(10)
    pixels[4:] += 17
    assert shown(pixels).max() < 150  # of the 4,600 that all cells could add


def test_what_a_popup_covered_is_not_new() -> None:
    pixels = still(12)
    pixels[3:, SLIDE] += 100
    pixels[6:9, POPUP] += 100
    found = shown(pixels)
    assert found[3, 7] == found[4, 7] == 160.0
    assert found[7, 10] == 0.0


def test_nothing_is_new_in_motion_or_a_single_picture() -> None:
    # A video that moves has no stills.
    pixels = np.random.default_rng(7).integers(0, 256, (10, 576, 13), np.uint8)
    pixels[4:8] = pixels[4]
    assert not shown(pixels).any()
    assert shown(still(1)).tolist() == [[0.0]]  # a single picture has no next one
