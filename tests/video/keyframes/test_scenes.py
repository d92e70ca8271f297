"""Which shots are one scene: a return to what was shown, in another light or in movement, and which are not."""

from dataclasses import replace

import cv2
import numpy as np

from framelens.video.keyframes.candidates import Candidate
from framelens.video.keyframes.scenes import scenes_of
from tests.video.keyframes.test_selector import candidate, look


def viewed(index: int, across: float, light: float = 1.0, seed: int = 1) -> Candidate:
    """A candidate of a scene, filmed from `across` cells further to the right and with another exposure."""
    scene = cv2.GaussianBlur(np.random.default_rng(seed).uniform(0, 1, (18, 64)).astype(np.float32), (0, 0), 2)
    scene = np.asarray(cv2.normalize(scene, None, 40, 200, cv2.NORM_MINMAX))
    matrix = np.array([[1, 0, -across], [0, 1, 0]], np.float32)
    luma = light * cv2.warpAffine(scene, matrix, (64, 18))[:, 10:42].reshape(-1)
    levels = np.stack([luma, np.full(576, 128), np.full(576, 128)]).round().astype(np.uint8)
    plain = look(0.5)
    seen = replace(plain, levels=levels, cells=levels / np.float32(255), brightness=float(luma.mean()) / 255)
    return Candidate(index, index / 25, seen)


def test_returns_belong_to_their_scene() -> None:
    # Shots that show the same are one scene.
    items = [candidate(25 * n, value, opens=True) for n, value in enumerate((0.2, 0.5, 0.21, 0.8, 0.5))]
    assert list(scenes_of(items, np.array([1, 2, 3, 4, 5]))) == [0, 1, 2, 1, 4, 2]
    # A return in another light is the same scene.
    items = [viewed(0, 0), viewed(25, 0, seed=2), viewed(50, 0.4, light=1.25), viewed(75, 0, seed=3)]
    assert list(scenes_of(items, np.array([1, 2, 3, 4]))) == [0, 1, 2, 1, 4]
    # A return to a moving scene is the same scene: The camera pans by four cells between two pictures; what is cut in
    # between stands still.
    pans = [viewed(n, 4 * n) for n in range(3)] + [viewed(20 + n, 10 + 4 * n) for n in range(3)]
    items = [*pans[:3], viewed(10, 0, seed=2), viewed(11, 0, seed=2), *pans[3:], viewed(40, 0, seed=3)]
    assert list(scenes_of(items, np.array([1, 1, 1, 2, 2, 3, 3, 3, 4]))) == [0, 1, 2, 1, 4]
