"""Token cost of a picture by its size, as each family's processor counts it."""

from __future__ import annotations

import math

from app.models.architecture import Vision

_MOST_TILED = 2
"""Number of pictures in a request beyond which DeepSeek-VL2 doesn't cut them into tiles."""


def image_tokens(vision: Vision, width: int, height: int, *, together: int = 1) -> int:
    """Return the tokens of one picture of `width` × `height` pixels, without the marks around it.

    `together` is the number of pictures in the request: tiles are cut for two at most.
    """
    if vision.pictures == "fixed":
        return vision.tokens
    if vision.pictures == "patches":
        return _patched(vision, width, height)
    if vision.pictures == "slices":
        pieces = _slices(vision, width, height)
        return vision.tokens * (1 + pieces if pieces > 1 else 1)
    columns, rows = (1, 1) if together > _MOST_TILED else _tiles(vision, width, height)
    side = math.isqrt(vision.tokens)  # a thumbnail, then the tiles; a mark ends each row
    return side * (side + 1) + rows * side * (columns * side + 1) + 1


def largest_picture_tokens(vision: Vision) -> int:
    """Return the tokens of the most costly picture that the model accepts, with which vLLM measures its activations."""
    if vision.pictures == "patches":
        return vision.max_pixels // vision.unit_px**2
    if vision.pictures == "tiles":
        shapes = ((columns, vision.most_pieces // columns) for columns in range(1, vision.most_pieces + 1))
        return max(image_tokens(vision, c * vision.unit_px, r * vision.unit_px) for c, r in shapes if r)
    return vision.tokens * (1 + vision.most_pieces)


def _patched(vision: Vision, width: int, height: int) -> int:
    """Return the tokens after rounding the sides to whole tokens; a picture that is too large is scaled down."""
    unit = vision.unit_px
    columns, rows = max(1, round(width / unit)), max(1, round(height / unit))
    if columns * rows * unit**2 > vision.max_pixels:
        shrink = math.sqrt(vision.max_pixels / (width * height))
        columns, rows = max(1, int(width * shrink / unit)), max(1, int(height * shrink / unit))
    return columns * rows


def _tiles(vision: Vision, width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of the grid that keeps most of the picture's own pixels, with the least padding."""

    def cost(grid: tuple[int, int]) -> tuple[float, float]:
        across, down = grid[0] * vision.unit_px, grid[1] * vision.unit_px
        shrink = min(across / width, down / height)
        kept = min(width * height, int(width * shrink) * int(height * shrink))
        return -kept, across * down - kept

    most = vision.most_pieces
    return min(((c, r) for c in range(1, most + 1) for r in range(1, most // c + 1)), key=cost)


def _slices(vision: Vision, width: int, height: int) -> int:
    """Return the number of slices that the area needs, in the grid whose shape is nearest to the picture's."""
    pieces = min(vision.most_pieces, math.ceil(width * height / vision.unit_px**2))
    if pieces <= 1:
        return 1
    numbers = [number for number in (pieces - 1, pieces, pieces + 1) if 1 < number <= vision.most_pieces]
    grids = [(columns, number // columns) for number in numbers for columns in range(1, number + 1)
             if number % columns == 0]  # fmt: skip
    columns, rows = min(grids, key=lambda grid: abs(math.log(width / height) - math.log(grid[0] / grid[1])))
    return columns * rows
