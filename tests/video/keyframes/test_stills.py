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


def test_the_next_slide_is_new_until_it_was_shown() -> None:
    pixels = still(10)
    pixels[4:, SLIDE] += 100
    found = shown(pixels)
    assert found[3, 4:].tolist() == [800.0] * 6
    assert not found[4:, 4:].any() and not found[:, :4].any()


def test_other_words_in_the_same_lines_are_new() -> None:
    pixels = still(10)
    pixels[4:, SLIDE] = pixels[4:, SLIDE, ::-1]  # of the same mean in each cell
    found = shown(pixels)
    assert found[3, 4:].min() > 300 and not found[4:, 4:].any()


def test_what_is_gone_at_once_is_not_counted_as_staying() -> None:
    pixels = still(10)
    pixels[4, POPUP] += 100
    assert not shown(pixels).any()


def test_a_short_stay_counts_less() -> None:
    pixels = still(10)
    pixels[4:6, SLIDE] += 100
    assert shown(pixels)[0, 4] == 400.0


def test_what_a_popup_covered_is_not_new() -> None:
    pixels = still(12)
    pixels[3:, SLIDE] += 100
    pixels[6:9, POPUP] += 100
    found = shown(pixels)
    assert found[3, 7] == found[4, 7] == 160.0
    assert found[7, 10] == 0.0


def test_a_change_within_noise_is_not_new() -> None:
    pixels = still(10)
    pixels[4:] += 17
    assert shown(pixels).max() < 150  # of the 4,600 that all cells could add


def test_a_video_that_moves_has_no_stills() -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (10, 576, 13), np.uint8)
    pixels[4:8] = pixels[4]
    assert not shown(pixels).any()


def test_a_single_picture_has_no_next_one() -> None:
    assert shown(still(1)).tolist() == [[0.0]]
