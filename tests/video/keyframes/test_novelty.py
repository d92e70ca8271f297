"""What is habitual in a video, and what arrives in it."""

import numpy as np

from framelens.video.features.frame_signature import LEVELS, NUM_CELLS, Blocks
from framelens.video.keyframes.candidates import RarityModel
from framelens.video.keyframes.novelty import NoveltyTracker
from tests.media import moving, textured
from tests.video.shots.test_cut_detector import look_of


def flat(value: float) -> Blocks:
    return np.full((4, NUM_CELLS), value, np.float32)


def test_blocks_are_within_their_levels() -> None:
    blocks = look_of(textured(1)).blocks
    assert blocks.shape == (4, NUM_CELLS)
    assert blocks.min() >= 0 and blocks.max() <= LEVELS - 1


def test_what_comes_back_is_habit_and_what_came_once_is_rare() -> None:
    habit = RarityModel()
    for number in range(400):
        habit.learn(flat(20.0 if number == 200 else 5.0 + 5 * (number % 2)))
    habit.settle()
    assert habit.rarity(flat(5.0)).max() == habit.rarity(flat(10.0)).max() == 0
    assert habit.rarity(flat(20.0)).min() > 5


def test_what_moves_is_little_novelty_and_what_appears_is_much() -> None:
    caption = textured(1)
    caption[70:90, 20:140] = 0
    arrivals = NoveltyTracker()
    for image in moving(100):
        moved = arrivals.push(look_of(image).blocks)
    for _ in range(5):
        arrivals.push(look_of(textured(1)).blocks)
    appeared = arrivals.push(look_of(caption).blocks)
    place = appeared.novelty.reshape(18, 32)[14:16, 6:26]
    assert place.mean() > 3
    assert appeared.burst > 0.6 > moved.burst
    assert arrivals.weight(appeared).sum() > 0
