"""What is new in a video that hardly moves, and stays."""

from __future__ import annotations

import numpy as np

from app.video.keyframes.stills import new_stills

SLIDE, POPUP = slice(100, 200), slice(500, 520)


def still(num: int) -> np.ndarray:
    """Blocks of `num` equal pictures."""
    return np.repeat(np.random.default_rng(5).integers(0, 20, (1, 4, 576)).astype(np.float32), num, axis=0)


def shown(blocks: np.ndarray, full_seconds: float = 2.0) -> np.ndarray:
    return new_stills(blocks, np.arange(len(blocks), dtype=float), full_seconds)


def test_the_next_slide_is_new_until_it_was_shown() -> None:
    blocks = still(10)
    blocks[4:, 0, SLIDE] += 12
    found = shown(blocks)
    assert found[3, 4:].tolist() == [800.0] * 6
    assert not found[4:, 4:].any() and not found[:, :4].any()


def test_what_is_gone_at_once_is_not_counted_as_staying() -> None:
    blocks = still(10)
    blocks[4, 0, POPUP] += 12
    assert not shown(blocks).any()


def test_a_short_stay_counts_less() -> None:
    blocks = still(10)
    blocks[4:6, 0, SLIDE] += 12
    assert shown(blocks)[0, 4] == 400.0


def test_what_a_popup_covered_is_not_new() -> None:
    blocks = still(12)
    blocks[3:, 0, SLIDE] += 12
    blocks[6:9, 0, POPUP] += 12
    found = shown(blocks)
    assert found[3, 7] == found[4, 7] == 160.0
    assert found[7, 10] == 0.0


def test_a_change_within_noise_is_not_new() -> None:
    blocks = still(10)
    blocks[4:, 0] += 4.01
    assert shown(blocks).max() < 10


def test_a_video_that_moves_has_no_stills() -> None:
    blocks = np.random.default_rng(7).uniform(0, 31, (10, 4, 576)).astype(np.float32)
    blocks[4:8] = blocks[4]
    assert not shown(blocks).any()
