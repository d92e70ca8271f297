"""Scaling of JPEG pictures, for the web page, reports and requests to models, and their comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from io import BytesIO
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Region = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as fractions of its width and height."""
_WIDE_BLUR = 0.8
"""Standard deviation in pixels from which on a blur uses a kernel of five pixels instead of three. Not tuned."""

_CELLS = (32, 18)
_DECODED = (256, 144)
"""Least size at which a JPEG is decoded for its cells."""
_CELL_PIXELS = 8
"""Least side of a cell, so that scaling and the coarse colours of JPEG hardly change its mean."""
LEAST_SIDE = 32
"""Least side of a picture that vision models take: two patches of 16 pixels in Qwen3-VL, of 14 in Qwen2.5-VL. Both take
sides of at most 1 : 200."""
_LONGEST_STRIP = 64 * LEAST_SIDE
"""Longer side up to which a narrow picture is larger than asked, so that its shorter side has the least size without
bars; it still has far fewer pixels than a usual frame."""
_OTHER_LEVELS, _OTHER_SHARE = 16, 0.01
"""Two JPEGs of the same picture differ by at most 7 of 256 levels in any of 32 x 18 cells: 2,546 keyframes of 32 clips
of real footage at 480 and 1,280 pixels, compared with the keyframes at full size (docs/benchmarks/keyframes.md,
Damage). One part in a hundred of the picture must be off by more."""


def show_same(picture: bytes, other: bytes) -> bool:
    """Return whether two JPEGs show the same picture, whatever their size and quality; True if either can't be read."""
    from PIL import Image

    try:
        sizes = image_size(picture), image_size(other)
        grid = cells_of(*sizes)
        first, second = (_levels_of(picture, grid) for picture in (picture, other))
    except (OSError, Image.DecompressionBombError):
        return True
    levels = [abs(level - another) for level, another in zip(first, second, strict=True)]
    return are_same(zip(levels[::3], levels[1::3], levels[2::3], strict=True))


def cells_of(*sizes: tuple[int, int]) -> tuple[int, int]:
    """Return the columns and rows of the cells by which pictures of these sizes (width, height) are compared."""
    columns, rows = (max(1, min(most, min(sides) // _CELL_PIXELS)) for most, *sides in zip(_CELLS, *sizes, strict=True))
    return columns, rows


def are_same(apart: Iterable[tuple[int, int, int]]) -> bool:
    """Return whether two pictures are the same, by the differences of the levels in each of their cells."""
    are_apart = [max(levels) > _OTHER_LEVELS for levels in apart]
    return sum(are_apart) <= _OTHER_SHARE * len(are_apart)


def _levels_of(jpeg: bytes, grid: tuple[int, int]) -> bytes:
    """Return the mean levels of the cells of a grid (columns, rows). Raises OSError.

    With Pillow, since a command that compares a few pictures need not load OpenCV and NumPy, which takes longer.
    """
    from PIL import Image

    with Image.open(BytesIO(jpeg)) as picture:
        drafted = picture.draft("RGB", _DECODED)  # whose last pixels may be only partly of the picture
        shown = drafted[1] if drafted else None
        return picture.convert("RGB").resize(grid, Image.Resampling.BILINEAR, shown).tobytes()


def image_size(data: bytes) -> tuple[int, int]:
    """Return width and height of an encoded picture, from its header; raise OSError if that can't be read."""
    from PIL import Image

    with Image.open(BytesIO(data)) as header:
        return header.size


def is_region(edges: Sequence[float]) -> bool:
    """Return whether these are the edges of a part of a picture, see `Region`."""
    left, top, right, bottom = edges if len(edges) == 4 else (0, 0, 0, 0)
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def smaller(jpeg: bytes, side: int, *, quality: int = 82) -> bytes:
    """Return the picture with its longer side at most `side` pixels; a picture that isn't larger unchanged.

    It is blurred first, so that its sharpness fits the smaller size (Lowe's model of a picture: a blur of half a pixel
    in either size), and then scaled cubically. Small letters are read from that as well as from the mean of the pixels
    that each pixel covers, which takes four times as long, and better than after Lanczos' filter (98.5 %, 98.5 % and
    98.0 % by RapidOCR, 12 to 28 pixels high in 1280x720, English and Chinese).

    Args:
        jpeg: The encoded picture; its orientation tag is ignored.
        side: Limit of the longer side, in pixels.
        quality: JPEG quality of the result, 0 to 100.

    Raises:
        ValueError: The data can't be decoded.
        OSError: The header can't be read.
    """
    size = image_size(jpeg)
    return jpeg if max(size) <= side else _encode_jpeg(_decode_scaled(jpeg, _size_at(size, side / max(size))), quality)


def fitted(jpeg: bytes, side: int, *, quality: int = 82) -> bytes:
    """Return the picture in the size in which models take it, see `fitted_size`; arguments and errors as `smaller`."""
    size = image_size(jpeg)
    width, height = fitted_size(*size, side)
    if size == (width, height):
        return jpeg
    picture = _decode_scaled(jpeg, _shown_size(*size, side))
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    bottom, right = height - picture.shape[0] - top, width - picture.shape[1] - left
    cv2 = _opencv()
    return _encode_jpeg(cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT), quality)


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size in which a picture is sent to a model that gets a longer side of `side` pixels.

    A picture isn't enlarged, unless its shorter side would have less than LEAST_SIDE. A strip too narrow for that gets
    black bars, see `is_padded`.
    """
    shown_width, shown_height = _shown_size(width, height, side)
    return max(shown_width, LEAST_SIDE), max(shown_height, LEAST_SIDE)


def is_padded(width: int, height: int, side: int) -> bool:
    """Return whether a picture gets black bars to be sent to a model."""
    return min(_shown_size(width, height, side)) < LEAST_SIDE


def _shown_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size of a picture within its bars."""
    shorter, longer = sorted((max(width, 1), max(height, 1)))
    scale = min(1.0, side / longer)
    if shorter * scale < LEAST_SIDE:
        scale = min(LEAST_SIDE / shorter, max(scale, _LONGEST_STRIP / longer))
    return _size_at((width, height), scale)


def _size_at(size: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (max(1, round(length * scale)) for length in size)
    return width, height


def _decode_scaled(jpeg: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode a picture in a size of its shape; raises as `smaller`."""
    import numpy as np  # slow to import, not needed to import this module

    cv2, longer, side = _opencv(), max(image_size(jpeg)), max(size)
    # Decode at a reduced size where half or less is needed; ignore the orientation tag.
    parts = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    colours = next((flag for part, flag in parts.items() if longer >= 2 * side * part), cv2.IMREAD_COLOR)
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), colours | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        raise ValueError("no JPEG")
    if side < longer:
        sigma = 0.5 * math.sqrt((max(picture.shape[:2]) / side) ** 2 - 1)
        picture = cv2.GaussianBlur(picture, (3, 3) if sigma < _WIDE_BLUR else (5, 5), sigma)
    scaled: np.ndarray = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return scaled


def _encode_jpeg(picture: np.ndarray, quality: int) -> bytes:
    cv2 = _opencv()
    return bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


@cache
def _opencv() -> ModuleType:
    """Import OpenCV and limit it to one thread: more cost time with small pictures, and others need the cores."""
    import cv2

    cv2.setNumThreads(1)
    return cv2
