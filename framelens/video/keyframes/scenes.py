"""Scenes: shots that show the same, with something else between, and the value of their frames.

A shot that returns to a long scene shows little new content; a shot that is cut into the scene shows much.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from framelens.core.domain import Shot
from framelens.video.features.frame_signature import Signatures, distances
from framelens.video.keyframes.candidates import Candidate
from framelens.video.keyframes.novelty import Cells
from framelens.video.keyframes.sequence import Colours, Places, Values, Which
from framelens.video.readers.base import CELL_SIZE

_SAME_SCENE = 0.045
"""Largest `distance` of the most similar pictures of two shots of one scene, in the same light and with neighbouring
cells mixed. Other people before the same wall have 0.05 or more. Where both shots move, their pictures may differ as
much as consecutive pictures do in the calmer shot: a camera that shakes or pans never shows the same twice."""
_OTHER_SCENE = 0.1  # from this `distance` on, a picture shows something else though its shot belongs to a scene
_EVEN_LIGHT, _LEAST_LIGHT = 0.5, 0.1
"""Brightness in which pictures are compared, and the least from which a picture is lifted to it: noise isn't."""
_LONG_SCENE = 0.25  # share of the video from which on other scenes count as cut into a scene
_RETURN, _RETURN_SECONDS = 0.1, 2.0
"""Share of the value that is left in a shot that returns to a long scene, and for how long after the cut."""
_INSERT = 0.9  # least value of the opening of a shot of another scene


def valued_by_scene(
    values: Values, candidates: Sequence[Candidate], numbers: Places, shots: Sequence[Shot], light: Values, pages: Which
) -> tuple[Values, bool, bool]:
    """Return the values adjusted by scene, whether the video has a long scene, and whether any scene comes again.

    A return to the long scene counts little. A shot of another scene counts in full: people before the same wall are
    alike in most cells, yet each is new.
    """
    scenes = scenes_of(candidates, numbers)
    scenes[numbers[pages]] = numbers[pages]  # slides of one template are alike, and each is new
    lasts = np.zeros(len(shots) + 1)
    for number in np.unique(numbers):
        shot = shots[number - 1]
        lasts[scenes[number]] += shot.end_seconds - shot.start_seconds
    is_long = (lasts > _LONG_SCENE * shots[-1].end_seconds)[scenes]
    comes_again = scenes != np.arange(len(scenes))
    if not (is_long & comes_again).any():
        return values, bool(is_long.any()), bool(comes_again.any())
    begins = np.array([shots[number - 1].start_seconds for number in numbers])
    times = np.array([item.time_seconds for item in candidates])
    is_return = (is_long & comes_again)[numbers] & (times < begins + _RETURN_SECONDS) & ~_is_other(candidates, numbers)
    is_insert = ~is_long[numbers] & np.array([item.opens is not None for item in candidates])
    valued = np.where(is_insert, np.maximum(values, _INSERT * light), values)
    return np.where(is_return, _RETURN * values, valued), True, True


def colours_of(candidates: Sequence[Candidate]) -> Colours:
    """Return the sorted levels of each candidate, 0..1, in the same light: n x 3 cells.

    Where things are in the picture doesn't count, so what moves, or is shown larger, keeps its colours.
    """
    spread = np.stack([item.look.spread for item in candidates]).astype(np.float32) / 255
    brightness = np.array([item.look.brightness for item in candidates], np.float32)
    spread[:, 0] *= (_EVEN_LIGHT / np.maximum(brightness, _LEAST_LIGHT))[:, None]
    return np.asarray(spread.reshape(len(candidates), -1), np.float32)


def scenes_of(candidates: Sequence[Candidate], numbers: Places) -> Places:
    """Return for each shot number the first shot of its scene: shots that show the same, with something else between.

    Movement changes a picture between two shots of a scene, so their most similar pictures count, and where both move,
    these may differ as much as consecutive pictures do.

    Args:
        candidates: Candidates in time order.
        numbers: Number of the shot of each candidate.
    """
    cells = _evenly_lit(candidates)
    signatures = Signatures(cells)
    scenes = np.arange(int(numbers.max()) + 1)
    movement = np.zeros(len(scenes))
    for number in np.unique(numbers):
        own = cells[numbers == number]
        if len(own) > 1:
            movement[number] = np.median([distances(earlier[None], later)[0] for earlier, later in pairwise(own)])
        past = np.flatnonzero(numbers < number - 1)
        limits = np.maximum(_SAME_SCENE, np.minimum(movement[numbers[past]], movement[number]))
        pairs = [signatures.near(index, past, limits) for index in np.flatnonzero(numbers == number)]
        near, beyond = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        if near.size:
            scenes[number] = scenes[numbers[near[beyond.argmin()]]]
    return scenes


def _is_other(candidates: Sequence[Candidate], numbers: Places) -> Which:
    """Return which candidates look clearly unlike all candidates before the previous shot."""
    signatures = Signatures(_evenly_lit(candidates))
    others = (signatures.near(index, np.flatnonzero(numbers < n - 1), _OTHER_SCENE) for index, n in enumerate(numbers))
    return np.array([not near.size for near, _ in others])


def _evenly_lit(candidates: Sequence[Candidate]) -> Cells:
    """Return the cells of each candidate, 3 x cells, in the same light and without what a trembling camera changes."""
    cells = np.stack([item.look.cells for item in candidates])
    brightness = np.array([item.look.brightness for item in candidates], np.float32)
    cells[:, 0] *= (_EVEN_LIGHT / np.maximum(brightness, _LEAST_LIGHT))[:, None]
    grids = cells.reshape(-1, CELL_SIZE[1], CELL_SIZE[0])
    return np.asarray([cv2.blur(grid, (3, 3)) for grid in grids], np.float32).reshape(cells.shape)
